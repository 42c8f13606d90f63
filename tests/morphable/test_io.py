"""Reading and writing face models."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_model import small_model

from facefuse.errors import AssetError
from facefuse.morphable.io import FORMAT, check_model, model_to_bytes, read_model, write_model


@pytest.mark.parametrize("antisymmetric", [False, True])
def test_round_trip_keeps_everything(tmp_path: Path, antisymmetric: bool) -> None:
    model = small_model(antisymmetric=antisymmetric)
    write_model(model, tmp_path / "m.safetensors")
    back = read_model(tmp_path / "m.safetensors")
    for item in fields(model):
        if item.name.startswith("_"):
            continue
        mine, other = getattr(model, item.name), getattr(back, item.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other, err_msg=item.name)
        else:
            assert mine == other, item.name


def test_modes_without_symmetry_are_stored_whole(tmp_path: Path) -> None:
    model = small_model()
    bent = model.identity.copy()
    bent[0, 3, 1] += 1.0
    model = replace(model, identity=bent, _flat={})
    write_model(model, tmp_path / "m.safetensors")
    assert "identity_parity" not in load_file(tmp_path / "m.safetensors")
    np.testing.assert_allclose(read_model(tmp_path / "m.safetensors").identity, bent, rtol=1e-3)


def test_symmetric_modes_take_about_half_the_room() -> None:
    model = small_model()
    bent = model.identity.copy()
    bent[0, 3, 1] += 1.0
    halves = len(model_to_bytes(model))
    assert halves < len(model_to_bytes(replace(model, identity=bent, _flat={})))


def test_equal_models_give_equal_bytes() -> None:
    assert model_to_bytes(small_model()) == model_to_bytes(small_model())


def test_missing_and_damaged_files_are_asset_errors(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="cannot be read"):
        read_model(tmp_path / "absent.safetensors")
    data = model_to_bytes(small_model())
    (tmp_path / "cut.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(AssetError, match="cannot be read"):
        read_model(tmp_path / "cut.safetensors")


def test_other_formats_and_missing_arrays_are_asset_errors(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, dtype=np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(AssetError, match="unknown format"):
        read_model(tmp_path / "other.safetensors")
    save_file(
        {"mean": np.zeros((3, 3), dtype=np.float32)}, tmp_path / "part.safetensors", {"format": FORMAT, "facts": "{}"}
    )
    with pytest.raises(AssetError, match="lacks"):
        read_model(tmp_path / "part.safetensors")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"albedo": np.zeros((3, 3))}, "albedo has shape"),
        ({"triangles": np.full((24, 3), 20)}, "triangles holds"),
        ({"contours": np.full((17, 3), -2)}, "contours holds"),
        ({"mean": np.full((20, 3), np.nan)}, "not finite"),
        ({"symmetric": np.roll(np.arange(20), 1)}, "not a pairing"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change: dict[str, np.ndarray], text: str) -> None:
    with pytest.raises(AssetError, match=text):
        check_model(replace(small_model(), **change))


def test_expressions_beyond_the_mesh_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_model(small_model(), path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])["__metadata__"]
    arrays = load_file(path)
    arrays["expression_vertices"] = arrays["expression_vertices"] + 100
    save_file(arrays, path, header)
    with pytest.raises(AssetError, match="do not fit the mesh"):
        read_model(path)

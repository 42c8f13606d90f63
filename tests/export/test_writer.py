"""The folder a run leaves behind."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import trimesh
from glb_reader import Glb
from PIL import Image

from facefuse.errors import UsageError
from facefuse.export import report as report_module
from facefuse.export import save, writer

ALWAYS = {"reconstruction.json", "overlay_01.png", "overlay_02.png", "overlay_03.png"}
OBJ = {"head.obj", "head.mtl", "head_texture.png"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_everything_by_default(reconstruction, tmp_path):
    written = save(reconstruction, tmp_path / "out")
    assert (
        names(tmp_path / "out")
        == {path.name for path in written}
        == ALWAYS
        | OBJ
        | {
            "head.glb",
            "head.ply",
            "report.html",
        }
    )
    assert names(tmp_path) == {"out"}
    Glb((tmp_path / "out" / "head.glb").read_bytes())
    json.loads((tmp_path / "out" / "reconstruction.json").read_text(encoding="utf-8"))
    for number in (1, 2, 3):
        assert Image.open(tmp_path / "out" / f"overlay_{number:02d}.png").size == (400, 300)
    scene = trimesh.load(tmp_path / "out" / "head.obj", force="scene")
    for mesh in scene.geometry.values():
        assert mesh.visual.material.image.size == reconstruction.texture.shape[:2], "the texture is found"


@pytest.mark.parametrize(
    ("formats", "expected"),
    [((), set()), (("glb",), {"head.glb"}), (("ply", "obj"), OBJ | {"head.ply"}), (["ply"], {"head.ply"})],
)
def test_only_the_formats_asked_for(reconstruction, tmp_path, formats, expected):
    save(reconstruction, tmp_path, formats=formats, report=False)
    assert names(tmp_path) == ALWAYS | expected


def test_posed_meshes_carry_each_photos_expression(reconstruction, tmp_path):
    save(reconstruction, tmp_path, posed=True, report=False)
    for index in range(3):
        stem = f"head_posed_{index + 1:02d}"
        posed = reconstruction.posed_mesh(index).vertices
        ply = trimesh.load(tmp_path / f"{stem}.ply", process=False)
        np.testing.assert_allclose(ply.vertices, posed, atol=1e-4)
        obj = (tmp_path / f"{stem}.obj").read_text()
        first = next(line for line in obj.splitlines() if line.startswith("v "))
        np.testing.assert_allclose([float(x) for x in first.split()[1:]], posed[0], atol=1e-4)
        weights = Glb((tmp_path / f"{stem}.glb").read_bytes()).json["meshes"][0]["weights"]
        np.testing.assert_allclose(weights, reconstruction.photos[index].expression, atol=1e-6)


def test_the_glb_can_open_with_a_photographed_expression(reconstruction, tmp_path):
    save(reconstruction, tmp_path, formats=["glb"], report=False, opening_photo=1)
    weights = Glb((tmp_path / "head.glb").read_bytes()).json["meshes"][0]["weights"]
    np.testing.assert_allclose(weights, reconstruction.photos[1].expression)
    with pytest.raises(UsageError, match="no photo 3"):
        save(reconstruction, tmp_path, opening_photo=3)


def test_the_head_saves_itself(reconstruction, tmp_path):
    assert tmp_path / "head.ply" in reconstruction.save(tmp_path, formats=("ply",), report=False)


def test_unknown_format(reconstruction, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'fbx'; choose from glb, obj, ply"):
        save(reconstruction, tmp_path / "out", formats=("glb", "fbx"))
    assert names(tmp_path) == set()


def test_out_is_a_file(reconstruction, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        save(reconstruction, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_error_half_way_leaves_nothing(reconstruction, tmp_path, monkeypatch):
    (tmp_path / "head.glb").write_bytes(b"earlier")

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(writer, "reconstruction_document", fail)
    with pytest.raises(MemoryError):
        save(reconstruction, tmp_path, report=False)
    monkeypatch.setattr(report_module, "still", fail)
    with pytest.raises(MemoryError):
        save(reconstruction, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"head.glb": b"earlier"}


def test_the_same_head_gives_the_same_bytes(reconstruction, tmp_path):
    for name in ("a", "b"):
        save(reconstruction, tmp_path / name, posed=True)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_large_photo_has_an_overlay_of_bounded_size(reconstruction, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "OVERLAY_SIZE", 100)
    save(reconstruction, tmp_path, formats=(), report=False)
    picture = Image.open(io.BytesIO((tmp_path / "overlay_01.png").read_bytes()))
    assert picture.size == (100, 75)

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from facefuse.errors import AssetError
from facefuse.morphable.importers.pickled_arrays import read_pickled_arrays


class Harmful:
    """What it says when it is loaded is written to a file: the reader must never get that far."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (Path.write_text, (self.path, "run"))


def written(tmp_path: Path, value: object, protocol: int) -> Path:
    path = tmp_path / f"p{protocol}.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    value = {
        "mean": rng.normal(size=(62,)).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "big": np.arange(6, dtype=">i4").reshape(2, 3),
        "flags": np.array([True, False]),
        "list": [1, 2.5, "text", None, True, (np.int64(7), -3)],
        "empty": np.zeros((0, 3)),
    }
    found = read_pickled_arrays(written(tmp_path, value, protocol))
    assert found.keys() == value.keys()
    for name in ("mean", "fortran", "big", "flags", "empty"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].dtype.kind == value[name].dtype.kind
        assert found[name].shape == value[name].shape
    assert found["list"][:5] == value["list"][:5]
    assert found["list"][5] == (7, -3)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_shared_array_comes_back_twice(tmp_path: Path, protocol: int) -> None:
    array = np.arange(4.0)
    found = read_pickled_arrays(written(tmp_path, [array, array], protocol))
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_is_ever_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    path = written(tmp_path, {"mean": np.zeros(3), "x": Harmful(trace)}, protocol)
    with pytest.raises(AssetError, match="not a pickle of plain arrays"):
        read_pickled_arrays(path)
    assert not trace.exists()


@pytest.mark.parametrize("value", [OrderedDict(a=1), np.array([{}], dtype=object), {1, 2}, len, object()])
def test_other_objects_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(AssetError):
        read_pickled_arrays(written(tmp_path, value, 2))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = pickle.dumps({"mean": np.arange(20.0)}, protocol=2)
    path = tmp_path / "damaged.pkl"
    rng = np.random.default_rng(1)
    for cut in rng.integers(0, len(whole) - 1, 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(AssetError):
            read_pickled_arrays(path)
    with pytest.raises(AssetError, match="cannot be read"):
        read_pickled_arrays(tmp_path / "none.pkl")


def test_flipped_bytes_never_do_harm(tmp_path: Path) -> None:
    whole = bytearray(pickle.dumps({"mean": np.arange(5.0), "std": np.ones(5)}, protocol=2))
    path = tmp_path / "flipped.pkl"
    rng = np.random.default_rng(2)
    for _ in range(200):
        changed = bytearray(whole)
        changed[rng.integers(len(changed))] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read_pickled_arrays(path)
        except AssetError:
            continue

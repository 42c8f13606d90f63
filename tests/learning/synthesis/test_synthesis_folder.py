"""The folder: read back as written, resumable, checked; and the streaming data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefuse.errors import AssetError, UsageError
from facefuse.learning.synthesis import folder as folders
from facefuse.learning.synthesis.dataset import SyntheticDataset
from facefuse.learning.synthesis.generator import Settings, Synthesizer

SERIES = folders.Series(seed=2, views=2, size=64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    assert folders.synthesize(out, SERIES, 2) == 2
    return out


def test_read_back(written: Path) -> None:
    photo = folders.read_photo(written, folders.stem_of(1, 1))
    truth = Synthesizer(SERIES.settings()).rig(2, 1, 2)[1]
    for name in (
        "pixels",
        "identity",
        "vertices",
        "expression",
        "landmarks68",
        "visible68",
        "parts",
        "occluder",
        "light",
    ):
        np.testing.assert_array_equal(getattr(photo, name), getattr(truth, name))
    np.testing.assert_allclose(photo.depth, truth.depth, atol=0.051)
    np.testing.assert_array_equal(photo.camera.rotation, truth.camera.rotation)
    assert photo.seed == (2, 1, 1)
    assert [p.seed[1:] for p in folders.read_photos(written)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_resumes_with_the_same_bytes(written: Path) -> None:
    truth, photo = written / "truth" / "000001_1.safetensors", written / "photos" / "000001_1.png"
    before = truth.read_bytes(), photo.read_bytes()
    truth.unlink()
    told: list[tuple[int, int]] = []
    assert folders.synthesize(written, SERIES, 2, progress=lambda done, count: told.append((done, count))) == 1
    assert (truth.read_bytes(), photo.read_bytes()) == before
    assert told == [(1, 2), (2, 2)]
    assert folders.synthesize(written, SERIES, 2) == 0


def test_other_settings_need_another_folder(written: Path) -> None:
    with pytest.raises(UsageError, match="other settings"):
        folders.synthesize(written, folders.Series(seed=3, views=2, size=64), 2)
    with pytest.raises(UsageError, match="1 to 9"):
        folders.synthesize(written, folders.Series(views=10), 2)


def test_missing_photo(written: Path) -> None:
    with pytest.raises(AssetError, match="no photo"):
        folders.read_photo(written, "000009_0")


def test_data_set_does_not_depend_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(size=64)
    alone = list(SyntheticDataset(settings, 5, 3))
    shared: dict[int, np.ndarray] = {}
    for worker in range(2):
        info = type("Info", (), {"id": worker, "num_workers": 2})
        monkeypatch.setattr("facefuse.learning.synthesis.dataset.get_worker_info", lambda info=info: info)
        for rig in SyntheticDataset(settings, 5, 3):
            shared[rig[0].seed[1]] = rig[0].pixels
    assert sorted(shared) == [0, 1, 2]
    for number, (photo,) in enumerate(alone):
        np.testing.assert_array_equal(shared[number], photo.pixels)

"""Rendered faces as landmark training material."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from landmarks_sample import TINY, made_up_backgrounds, made_up_faces

from facefuse.errors import UsageError
from facefuse.learning.landmarks.batches import make_batch, mixed_chances
from facefuse.learning.landmarks.data import joined
from facefuse.learning.landmarks.engine import new_state, save_state, train
from facefuse.learning.landmarks.synthetic import PHOTO_PX, pack, read_packs
from facefuse.learning.synthesis.generator import Settings, Synthesizer


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    synthesizer = Synthesizer(Settings(size=PHOTO_PX))
    for number in range(2):
        photos = [synthesizer.photo(1, 3 * number + i) for i in range(3)]
        np.savez(folder / f"faces_{number:04d}.npz", **pack(photos))  # type: ignore[arg-type]
    return folder


def test_points_are_those_of_the_renderer(packs: Path) -> None:
    like = replace(made_up_faces(), mesh_indices=np.array([1, 4, 33, 470]))
    faces = read_packs(packs, like)
    truth = Synthesizer(Settings(size=PHOTO_PX)).photo(1, 4)
    np.testing.assert_array_equal(faces.photos[4], truth.pixels)
    np.testing.assert_allclose(faces.points[4, :68], truth.landmarks68)
    np.testing.assert_allclose(faces.points[4, 68:71], truth.mesh[[1, 4, 33]])
    np.testing.assert_array_equal(faces.weight[4, :68] == 1.0, truth.visible68)
    assert (faces.weight[:, -1] == 0).all()  # an iris point
    assert (faces.row == -1).all()


def test_shares_are_kept_whatever_the_numbers(packs: Path) -> None:
    real = made_up_faces(40)
    both = joined(real, read_packs(packs, real))
    chances = mixed_chances(both, replace(TINY, synthetic_share=0.25))
    np.testing.assert_allclose(chances[both.row < 0].sum(), 0.25)
    np.testing.assert_allclose(chances.sum(), 1.0)
    assert len(np.unique(both.group)) == len(np.unique(real.group)) + 6


def test_batches_mix(packs: Path) -> None:
    real = made_up_faces()
    both = joined(real, read_packs(packs, real))
    batch = make_batch(both, made_up_backgrounds(), mixed_chances(both, TINY), TINY, 0)
    assert np.isfinite(batch.target).all()
    assert batch.crops.shape == (TINY.batch + TINY.negatives, 48, 48, 3)


def test_no_packs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="faces_"):
        read_packs(tmp_path, made_up_faces())


def test_a_run_can_start_from_another_ones_average(tmp_path: Path) -> None:
    faces = made_up_faces()
    other = new_state(replace(TINY, seed=99), faces.points.shape[1])
    save_state(other, tmp_path / "other.pt")
    still = replace(TINY, learning_rate=0.0, stages=((48, 1),), ema=1.0)
    state = train(faces, faces, made_up_backgrounds(), still, tmp_path / "run", tmp_path / "other.pt")
    for (name, value), known in zip(state.average.named_parameters(), other.average.parameters(), strict=True):
        np.testing.assert_array_equal(value.numpy(), known.numpy(), err_msg=name)

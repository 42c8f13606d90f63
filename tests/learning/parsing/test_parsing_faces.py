from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from parsing_sample import SIDE, painted_faces

from facefuse.detection import parts as face_parts
from facefuse.detection.adapters.bisenet import OF_CLASS
from facefuse.errors import UnusableInput
from facefuse.learning.df_mvr import parts
from facefuse.learning.df_mvr.rigs import UNKNOWN
from facefuse.learning.landmarks.augment import Placement
from facefuse.learning.landmarks.config import AugmentConfig
from facefuse.learning.parsing.faces import (
    MIRRORED,
    cover,
    cut_labels,
    draw,
    plain,
    read_labelled,
    synthetic_faces,
    synthetic_labels,
)
from facefuse.learning.parsing.task import PALETTE
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.morphable.registry import load_model

FACES = painted_faces()
STILL = AugmentConfig(roll_deg=0, any_roll=0, log_scale=0, shift=0, loose=0, cutout=0, blur=0, noise=0, grey=0)


def test_classes_are_those_of_df_mvr_and_the_occluder():
    assert (*parts.PARTS, "occluder") == face_parts.PARTS
    assert tuple(0 if part == face_parts.OCCLUDER else part for part in OF_CLASS) == parts.CELEBAMASK_HQ
    assert len(PALETTE) == len(face_parts.PARTS)
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(256))
    assert MIRRORED[UNKNOWN] == UNKNOWN


@pytest.fixture(scope="module")
def photos():
    synthesizer = Synthesizer(Settings(96))
    return [synthesizer.photo(7, index) for index in range(6)]


def test_labels_of_synthetic_photos(photos):
    model = load_model()
    faces = synthetic_faces(model, photos)
    assert faces.labels.shape == (6, 96, 96)
    hidden = 0
    for photo, labels in zip(photos, faces.labels, strict=True):
        assert np.array_equal(labels, synthetic_labels(model, photo))
        # nothing is labelled as the face where something hides it, and nothing as occluder where the face is seen
        assert np.isin(labels[photo.occluder], (0, face_parts.OCCLUDER)).all()
        assert photo.occluder[labels == face_parts.OCCLUDER].all()
        # the nose is labelled about the tip of the nose unless it is hidden
        x, y = np.rint(photo.landmarks68[30]).astype(int)
        if photo.visible68[30]:
            assert face_parts.PARTS[labels[y, x]] == "nose"
        hidden += (labels == face_parts.OCCLUDER).sum()
    assert hidden > 50


def test_crops_and_labels_stay_together():
    """Every pixel of a crop has the colour of its label, whatever the turn, also in mirror images."""
    rng = np.random.default_rng(0)
    turned = AugmentConfig(roll_deg=20, any_roll=0.3, log_scale=0.1, shift=0.05, loose=0, cutout=0, blur=0, noise=0)
    crops, labels = draw(FACES, 40, 48, turned, rng)
    assert {48} == {*crops.shape[1:3], *labels.shape[1:]}
    assert (labels == UNKNOWN).any()
    # the brows, painted alike in all photos up to mirroring, keep their sides
    for k in range(40):
        right, left = (np.argwhere(labels[k] == label) for label in (2, 3))
        eyes, mouth = np.argwhere((labels[k] == 4) | (labels[k] == 5)), np.argwhere(labels[k] == 7)
        if min(len(right), len(left), len(eyes), len(mouth)) < 8:
            continue
        down, across = mouth.mean(axis=0) - eyes.mean(axis=0), left.mean(axis=0) - right.mean(axis=0)
        assert down[0] * across[1] - down[1] * across[0] > 0


def test_plain_crops_are_the_runtime_ones():
    crops, labels = plain(FACES, 48)
    placement = Placement(np.full((1, 2), (SIDE - 1) / 2), np.array([float(SIDE)]), np.zeros(1), np.zeros(1, bool))
    assert np.array_equal(cut_labels(FACES.labels, np.array([2]), placement, SIDE)[0], FACES.labels[2])
    mean = np.array([crops[labels == part].mean(axis=0) for part in range(11)])
    painted = np.array([FACES.photos[FACES.labels == part].mean(axis=0) for part in range(11)])
    assert np.abs(mean - painted).mean() < 12  # blending at edges only


def test_cover():
    crops, labels = draw(FACES, 8, 48, STILL, np.random.default_rng(0))
    before, known = crops.copy(), labels.copy()
    donors = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    cover(crops, labels, donors, np.random.default_rng(5))
    assert np.array_equal(crops[:4], before[:4])
    assert np.array_equal(labels[:4], known[:4])
    changed = labels != known
    assert changed[4:].any(axis=(1, 2)).sum() >= 3
    assert (labels[changed] == face_parts.OCCLUDER).all()
    assert np.isin(known[changed], np.arange(1, 10)).all()


def test_file(tmp_path):
    FACES.save(tmp_path / "faces.npz")
    found = read_labelled(tmp_path / "faces.npz")
    assert all(np.array_equal(getattr(found, name), value) for name, value in FACES.__dict__.items())
    with pytest.raises(UnusableInput, match="absent"):
        read_labelled(tmp_path / "absent.npz")


def test_held_out_are_whole_people():
    held = FACES.last_people(2)
    assert held.sum() == 4
    assert set(FACES.person[held]).isdisjoint(FACES.person[~held])
    assert not FACES.last_people(100).all()

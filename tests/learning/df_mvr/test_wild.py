from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from facefuse.detection import parts as face_parts
from facefuse.detection.crop import Square
from facefuse.errors import UnusableInput
from facefuse.geometry.cameras import PinholeCamera
from facefuse.learning.df_mvr.config import DataConfig
from facefuse.learning.df_mvr.data.wild import (
    choose,
    fitted_parts,
    label_faces,
    read_wild,
    recrop,
    wild_rigs,
)
from facefuse.learning.df_mvr.parts import PARTS, part_table
from facefuse.learning.df_mvr.rigs import UNKNOWN, RigBatch, View, draw, made_up_rigs
from facefuse.learning.landmarks.data import FaceSet
from facefuse.morphable.registry import load_model
from facefuse.rendering.maps import part_map
from facefuse.rendering.rasterize import rasterize, screen_vertices

MODEL = load_model()
SIDE = 120
TABLE = np.concatenate([[0], part_table(MODEL.region_names)])


def posed(yaw_deg: float, seed: int):
    rng = np.random.default_rng(seed)
    vertices = MODEL.vertices(rng.normal(0, 0.7, MODEL.identity_count)).astype(float)
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    rotation = np.diag([1.0, -1.0, -1.0]) @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    middle = np.asarray(MODEL.landmarks(vertices)).mean(axis=0)
    camera = PinholeCamera(450.0, np.array([59.5, 59.5]), rotation, np.array([0, 0, 900.0]) - rotation @ middle)
    return vertices, camera


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """Made-up photos whose landmarks are those of the model, and one whose landmarks are of no face."""
    rng = np.random.default_rng(3)
    points = []
    for seed, yaw in enumerate((0.0, 40.0, -70.0)):
        vertices, camera = posed(yaw, seed)
        points.append(camera.project(np.concatenate([MODEL.landmarks(vertices), MODEL.mesh_landmarks(vertices)])))
    points.append(rng.uniform(0, SIDE, points[0].shape))
    chosen = np.concatenate([np.arange(68), 68 + np.arange(0, 468, 3)])
    labels = np.array(points, np.float32)[:, chosen]
    weight = np.ones(labels.shape[:2], np.float32)
    labels[1, 68:], weight[1, 68:] = np.nan, 0.0
    return FaceSet(
        photos=rng.integers(0, 256, (4, SIDE, SIDE, 3)).astype(np.uint8),
        points=labels,
        weight=weight,
        yaw_deg=np.float32([0, 40, -70, 0]),
        group=np.arange(4),
        mesh_indices=np.arange(0, 468, 3),
        mirror=np.zeros(0, np.intp),
        row=np.arange(4),
    )


@pytest.fixture(scope="module")
def wild(faces):
    return label_faces(faces, MODEL)


def test_parts_are_those_of_the_true_head(faces, wild):
    assert len(wild) == 3  # what is no face is left out
    for k, yaw in enumerate((0.0, 40.0, -70.0)):
        vertices, camera = posed(yaw, k)
        truth = TABLE[part_map(rasterize(screen_vertices(vertices, camera), MODEL.triangles, SIDE, SIDE), MODEL.region)]
        assert (wild.parts[k] == truth).mean() > 0.97
        for name in ("skin", "nose", "upper_lip"):
            here, there = wild.parts[k] == PARTS.index(name), truth == PARTS.index(name)
            assert (here & there).sum() > 0.75 * (here | there).sum(), (yaw, name)


def test_points_without_label_or_behind_the_head_are_not_known(wild):
    assert np.isfinite(wild.points).all()
    assert wild.known[0, 68 : 68 + 5].tolist() == [True, False, False, True, False]  # every third was labelled
    assert not wild.known[1, 68:].any()
    assert wild.known[1, :68].any()
    # -70°: the subject is turned to the right, so the outline of the other side is seen
    right, left = wild.known[2, 36:42].mean(), wild.known[2, 42:48].mean()
    assert {right < 0.5, left < 0.5} == {True, False}


class UpperHalfHidden:
    """A parser that sees skin in the lower half of the photo and a hat above."""

    def parse(self, pixels, points68):
        probability = np.zeros((len(face_parts.PARTS), SIDE, SIDE), np.float32)
        probability[1, 60:], probability[face_parts.OCCLUDER, :60] = 1, 1
        return face_parts.FaceParts(probability, Square(np.array([59.5, 59.5]), SIDE))


def test_occluded_pixels_are_unknown(faces, wild):
    covered = label_faces(faces.subset(np.array([0])), MODEL, UpperHalfHidden()).parts[0]
    assert (covered[:60][wild.parts[0, :60] > 0] == UNKNOWN).all()
    assert (covered[:60][wild.parts[0, :60] == 0] == 0).all()
    assert np.array_equal(covered[60:], wild.parts[0, 60:])


def test_mirror_image_fits_the_mirrored_head(wild):
    """Fitting the mirrored landmarks gives the mirrored parts: points and labels agree on what left is."""
    view = wild_rigs(wild, MODEL, views=2)[1].views[1]
    fitted = fitted_parts(MODEL, view.points.astype(float), view.known.astype(float), np.arange(468), SIDE, SIDE)
    assert fitted is not None
    for name in ("brow_left", "brow_right", "nose"):
        label = PARTS.index(name)
        here, there = TABLE[fitted[0]] == label, view.parts == label
        assert (here & there).sum() > 0.6 * (here | there).sum(), name


def test_recrop_moves_points_with_pixels(wild):
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    photo[50:54, 40:44] = 255
    points = wild.points[0].copy()
    points[30] = 41.5, 51.5
    view = replace(View(photo, points, np.ones(len(points), bool), wild.parts[0]))
    for seed in range(6):
        cut = recrop(view, np.random.default_rng(seed))
        bright = cut.pixels[..., 0].astype(float)
        y, x = np.mgrid[: len(bright), : len(bright)]
        centre = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()
        np.testing.assert_allclose(cut.points[30], centre, atol=0.3)
        assert cut.parts.shape == bright.shape


def test_rigs_mix_with_synthetic_ones(wild):
    rigs = wild_rigs(wild, MODEL, views=4)
    again = wild_rigs(wild, MODEL, views=4)
    assert all(len(rig.views) == 4 for rig in rigs)
    assert np.array_equal(rigs[2].views[3].pixels, again[2].views[3].pixels)
    config, rng = DataConfig(views=4, size=64), np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facefuse.learning.df_mvr.rigs.MADE_UP_PEOPLE", 1)
        made_up = made_up_rigs(MODEL, 2, seed=5)
    batch = RigBatch.joined([draw(made_up, 1, 4, config, rng), draw(rigs, 2, 4, config, rng)])
    assert np.isfinite(batch.face[0]).all()
    assert np.isnan(batch.face[1:]).all()
    assert np.isfinite(batch.points).all()


def test_file(wild, tmp_path):
    wild.save(tmp_path / "wild.npz")
    found = read_wild(tmp_path / "wild.npz")
    assert all(np.array_equal(getattr(found, name), value) for name, value in wild.__dict__.items())
    np.savez(tmp_path / "other.npz", photos=wild.photos)
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("other.npz", "text.npz", "absent.npz"):
        with pytest.raises(UnusableInput, match=name):
            read_wild(tmp_path / name)


def test_choice_is_balanced(faces):
    many = faces.subset(np.repeat([0, 1, 2], [900, 60, 60]))
    chosen = choose(many, 100, seed=0)
    assert len(chosen) == 100
    assert (np.abs(chosen.yaw_deg) > 30).sum() > 30  # 12 in proportion
    assert len(choose(many, 5000, seed=0)) == 1020

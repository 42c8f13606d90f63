from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from landmarks_sample import TINY, made_up_backgrounds, made_up_faces

from facefuse.learning.landmarks.augment import (
    Placement,
    cut,
    face_square,
    missed_placement,
    plain_crops,
    random_placement,
)
from facefuse.learning.landmarks.batches import make_batch, sampling_chances
from facefuse.learning.landmarks.config import AugmentConfig
from facefuse.learning.landmarks.network import CROP_SIZE

PLAIN = AugmentConfig(cutout=0.0, blur=0.0, noise=0.0, grey=0.0)


def brightest(image: np.ndarray) -> np.ndarray:
    """Centre of brightness (x, y) of an image (S, S, 3) above its background."""
    grey = image.astype(float).sum(-1)
    grey = np.clip(grey - (grey.min() + 0.3 * np.ptp(grey)), 0.0, None)
    y, x = np.indices(grey.shape)
    return np.array([(grey * x).sum(), (grey * y).sum()]) / grey.sum()


@pytest.mark.parametrize("size", [80, 120])
def test_points_move_with_the_picture(size: int) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :120]
    spot = np.array([[66.0, 52.0]])
    photo = (220 * np.exp(-((x - spot[0, 0]) ** 2 + (y - spot[0, 1]) ** 2) / 18.0)).astype(np.uint8)
    sources = np.repeat(photo[None, ..., None], 3, axis=-1)
    n = 40
    placement = Placement(
        rng.uniform(52.0, 68.0, (n, 2)), rng.uniform(80.0, 110.0, n), rng.uniform(-0.8, 0.8, n), np.arange(n) % 2 == 0
    )
    crops = cut(sources, np.zeros(n, int), placement, np.zeros((1, 9, 9, 3), np.uint8), size, PLAIN, rng)
    expected = placement.to_crop(np.tile(spot, (n, 1, 1)).astype(float), size)[:, 0]
    found = np.array([brightest(c) for c in crops])
    assert np.abs(found - expected).max() < 0.35


def test_face_square_is_the_published_rule_and_turns_with_the_face() -> None:
    points = np.random.default_rng(1).uniform(20.0, 100.0, (3, 68, 2))
    centre, side = face_square(points, np.zeros(3))
    np.testing.assert_allclose(side, math.sqrt(2.0) * np.ptp(points, axis=1).max(axis=1))
    np.testing.assert_allclose(centre, (points.min(axis=1) + points.max(axis=1)) / 2.0)
    angle = 0.5
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned_centre, turned_side = face_square(points @ turn.T, np.full(3, angle))
    np.testing.assert_allclose(turned_side, side)
    np.testing.assert_allclose(turned_centre, centre @ turn.T)


def test_random_crops_keep_the_face_and_missed_ones_do_not() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(30.0, 90.0, (400, 68, 2))
    for placement, kept in (
        (random_placement(points, AugmentConfig(), rng), True),
        (missed_placement(points, rng), False),
    ):
        centre, side = face_square(points, placement.roll)
        ratio = placement.side / side
        offset = np.abs(placement.centre - centre)
        cos, sin = np.abs(np.cos(placement.roll)), np.abs(np.sin(placement.roll))
        along = np.stack([offset @ [1, 0] * cos, offset @ [0, 1] * cos], -1) - 2 * sin[:, None] * offset[:, ::-1]
        common = np.clip(side[:, None] / 2 + placement.side[:, None] / 2 - np.clip(along, 0, None), 0, None)
        inside = np.minimum(common, np.minimum(side, placement.side)[:, None]).prod(1)
        overlap = inside / (side**2 + placement.side**2 - inside)
        close = np.linalg.norm(placement.centre - centre, axis=1) < 0.45 * side / math.sqrt(2.0)
        right_size = (ratio > 0.6) & (ratio < 1.6)
        assert ((close & right_size) == kept).all()
        if kept:
            assert overlap.min() > 0.3


def test_batches_depend_on_seed_and_step_only() -> None:
    faces, backgrounds = made_up_faces(), made_up_backgrounds()
    chances = sampling_chances(faces.yaw_deg, TINY.pose_shares)
    first, again, other = (make_batch(faces, backgrounds, chances, TINY, s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.crops, again.crops)
    np.testing.assert_array_equal(first.target, again.target)
    assert (first.crops != other.crops).any()
    assert first.crops.shape == (6, 48, 48, 3)
    assert make_batch(faces, backgrounds, chances, TINY, 3).crops.shape == (6, 64, 64, 3)


def test_batches_mask_missing_points_and_non_faces() -> None:
    faces = made_up_faces(1)
    batch = make_batch(faces, made_up_backgrounds(), np.ones(1), dataclasses.replace(TINY, negatives=4), 0)
    np.testing.assert_array_equal(batch.is_face, [1, 1, 1, 1, 0, 0, 0, 0])
    assert (batch.weight[:4, :68] == 1).all()
    assert (batch.weight[:4, 68:] == 0).all()
    assert (batch.weight[4:] == 0).all()
    assert np.isfinite(batch.target).all()


def test_mirrored_faces_swap_left_and_right() -> None:
    faces = made_up_faces(6)
    points = np.tile(np.random.default_rng(3).uniform(40, 80, (1, 72, 2)), (6, 1, 1)).astype(np.float32)
    points[:, 36:42, 0], points[:, 42:48, 0] = 45.0, 75.0
    points[:, 48:, 1], points[:, 36:48, 1] = 80.0, 40.0
    faces = dataclasses.replace(faces, points=points, weight=np.ones((6, 72), np.float32))
    config = dataclasses.replace(TINY, batch=40, augment=AugmentConfig(roll_deg=0.0, any_roll=0.0))
    batch = make_batch(faces, made_up_backgrounds(), np.full(6, 1 / 6), config, 0)
    eyes = batch.target[:40, 36:48, 0].reshape(40, 2, 6).mean(-1)
    assert (eyes[:, 0] < eyes[:, 1]).all()  # the subject's right eye stays on the image's left


def test_sampling_gives_each_pose_its_share() -> None:
    yaw = np.concatenate([np.zeros(90), np.full(9, 45.0), np.full(3, -75.0)])
    chances = sampling_chances(yaw, (0.5, 0.3, 0.2))
    np.testing.assert_allclose([chances[:90].sum(), chances[90:99].sum(), chances[99:].sum()], [0.5, 0.3, 0.2])


def test_plain_crops_follow_the_rule() -> None:
    faces = made_up_faces(3)
    crops, target = plain_crops(faces.photos, faces.points, 60)
    assert crops.shape == (3, 60, 60, 3)
    extent = np.ptp(target[:, :68], axis=1).max(axis=1)
    np.testing.assert_allclose(extent, CROP_SIZE / math.sqrt(2.0), rtol=1e-4)
    middle = (target[:, :68].min(axis=1) + target[:, :68].max(axis=1)) / 2.0
    np.testing.assert_allclose(middle, (CROP_SIZE - 1) / 2.0, atol=1e-3)

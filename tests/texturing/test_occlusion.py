from __future__ import annotations

import numpy as np
import pytest

from facefuse.texturing.bake import bake_texture
from facefuse.texturing.occlusion import ShownSkin, facial_triangles
from facefuse.texturing.parts import parts_of
from facefuse.texturing.views import see

SIZE = 96


def crop_of(photo: np.ndarray, shown: np.ndarray) -> ShownSkin:
    """A parser's answer for the whole of a square photo; ``shown`` (H, W) says where it sees the face."""
    scale = SIZE / len(photo)
    at = np.minimum(((np.arange(SIZE) + 0.5) / scale).astype(int), len(photo) - 1)
    to_crop = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5]])
    return ShownSkin(shown[at][:, at].astype(np.float32), to_crop)


@pytest.mark.parametrize("map_scale", [1.0, 0.37])
@pytest.mark.parametrize("roll", [0.0, 0.7])
def test_map_follows_the_crop(map_scale, roll):
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    probability = np.clip(0.4 + 0.02 * (x - 47.5) + 0.005 * (y - 47.5), 0, 1).astype(np.float32)
    cos, sin = np.cos(roll), np.sin(roll)
    to_crop = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]]) * 0.6
    to_crop[:, 2] = (47.5, 47.5) - to_crop[:, :2] @ (200.0, 150.0)  # the crop's middle lies at (200, 150)
    corner = np.array([90.0, 50.0])
    size = round(260 * map_scale), round(300 * map_scale)
    ones = np.ones(size, bool)
    found = ShownSkin(probability, to_crop).trust(ones, np.zeros(size), corner, map_scale)
    row, column = np.mgrid[: size[0], : size[1]]
    photo = (np.stack([column, row], axis=-1) + 0.5) / map_scale - 0.5 + corner
    at = photo @ to_crop[:, :2].T + to_crop[:, 2]
    inside = ((at > 0.5) & (at < SIZE - 1.5)).all(axis=-1)
    outside = ((at < -1) | (at > SIZE)).any(axis=-1)
    hidden = 1 - np.clip(0.4 + 0.02 * (at[..., 0] - 47.5) + 0.005 * (at[..., 1] - 47.5), 0, 1)
    t = np.clip((hidden - 0.45) / 0.3, 0, 1)
    assert inside.sum() > 1000 * map_scale**2
    np.testing.assert_allclose(found[inside], (1 - t * t * (3 - 2 * t))[inside], atol=0.02)
    assert (found[outside] == 1).all()


def test_only_the_face_is_judged_and_hair_may_stay():
    nothing = ShownSkin(np.zeros((SIZE, SIZE), np.float32), np.eye(2, 3))
    facial, hair = np.zeros((40, 40), bool), np.zeros((40, 40))
    facial[:20], hair[:10] = True, 1.0
    trust = nothing.trust(facial, hair, np.zeros(2), 1.0)
    assert (trust[:10] == 1).all()
    assert (trust[10:20] == 0).all()
    assert (trust[20:] == 1).all()


def test_shifted_picture():
    shown = ShownSkin(
        np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32), np.array([[0.5, 0.1, 3], [-0.1, 0.5, 9]])
    )
    all_face, none = np.ones((50, 60), bool), np.zeros((50, 60))
    there = shown.trust(all_face, none, np.array([12.0, 7.0]), 1.0)
    moved = shown.without(np.array([10.0, 4.0])).trust(all_face, none, np.array([2.0, 3.0]), 1.0)
    np.testing.assert_allclose(there, moved, atol=1e-6)


def test_models_without_names_are_not_judged(sitter):
    from dataclasses import replace

    assert facial_triangles(sitter.model).sum() > 1000
    unnamed = replace(sitter.model, region_names=tuple(str(k) for k in range(len(sitter.model.region_names))))
    assert not facial_triangles(unnamed).any()


def test_what_hides_the_face_is_not_painted_on_it(sitter):
    """A skin-coloured hand over one cheek: without the parser it is taken for the cheek."""
    model = sitter.model
    photo, camera = sitter.photograph(0.0)
    cheek = np.asarray(camera.project(model.mean[None, np.argmin(np.linalg.norm(model.mean - [45, -20, 90], axis=1))]))[
        0
    ]
    y, x = np.mgrid[: len(photo), : photo.shape[1]]
    hand = np.hypot(x - cheek[0], y - cheek[1]) < 16
    covered = photo.copy()
    covered[hand] = np.clip(photo[hand].mean(axis=0) * 0.75, 0, 255)
    mask = crop_of(photo, ~hand)
    seen = [see(model, parts_of(model), model.mean, camera, covered, 0.5, one) for one in (None, mask)]
    at = np.asarray(camera.project(model.mean))
    under = (np.hypot(*(at - cheek).T) < 13) & (seen[0].facing > 0.5)
    beside = (np.hypot(*(at - cheek).T) > 24) & (seen[0].facing > 0.5)
    assert under.sum() > 20
    assert seen[0].weight[under].mean() > 0.5
    assert seen[1].weight[under].max() < 0.1
    np.testing.assert_allclose(seen[1].weight[beside], seen[0].weight[beside], atol=0.05)

    def textures(shown):
        return bake_texture(model, [model.mean], [camera], [covered], size=256, shown=shown).astype(float)

    clean = bake_texture(model, [model.mean], [camera], [photo], size=256).astype(float)
    plain, masked = textures(None), textures([mask])
    changed = np.abs(plain - clean).sum(axis=-1) > 40
    assert changed.sum() > 50
    assert np.abs(masked - clean)[changed].mean() < 0.6 * np.abs(plain - clean)[changed].mean()

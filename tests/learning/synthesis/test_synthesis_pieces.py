"""Cameras, light, expressions, gaze, film, hair, textures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefuse.errors import AssetError, UsageError
from facefuse.learning.synthesis import expressions, film, hair, identity, kernels, lighting, truth, views
from facefuse.learning.synthesis.backgrounds import Backgrounds
from facefuse.learning.synthesis.gaze import aim_eyes
from facefuse.learning.synthesis.head import base_head
from facefuse.learning.synthesis.scalp import base_scalp
from facefuse.learning.synthesis.textures import TextureLibrary
from facefuse.learning.synthesis.worn import make_glasses, make_hat
from facefuse.rendering.shading import sh_shade

NAMES = base_head().model.expression_names


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_camera_frames_as_told() -> None:
    points = base_head().model.landmarks(base_head().model.mean)
    framing = views.Framing(400.0, 0.5, np.array([0.1, -0.05]), np.array([5.0, -3.0]))
    camera = views.make_camera(points, views.rotation_of((30.0, 10.0, -5.0)), framing, 200)
    seen = camera.project(np.asarray(points, np.float64))
    low, high = seen.min(axis=0), seen.max(axis=0)
    assert abs((high - low).max() / 200 - 0.5) < 0.05
    np.testing.assert_allclose((low + high) / 2, 99.5 + np.array([20.0, -10.0]), atol=1.0)
    assert abs(np.linalg.norm(camera.position() - views.CENTRE) - 400.0) < 60.0


def test_poses_reach_profiles_and_stay_in_bounds() -> None:
    yaw = np.array([views.random_pose(rng(seed))[0] for seed in range(600)])
    assert np.abs(yaw).max() <= 100
    assert (np.abs(yaw) > 75).mean() > 0.05
    assert (np.abs(yaw) < 30).mean() > 0.4


def test_turned_light_shades_turned_normals_alike() -> None:
    light = lighting.random_light(rng(4))
    turn = views.rotation_of((40.0, -20.0, 15.0))
    normals = rng(1).standard_normal((50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(
        sh_shade(normals, light.ambient), sh_shade(normals @ turn.T, light.rotated(turn).ambient), atol=1e-9
    )


def test_harmonics_of_a_lamp_are_near_its_cosine() -> None:
    lamp = lighting.Light(np.zeros((9, 3)), np.array([[0.0, 0.0, 1.0]]), np.ones((1, 3)), np.ones(1))
    at = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(sh_shade(at, lamp.harmonics())[:, 0], [1.0, 0.0, 0.0], atol=0.1)


def test_expression_statistics_recover_what_goes_together() -> None:
    names = ("mouthSmileLeft", "mouthSmileRight", "jawOpen")
    half = rng(0).random((4000, 1)) < 0.5
    scores = np.where(half, [[0.9, 0.8, 0.1]], [[0.0, 0.1, 0.6]]) + rng(1).normal(0, 0.03, (4000, 3))
    found = expressions.learn(np.clip(scores, 0, 1), names)
    drawn = np.array([list(found.draw(rng(seed)).values()) for seed in range(1500)])
    smiling = drawn[:, 0] > 0.5
    assert abs(smiling.mean() - 0.5) < 0.05
    assert drawn[smiling, 2].mean() < 0.2 < 0.5 < drawn[~smiling, 2].mean()
    np.testing.assert_allclose(drawn[:, 0].mean(), drawn[:, 1].mean(), atol=0.03)  # as common left as right


def test_shipped_statistics_smile_on_both_sides() -> None:
    shipped = expressions.shipped_statistics()
    drawn = np.array([expressions.random_expression(NAMES, shipped, rng(seed)) for seed in range(1500)])
    left, right = (drawn[:, NAMES.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    assert np.corrcoef(left, right)[0, 1] > 0.8
    assert 0.1 < (left > 0.4).mean() < 0.5
    bared = drawn[:, NAMES.index("mouthUpperUpLeft")] > 0.4
    assert left[bared].mean() > left[~bared].mean() + 0.2


@pytest.mark.parametrize(("yaw", "name"), [(20.0, "eyeLookOutRight"), (-20.0, "eyeLookOutLeft")])
def test_eyes_turn_to_the_camera(yaw: float, name: str) -> None:
    # a face turned to its left has the camera on its right
    weights = [
        aim_eyes(np.zeros(len(NAMES), np.float32), NAMES, views.rotation_of((yaw, 0.0, 0.0)), rng(seed))
        for seed in range(60)
    ]
    assert np.median([w[NAMES.index(name)] for w in weights]) > 0.4


def test_hair_stays_above_the_skull() -> None:
    head = base_head()
    skull = base_scalp().on(np.asarray(head.model.mean))
    radius = np.linalg.norm(skull - hair.MIDDLE, axis=-1)
    style = hair.Style(20.0, 10.0, 10.0)
    grown = hair.grow(style, head.model.mean, np.array([0.0, -1.0, 0.0]), np.zeros(3, np.float32), rng(2))
    outer = np.linalg.norm(grown.vertices[0, 0] - hair.MIDDLE, axis=-1)
    assert (outer > radius[0]).all()
    assert np.isfinite(grown.vertices).all()
    inner = np.linalg.norm(grown.vertices[-1, : hair.ON_SKULL] - hair.MIDDLE, axis=-1)
    assert (np.linalg.norm(grown.vertices[0, : hair.ON_SKULL] - hair.MIDDLE, axis=-1) >= inner - 1e-3).all()


def test_every_style_grows_on_odd_heads() -> None:
    head = base_head()
    vertices = head.model.vertices(identity=rng(3).standard_normal(90) * 2).astype(np.float32)
    for seed in range(40):
        style = hair.random_style(rng(seed))
        if style is not None:
            grown = hair.grow(style, vertices, np.array([0.1, -0.99, 0.0]), np.zeros(3, np.float32), rng(seed))
            assert np.isfinite(grown.vertices).all()
            assert np.abs(grown.vertices).max() < 600


def test_glasses_sit_before_the_eyes() -> None:
    head = base_head()
    mean = np.asarray(head.model.mean)
    for seed in range(5):
        frame, lenses = make_glasses(head, mean, rng(seed))
        eye = head.model.landmarks(mean)[36:48, 2].max()
        assert lenses.vertices[:, 2].max() > eye + 5
        assert frame.vertices[:, 2].min() < -40  # the temples reach the ears
        assert abs(frame.vertices[:, 0].mean()) < 5


def test_hats_cover_the_crown() -> None:
    mean = np.asarray(base_head().model.mean)
    for seed in range(12):
        pieces = make_hat(mean, np.array([0.0, -1.0, 0.0]), rng(seed))
        assert max(float(piece.vertices[:, 1].max()) for piece in pieces) > mean[:, 1].max()


def test_film_reaches_its_exposure_and_loses_colour() -> None:
    picture = np.full((32, 32, 3), 0.4, np.float32) * np.array([1.2, 1.0, 0.8], np.float32)
    plain = film.develop(picture, 0.4, film.Film(), rng())
    assert 120 < plain.mean() < 150
    assert plain[0, 0, 0] > plain[0, 0, 2]
    grey = film.develop(picture, 0.4, film.Film(grey=True), rng())
    assert (grey[..., 0] == grey[..., 2]).all()
    noisy = film.develop(picture, 0.4, film.Film(noise=8.0), rng())
    assert 6.0 < noisy[..., 1].astype(float).std() < 10.0
    assert film.develop(picture, 0.4, film.Film(quality=30, shrink=2.0, motion=4.0), rng()).shape == (32, 32, 3)


def test_texture_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \.png"):
        TextureLibrary(tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    with pytest.raises(AssetError, match="64 x 64"):
        TextureLibrary(tmp_path)
    (tmp_path / "small.png").write_bytes(b"not a picture")
    with pytest.raises(AssetError, match="cannot be read"):
        TextureLibrary(tmp_path)


def test_backgrounds_without_photos_are_made_up() -> None:
    first, second = (Backgrounds().draw(48, rng(seed)) for seed in (1, 2))
    assert first.shape == (48, 48, 3)
    assert np.isfinite(first).all()
    assert not np.array_equal(first, second)


@pytest.mark.slow
def test_people_of_the_full_ict_model(shared_data: Path, tmp_path: Path) -> None:
    source = identity.convert_ict(shared_data / "ict_facekit" / "ict_facekit_light.npz")
    identity.save_identities(source, tmp_path / "kept.npz")
    source = identity.read_identities(tmp_path / "kept.npz")
    model = base_head().model
    weights, base = source.draw(rng(1))
    person = (weights @ source.modes).reshape(-1, 3)
    nearest = np.tensordot(base, model.identity, axes=1)
    apart = np.linalg.norm(person - nearest, axis=1)
    assert 0.01 < np.sqrt((apart**2).mean()) < 0.5  # what the base model cannot express, mm
    assert np.linalg.norm(person, axis=1).mean() > 1.0
    other = identity.IdentitySource(source.modes[:, :-3], source.to_base)
    identity.save_identities(other, tmp_path / "wrong.npz")
    with pytest.raises(AssetError, match="another base model"):
        identity.read_identities(tmp_path / "wrong.npz")


def test_modes_add_up_whatever_their_length() -> None:
    base, modes = rng(1).normal(size=9000).astype(np.float32), rng(2).normal(size=(5, 9000)).astype(np.float32)
    weights, out = np.array([0.5, 0.0, -1.5, 2.0, 0.25], np.float32), np.empty(9000, np.float32)
    kernels.add_modes(base, modes, weights, out)
    np.testing.assert_allclose(out, base + weights @ modes, atol=1e-5)


def test_the_furthest_depth_nearby() -> None:
    depth = rng(3).uniform(1, 9, (7, 6)).astype(np.float32)
    depth[rng(4).random(depth.shape) < 0.5] = np.inf
    depth[:3, :3] = np.inf
    found = truth._furthest_nearby(depth)
    for y, x in np.ndindex(depth.shape):
        around = depth[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        known = around[np.isfinite(around)]
        assert found[y, x] == (known.max() if known.size else np.inf)
    assert found[0, 0] == np.inf


def test_a_place_in_the_atlas_for_every_vertex_of_the_neck() -> None:
    head = base_head()
    for vertex, place in zip(head.neck, head.neck_uv, strict=True):
        corners = head.model.uv_triangles[head.model.triangles == vertex]
        assert (head.model.uv[corners] == place).all(axis=1).any()

"""One skin under different light, lenses and angles is one person; another skin is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefuse.errors import AssetError
from facefuse.fitting import appearance
from facefuse.fitting.appearance import SkinDetail, common_detail, correlation, different_looks, skin_detail
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.morphable import FaceModel, load_model
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import rasterize, screen_vertices


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model("base")


def camera(yaw: float, size: int = 400, distance: float = 700.0) -> PinholeCamera:
    rotation = np.asarray(euler_to_rotmat(np.array(yaw), np.array(5.0), np.array(0.0)))
    return PinholeCamera(size * distance / 280, np.full(2, (size - 1) / 2), rotation, np.array([0, 0, distance]))


def portrait(model: FaceModel, seed: int, view: PinholeCamera, light: tuple[float, float, float]) -> np.ndarray:
    """The mean face with a skin of its own (spots of some centimetres), lit from one side."""
    size = int(view.centre[0] * 2) + 1
    rng = np.random.default_rng(seed)
    pattern = np.cos(model.mean @ (rng.normal(size=(40, 3)) * 0.25).T + rng.uniform(0, 6.3, 40)).mean(axis=1)
    shade = 0.7 + vertex_normals(model.mean, model.triangles) @ np.array(light)
    colour = (np.clip(0.5 + pattern, 0.1, 1) * shade)[:, None] * np.array([200.0, 160.0, 140.0])
    seen = rasterize(screen_vertices(model.mean, view), model.triangles, size, size)
    return np.clip(interpolate(seen, np.clip(colour, 0, 255), model.triangles, 90.0), 0, 255).astype(np.uint8)


def detail(
    model: FaceModel, seed: int, yaw: float, light: tuple[float, float, float] = (0, 0, 0.2), size: int = 400
) -> SkinDetail:
    view = camera(yaw, size)
    return skin_detail(model, model.mean, view, portrait(model, seed, view, light))


def test_one_skin_is_alike_in_any_light_and_size(model: FaceModel) -> None:
    common = np.zeros(int(model.face_mask.sum()))
    first = detail(model, 1, 0.0, (0.25, 0.0, 0.1))
    for other in (
        detail(model, 1, 0.0, (-0.25, 0.1, 0.1)),
        detail(model, 1, 25.0, (0.0, 0.2, 0.1)),
        detail(model, 1, -25.0, size=200),
        detail(model, 1, 10.0, size=1000),
    ):
        assert correlation(first, other, common) > 0.6


def test_different_skins_are_not(model: FaceModel) -> None:
    common = np.zeros(int(model.face_mask.sum()))
    found = [
        correlation(detail(model, a, 0.0), detail(model, b, 15.0), common)
        for a, b in ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))
    ]
    assert np.abs(found).max() < 0.4
    assert abs(np.mean(found)) < 0.2


def test_what_all_faces_share_does_not_count(model: FaceModel) -> None:
    rng = np.random.default_rng(0)
    shared, own, ones = rng.normal(size=3000), rng.normal(size=(2, 3000)) * 0.3, np.ones(3000)
    first, second = (SkinDetail(shared * scale + one, ones) for scale, one in zip((1.0, 0.7), own, strict=True))
    assert correlation(first, second, np.zeros(3000)) > 0.7
    assert abs(correlation(first, second, shared)) < 0.1


def test_opposite_profiles_cannot_be_compared(model: FaceModel) -> None:
    left, right = detail(model, 1, -85.0), detail(model, 1, 85.0)
    assert np.isnan(correlation(left, right, np.zeros(len(left.values))))
    assert different_looks(model, [left, right]) == [[0, 1]]


def test_a_face_outside_the_photo_says_nothing(model: FaceModel) -> None:
    view = camera(0.0)
    away = PinholeCamera(view.focal, view.centre, view.rotation, np.array([5000.0, 0.0, 700.0]))
    assert skin_detail(model, model.mean, away, np.zeros((400, 400, 3), np.uint8)).weights.sum() == 0


def test_groups(model: FaceModel) -> None:
    details = [detail(model, seed, yaw) for seed, yaw in ((1, -20.0), (2, 0.0), (1, 0.0), (1, 20.0), (2, 15.0))]
    assert different_looks(model, details) == [[0, 2, 3], [1, 4]]


def test_the_common_detail_has_dark_brows(model: FaceModel) -> None:
    common = common_detail(model)
    assert common.shape == (int(model.face_mask.sum()),)
    places = np.asarray(model.mean)[np.asarray(model.face_mask)]
    landmarks = np.asarray(model.landmarks(model.mean))
    near = {
        name: np.linalg.norm(places[:, None] - landmarks[None, points], axis=2).min(axis=1) < 4
        for name, points in {"brows": range(18, 26), "jaw": range(6, 11)}.items()
    }
    assert common[near["brows"]].mean() < common[near["jaw"]].mean() - 0.1


def test_a_missing_asset_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    appearance._common_asset.cache_clear()
    monkeypatch.setattr(appearance, "files", lambda _: tmp_path)
    with pytest.raises(AssetError, match=r"common_skin_detail\.safetensors.*reinstall"):
        appearance._common_asset()
    appearance._common_asset.cache_clear()


def test_real_people(shared_data: Path, model: FaceModel) -> None:
    from facefuse.learning.skin_detail.__main__ import detail_of

    people = [path.stem[:3] for path in sorted((shared_data / "london").glob("*_08.jpg"))][:6]
    common = common_detail(model)
    details = {
        (person, view): detail_of(model, shared_data / "london" / f"{person}_{view}.jpg")
        for person in people
        for view in ("03", "08")
    }
    same = [correlation(details[person, "03"], details[person, "08"], common) for person in people]
    different = [correlation(details[a, "03"], details[b, "08"], common) for a in people for b in people if a != b]
    assert min(same) > appearance.SEPARATE_CORRELATION
    assert np.mean(np.array(different) < appearance.SEPARATE_CORRELATION) > 0.6

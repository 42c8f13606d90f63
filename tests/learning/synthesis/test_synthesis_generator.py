"""The photos and their truth agree."""

from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry.rotations import rotmat_to_euler
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.head import base_head
from facefuse.learning.synthesis.sample import SyntheticPhoto, part_names
from facefuse.rendering.rasterize import rasterize_camera


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(Settings(size=96))


@pytest.fixture(scope="module")
def photos(synthesizer: Synthesizer) -> list[SyntheticPhoto]:
    return [synthesizer.photo(3, index) for index in range(8)]


def test_same_seed_same_photo(synthesizer: Synthesizer, photos: list[SyntheticPhoto]) -> None:
    again = Synthesizer(Settings(size=96)).photo(3, 5)
    for name in ("pixels", "identity", "expression", "vertices", "landmarks68", "parts", "depth", "light"):
        np.testing.assert_array_equal(getattr(again, name), getattr(photos[5], name))
    assert not np.array_equal(synthesizer.photo(4, 5).pixels, photos[5].pixels)


def test_landmarks_are_the_projected_head(photos: list[SyntheticPhoto]) -> None:
    model = base_head().model
    for photo in photos:
        np.testing.assert_allclose(photo.camera.project(model.landmarks(photo.vertices)), photo.landmarks68, atol=0.02)
        np.testing.assert_allclose(photo.camera.project(model.mesh_landmarks(photo.vertices)), photo.mesh, atol=0.02)


def test_coefficients_give_the_vertices(photos: list[SyntheticPhoto]) -> None:
    model = base_head().model
    for photo in photos:
        np.testing.assert_allclose(model.vertices(photo.identity, photo.expression), photo.vertices, atol=0.01)
        assert ((photo.expression >= 0) & (photo.expression <= 1)).all()


def test_depth_is_that_of_the_bare_head(photos: list[SyntheticPhoto]) -> None:
    triangles = base_head().triangles
    for photo in photos[:3]:
        found = rasterize_camera(photo.vertices, triangles, photo.camera, 96, 96)
        np.testing.assert_array_equal(found.mask, np.isfinite(photo.depth))
        np.testing.assert_allclose(found.depth[found.mask], photo.depth[found.mask], atol=0.1)


def test_occluders_are_where_something_else_is_seen(photos: list[SyntheticPhoto]) -> None:
    names = np.array(part_names())
    regions = base_head().model.region_names
    covered = 0
    for photo in photos:
        seen = np.isin(names[photo.parts], regions)
        assert not (photo.occluder & seen).any()
        assert (seen | photo.occluder)[np.isfinite(photo.depth)].all()
        covered += int(photo.occluder.sum())
        inside = np.rint(photo.landmarks68).astype(int)
        ok = ((inside >= 0) & (inside < 96)).all(axis=1)
        hidden = photo.occluder[inside[ok, 1], inside[ok, 0]]
        assert not photo.visible68[ok][hidden].any()
        assert not photo.visible68[~ok].any()
    assert covered > 0


def test_far_side_of_a_profile_is_hidden(synthesizer: Synthesizer) -> None:
    for index in range(60):
        photo = synthesizer.photo(9, index)
        yaw = float(rotmat_to_euler(photo.camera.rotation)[0])
        if abs(yaw) > 60:
            far = slice(36, 42) if yaw < 0 else slice(42, 48)  # turned to the left: the right side is seen
            near = slice(42, 48) if yaw < 0 else slice(36, 42)
            assert photo.visible68[far].sum() <= 3
            assert photo.visible68[near].sum() >= photo.visible68[far].sum()
            return
    pytest.fail("no profile among sixty photos")


def test_synchronous_rig_is_one_moment(synthesizer: Synthesizer) -> None:
    rig = synthesizer.rig(3, 2, 3, synchronous=True)
    yaws = [float(rotmat_to_euler(photo.camera.rotation)[0]) for photo in rig]
    assert yaws[0] > yaws[1] > yaws[2]
    for photo in rig[1:]:
        np.testing.assert_array_equal(photo.vertices, rig[0].vertices)
        np.testing.assert_allclose(photo.light, rig[0].light, atol=1e-4)
        assert not np.array_equal(photo.pixels, rig[0].pixels)


def test_asynchronous_rig_changes_expression_and_light(synthesizer: Synthesizer) -> None:
    first, second = synthesizer.rig(3, 2, 2, synchronous=False)
    np.testing.assert_array_equal(first.identity, second.identity)
    assert not np.array_equal(first.expression, second.expression)
    assert not np.allclose(first.light, second.light, atol=0.01)


def test_number_of_views_is_checked(synthesizer: Synthesizer) -> None:
    with pytest.raises(ValueError, match="1 to 9"):
        synthesizer.rig(0, 0, 10)

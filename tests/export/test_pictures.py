"""Views of photos keep camera and landmarks in step with the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.export.pictures import around_face, overlay, still, whole_photo
from facefuse.photos import Photo


def check(view, result, model_points):
    """The fixture's red rises with x and its green with y, so colours tell where a pixel came from."""
    height, width = result.photo.pixels.shape[:2]
    rows, columns = np.mgrid[5 : len(view.pixels) - 5, 5 : view.pixels.shape[1] - 5].reshape(2, -1)
    seen = view.pixels[rows, columns].astype(float)
    source = seen[:, :2] / 255 * [width - 1, height - 1]
    # where the full photo's landmarks come from these pixels, by the linear map that the view claims
    scale = view.camera.focal / result.camera.focal
    offset = np.asarray(view.camera.centre) - (np.asarray(result.camera.centre) + 0.5) * scale + 0.5
    expected = (np.stack([columns, rows], 1) + 0.5 - offset) / scale - 0.5
    assert np.abs(source - expected).mean() < 1.0
    np.testing.assert_allclose(view.camera.project(model_points), view.landmarks, atol=1e-6)


@pytest.mark.parametrize("longest", [400, 150])
def test_whole_photo(reconstruction, longest):
    result = reconstruction.photos[0]
    points = reconstruction.model.landmarks(reconstruction.posed_mesh(0).vertices)
    view = whole_photo(result, longest)
    assert max(view.pixels.shape) == longest
    check(view, result, points)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_around_face(reconstruction, index):
    result = reconstruction.photos[index]
    view = around_face(result, 120)
    check(view, result, reconstruction.model.landmarks(reconstruction.posed_mesh(index).vertices))
    inside = (view.landmarks > 0).all() and (view.landmarks < view.pixels.shape[1::-1]).all()
    assert inside, "the cut holds the whole face"


def test_a_photo_is_never_scaled_up(reconstruction):
    assert whole_photo(reconstruction.photos[0], 9999).pixels.shape == (300, 400, 3)


def test_a_box_outside_the_photo_still_gives_a_picture(reconstruction):
    result = reconstruction.photos[0]
    outside = replace(result, face=replace(result.face, box=np.array([900.0, 900, 950, 950])))
    assert around_face(outside, 100).pixels.size > 0
    tiny = replace(result, photo=Photo(np.zeros((1, 1, 3), np.uint8)))
    assert around_face(tiny, 100).pixels.shape == (1, 1, 3)


def test_overlay_covers_the_head_and_leaves_the_rest(reconstruction):
    view = whole_photo(reconstruction.photos[0], 400)
    picture = overlay(reconstruction, 0, view)
    assert picture.shape == view.pixels.shape
    changed = (picture != view.pixels).any(-1)
    points = view.camera.project(reconstruction.posed_mesh(0).vertices)
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    assert changed[low[1] : high[1], low[0] : high[0]].mean() > 0.6  # an ellipse in its box: 0.785
    changed[low[1] - 4 : high[1] + 5, low[0] - 4 : high[0] + 5] = False
    assert not changed.any()


def test_still_shows_the_head_before_a_backdrop(reconstruction):
    picture = still(reconstruction, 96).astype(float)
    assert picture.shape == (96, 96, 3)
    assert np.abs(picture[48, 48] - picture[2, 2]).max() > 10

"""Batched cameras agree with the single ones."""

from __future__ import annotations

import numpy as np
import torch

from facefuse.geometry import PinholeCamera, ScaledOrthographicCamera, euler_to_rotmat
from facefuse.learning.rendering import OrthographicCameras, PinholeCameras
from facefuse.rendering.rasterize import screen_vertices

TURNS = [euler_to_rotmat(np.float64(yaw), np.float64(5.0), np.float64(-3.0)) for yaw in (-20.0, 30.0)]


def batch(cameras, *names: str):
    return (
        torch.from_numpy(np.stack([np.asarray(getattr(camera, name), float) for camera in cameras])) for name in names
    )


def test_pinhole() -> None:
    points = np.random.default_rng(0).normal(size=(2, 7, 3)) * 50
    single = [
        PinholeCamera(500.0 + k, np.array([100.0, 90 + k]), TURNS[k], np.array([3.0, -4, 600 + k])) for k in range(2)
    ]
    cameras = PinholeCameras(*batch(single, "focal", "centre", "rotation", "translation"))
    expected = np.stack([screen_vertices(p, camera) for p, camera in zip(points, single, strict=True)])
    np.testing.assert_allclose(cameras.screen(torch.from_numpy(points)).numpy(), expected)


def test_orthographic() -> None:
    points = np.random.default_rng(1).normal(size=(2, 7, 3)) * 50
    single = [ScaledOrthographicCamera(1.0 + k, TURNS[k], np.array([100.0, 90 + k])) for k in range(2)]
    cameras = OrthographicCameras(*batch(single, "scale", "rotation", "translation"))
    expected = np.stack([screen_vertices(p, camera) for p, camera in zip(points, single, strict=True)])
    np.testing.assert_allclose(cameras.screen(torch.from_numpy(points)).numpy(), expected)

"""A small data set in the layout of AFLW2000-3D, with landmarks that are known."""

import io

import numpy as np
import scipy.io
from PIL import Image

YAWS = (5.0, -45.0, 80.0, 10.0)
NAMES = tuple(f"image{k:05d}" for k in range(2, 2 + len(YAWS)))


def published_points(index):
    """(3, 68) landmarks in MATLAB's pixels."""
    rng = np.random.default_rng(index)
    x, y = rng.uniform(40, 85, 68) + 12 * index, rng.uniform(50, 110, 68)
    return np.stack([x, y, rng.normal(0, 20, 68)]).astype(np.float32)


def write_aflw(folder, size=160):
    inner = folder / "AFLW2000"
    inner.mkdir(parents=True)
    for index, (name, yaw) in enumerate(zip(NAMES, YAWS, strict=True)):
        pixels = np.random.default_rng(index).integers(0, 255, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(inner / f"{name}.jpg")
        pose = np.array([[0.1, np.deg2rad(yaw), -0.2, 90.0, 80.0, 0.0, 0.001]], dtype=np.float32)
        arrays = {"pt3d_68": published_points(index), "Pose_Para": pose, "Exp_Para": np.zeros((29, 1))}
        scipy.io.savemat(inner / f"{name}.mat", arrays, do_compression=True)
    (inner / "Code").mkdir()
    (inner / "Code" / "Model.mat").write_bytes(b"not an annotation")
    return folder


def mat_bytes(do_compression=False, **arrays):
    file = io.BytesIO()
    scipy.io.savemat(file, arrays, do_compression=do_compression)
    return file.getvalue()

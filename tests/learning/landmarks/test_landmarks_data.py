from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefuse.learning.landmarks.data import read_backgrounds, read_faces
from facefuse.learning.landmarks.points import IBUG_MIRROR, aflw_from_ibug

COUNT = 300
MESH = np.array([[-0.3, -0.2], [0.3, -0.2], [0.0, 0.1], [-0.2, 0.4], [0.2, 0.4]])


def encoded(pixels: np.ndarray, kind: str = "WEBP") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, lossless=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AFLW folder of frontal faces. Face 0 has contradicting labels; the last one has no mesh."""
    rng = np.random.default_rng(0)
    out = tmp_path_factory.mktemp("aflw")
    shape = rng.uniform(-0.5, 0.5, (68, 2))
    shape[36:48, 1], shape[48:68, 1] = -0.2, 0.3
    shape = (shape + shape[IBUG_MIRROR] * [-1.0, 1.0]) / 2.0
    truth = shape * 80.0 + 59.5 + rng.normal(0.0, 2.0, (COUNT, 1, 2))
    mesh = MESH * 80.0 + 60.0 + rng.normal(0.0, 0.2, (COUNT, 5, 2))
    b = truth + rng.normal(0.0, 0.3, truth.shape)
    b[0] += 60.0
    mesh[-1], b[-1] = np.nan, np.nan
    names = [f"face{i:03d}.webp" for i in range(COUNT)]
    np.savez(
        out / "labels.npz",
        names=np.array(names),
        landmarks21=aflw_from_ibug(truth) + 0.5 + rng.normal(0.0, 0.5, (COUNT, 21, 2)),
        landmarks68_a=truth + rng.normal(0.0, 0.3, truth.shape),
        landmarks68_a_disagreement=np.full((COUNT, 68), 0.5),
        landmarks68_b=b,
        yaw_deg=rng.uniform(-8.0, 8.0, COUNT),
        duplicate_group=np.arange(COUNT),
    )
    np.savez(
        out / "mesh_labels.npz",
        mesh_xyz=np.concatenate([mesh, np.zeros((COUNT, 5, 1))], axis=2),
        mesh_indices=np.array([33, 263, 1, 61, 291]),
    )
    with zipfile.ZipFile(out / "photos.zip", "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(name, encoded(np.full((120, 120, 3), i % 256, np.uint8)))
    np.save(out / "truth.npy", truth)
    return out


def test_faces_are_read_in_pixel_centres_without_the_contradicting_one(folder: Path) -> None:
    faces = read_faces(folder)
    truth = np.load(folder / "truth.npy")[1:]
    assert len(faces) == COUNT - 1
    np.testing.assert_array_equal(faces.photos[:, 5, 5, 0], np.arange(1, COUNT) % 256)
    assert np.linalg.norm(faces.points[:, :68] - truth, axis=-1).mean() < 0.6
    # The mesh is labelled from the corner of the top-left pixel: half a pixel more than from its centre.
    np.testing.assert_allclose(np.nanmean(faces.points[:, 68:], axis=0), MESH * 80.0 + 59.5, atol=0.25)
    np.testing.assert_array_equal(faces.mirror[68:], 68 + np.array([1, 0, 2, 4, 3]))
    np.testing.assert_array_equal(faces.mesh_indices, [33, 263, 1, 61, 291])
    np.testing.assert_array_equal(faces.row, np.arange(1, COUNT))
    assert (faces.weight[-1, 68:] == 0).all()
    assert (faces.weight[:-1] > 0).all()


def test_backgrounds_are_the_first_in_sorted_order(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for value in (30, 10, 20):
            photo = np.full((40, 60, 3), value, np.uint8)
            photo[:, :4] = 255  # cut off: only the middle square is taken
            archive.writestr(f"p/{value}.png", encoded(photo, "PNG"))
        archive.writestr("readme.txt", "not a photo")
    squares = read_backgrounds(tmp_path / "b.zip", 2, 16)
    assert squares.shape == (2, 16, 16, 3)
    assert (squares[0] == 10).all()
    assert (squares[1] == 20).all()

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from facefuse.detection.adapters.mediapipe import MESH_TO_68, MediaPipeLandmarks, from_mesh
from facefuse.errors import AssetError, NoFaceFound

MIRROR_68 = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


class FakeLandmarker:
    """Sees a face whose mesh fills the middle half of the image, or none in a black image."""

    @classmethod
    def create_from_options(cls, options):
        assert options.base_options.model_asset_buffer == b"task"
        return cls()

    def detect(self, image):
        if not image.data.any():
            return SimpleNamespace(face_landmarks=[])
        where = np.linspace(0.25, 0.75, 478)
        return SimpleNamespace(face_landmarks=[[SimpleNamespace(x=v, y=0.5) for v in where]])


@pytest.fixture
def fake_mediapipe(monkeypatch):
    names = ["mediapipe", "mediapipe.tasks", "mediapipe.tasks.python", "mediapipe.tasks.python.vision"]
    modules = [ModuleType(name) for name in names]
    for parent, child, name in zip(modules[:-1], modules[1:], ("tasks", "python", "vision"), strict=True):
        setattr(parent, name, child)
    top, _, python, vision = modules
    top.ImageFormat = SimpleNamespace(SRGB=1)
    top.Image = lambda image_format, data: SimpleNamespace(format=image_format, data=data)
    python.BaseOptions = SimpleNamespace
    vision.FaceLandmarkerOptions = SimpleNamespace
    vision.RunningMode = SimpleNamespace(IMAGE=1)
    vision.FaceLandmarker = FakeLandmarker
    for name, module in zip(names, modules, strict=True):
        monkeypatch.setitem(sys.modules, name, module)


def test_absent_package_says_how_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(AssetError, match=r'pip install "facefuse\[mediapipe\]"'):
        MediaPipeLandmarks(tmp_path / "x.task")


def test_missing_file(fake_mediapipe, tmp_path):
    with pytest.raises(AssetError, match="does not exist"):
        MediaPipeLandmarks(tmp_path / "x.task")


def test_points_return_to_the_photo(fake_mediapipe, tmp_path):
    (tmp_path / "x.task").write_bytes(b"task")
    detector = MediaPipeLandmarks(tmp_path / "x.task")
    photo = np.full((200, 300, 3), 90, np.uint8)
    found = detector.landmarks(photo, np.array([-20.0, 100.0, 60.0, 180.0]))
    # The crop is 1.6 * 80 = 128 pixels about (20, 140); its middle half spans 64 of them.
    assert found.mesh.shape == (478, 2)
    np.testing.assert_allclose(found.mesh[[0, -1], 0], [20 - 32 - 0.5, 20 + 32 - 0.5], atol=1e-9)
    np.testing.assert_allclose(found.mesh[:, 1], 139.5, atol=1e-9)
    np.testing.assert_array_equal(found.points68, found.mesh[list(MESH_TO_68)])
    with pytest.raises(NoFaceFound):
        detector.landmarks(np.zeros_like(photo), np.array([0.0, 0.0, 80.0, 80.0]))


def test_the_list_is_symmetric_and_near_the_68_points(shared_data):
    labels = np.load(shared_data / "aflw" / "labels.npz")
    mesh = np.load(shared_data / "aflw" / "mesh_labels.npz")
    frontal = np.flatnonzero(np.abs(labels["yaw_deg"]) < 10)[:400]
    place = {int(v): k for k, v in enumerate(mesh["mesh_indices"])}
    known = [k for k, v in enumerate(MESH_TO_68) if v in place]
    assert len(known) > 60
    ours = mesh["mesh_xyz"][frontal][:, [place[MESH_TO_68[k]] for k in known], :2].astype(float)
    theirs = labels["landmarks68_a"][frontal][:, known].astype(float)
    side = np.nanmedian(np.ptp(theirs, axis=1).max(1))
    error = np.nanmean(np.linalg.norm(ours - theirs, axis=2), axis=0) / side
    assert error.max() < 0.09
    assert error.mean() < 0.035
    middle = np.nanmedian(ours - theirs[:, [known.index(30)]], axis=0)
    for k in known:
        partner = MIRROR_68[k]
        if partner in known:
            a, b = middle[known.index(k)], middle[known.index(partner)]
            assert abs(a[1] - b[1]) < 0.05 * side


def test_uncertainty_grows_with_the_face():
    mesh = np.zeros((478, 2))
    small, large = from_mesh(mesh, 50.0), from_mesh(mesh, 500.0)
    np.testing.assert_allclose(10 * small.sigma68, large.sigma68)
    assert small.sigma68[:17].min() > small.sigma68[17:].max()

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from facefuse import methods
from facefuse.detection.find import find_faces
from facefuse.detection.landmarks import upright_square
from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import UsageError
from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.methods import METHODS, SeenFace
from facefuse.morphable.registry import load_model
from facefuse.photos import Photo
from facefuse.regression.network import RegressedFace
from facefuse.regression.two_dasl import ASSET

MODEL = load_model("base")


def face(yaw: float, identity: float) -> RegressedFace:
    coefficients, expression = np.zeros(MODEL.identity_count), np.zeros(MODEL.expression_count)
    coefficients[0] = identity
    expression[MODEL.expression_names.index("jawOpen")] = 0.3
    rotation = np.asarray(euler_to_rotmat(*np.array([yaw, 3.0, -5.0])))
    return RegressedFace(coefficients, expression, ScaledOrthographicCamera(1.2, rotation, np.array([150.0, 140.0])))


def seen(one: RegressedFace) -> SeenFace:
    points = np.asarray(one.camera.project(one.landmarks(MODEL)))
    photo = Photo(np.zeros((300, 300, 3), np.uint8), None, None)
    none = np.zeros(0, np.int64)
    landmarks = FaceLandmarks(points, np.ones(68), np.zeros((0, 2)), np.zeros(0), none, 1.0)
    return SeenFace("a photo", photo, DetectedFace(np.array([0.0, 0, 300, 300]), points[:5], 1.0), landmarks)


class Network:
    """Says of each photo what it was told, and notes what it was asked."""

    def __init__(self, answers: list[RegressedFace]) -> None:
        self.answers: Iterator[RegressedFace] = iter(answers)
        self.asked: list[object] = []

    def regress(self, pixels: np.ndarray, square: object) -> RegressedFace:
        self.asked.append(square)
        return next(self.answers)


@pytest.mark.parametrize("method", ["2dasl", "2dasl+refine"])
@pytest.mark.parametrize("expression", ["per-photo", "shared"])
def test_regressed_faces_of_all_photos_make_one_head(
    method: str, expression: methods.Expression, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = [face(20.0, 0.8), face(-30.0, 0.8)]
    network = Network(faces)
    monkeypatch.setattr(methods, "_network", lambda: network)
    photos = [seen(one) for one in faces]
    found = METHODS[method](MODEL, photos, expression)
    assert found.identity[0] == pytest.approx(0.8, abs=0.15)
    assert len(found.photos) == 2
    for photo, one in zip(found.photos, faces, strict=True):
        assert photo.residual < 1.0  # what perspective changes
        points = photo.camera.project(MODEL.landmarks(MODEL.vertices(found.identity, photo.expression)))
        np.testing.assert_allclose(points, one.camera.project(one.landmarks(MODEL)), atol=2.0)  # perspective
    for asked, one in zip(network.asked, photos, strict=True):
        wanted = upright_square(one.landmarks.points68)
        assert (asked.side, asked.roll) == pytest.approx((wanted.side, wanted.roll))


@pytest.mark.parametrize("method", ["2dasl", "2dasl+refine"])
def test_other_face_models_are_refused(method: str) -> None:
    with pytest.raises(UsageError, match="knows the face model 'base', not 'other'"):
        METHODS[method](replace(MODEL, name="other", _flat={}), [seen(face(0.0, 0.0))], "per-photo")


shipped = pytest.mark.skipif(
    not (resources.files("facefuse") / "assets" / ASSET).is_file(), reason=f"{ASSET} is not in this checkout"
)


@pytest.fixture(scope="module")
def portrait() -> SeenFace:
    data = pytest.importorskip("skimage.data")
    photo = Photo(np.asarray(data.astronaut()), None, None)
    return SeenFace("astronaut", photo, *find_faces(photo)[0])


@shipped
@pytest.mark.parametrize(("method", "limit"), [("2dasl", 3.0), ("2dasl+refine", 2.0)])
def test_the_shipped_network_finds_the_face_of_a_portrait(portrait: SeenFace, method: str, limit: float) -> None:
    found = METHODS[method](MODEL, [portrait], "per-photo")
    assert found.photos[0].residual < limit
    weights = dict(zip(MODEL.expression_names, found.photos[0].expression, strict=True))
    assert weights["mouthSmileLeft"] > 0.3  # she smiles
    assert weights["eyeBlinkLeft"] < 0.4


@shipped
def test_the_shipped_network_sees_the_mirror_image_mirrored(portrait: SeenFace) -> None:
    network = methods._network()
    pixels = portrait.photo.pixels
    square = upright_square(portrait.landmarks.points68)
    other = replace(
        square, centre=np.array([pixels.shape[1] - 1 - square.centre[0], square.centre[1]]), roll=-square.roll
    )
    one = network.regress(pixels, square)
    mirrored = network.regress(np.ascontiguousarray(pixels[:, ::-1]), other)
    points = np.asarray(mirrored.camera.project(mirrored.landmarks(MODEL)))
    points[:, 0] = pixels.shape[1] - 1 - points[:, 0]
    swap = _mirror_order()
    apart = np.linalg.norm(points[swap] - one.camera.project(one.landmarks(MODEL)), axis=1)
    assert apart.mean() < 0.03 * square.side


def _mirror_order() -> np.ndarray:
    points = np.asarray(MODEL.landmarks(MODEL.mean))
    return np.array([int(np.linalg.norm(points - p * [-1.0, 1.0, 1.0], axis=1).argmin()) for p in points])


@shipped
def test_the_shipped_network_is_small() -> None:
    assert len((resources.files("facefuse") / "assets" / ASSET).read_bytes()) <= 8_000_000

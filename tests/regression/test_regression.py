from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from regression_sample import IDENTITY, constant_network

from facefuse.detection.crop import Square
from facefuse.detection.landmarks import crop_square
from facefuse.detection.types import FaceLandmarks
from facefuse.errors import AssetError
from facefuse.evaluation.alignment import regression_predictor
from facefuse.fitting.types import Observation
from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_rot6d
from facefuse.morphable.registry import load_model
from facefuse.regression.faces import RegressedFace
from facefuse.regression.network import TYPICAL_SCALE, RegressionNetwork
from facefuse.regression.two_dasl import ASSET, combined, pinhole, refined

MODEL = load_model("base")
PHOTO = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
ROTATION = euler_to_rotmat(*np.array([25.0, -8.0, 6.0]))


def camera_values(rotation: np.ndarray = ROTATION, scale: float = 0.5) -> np.ndarray:
    return np.concatenate([rotmat_to_rot6d(rotation), [np.log(scale / TYPICAL_SCALE), 0.1, -0.05]])


def network_file(tmp_path: Path, expression: np.ndarray | None = None) -> Path:
    identity = np.linspace(-1.0, 1.0, IDENTITY)
    weights = np.zeros(MODEL.expression_count) if expression is None else expression
    return constant_network(tmp_path / "net.onnx", identity, weights, camera_values())


def observation(points: np.ndarray, size: tuple[int, int] = (400, 300)) -> Observation:
    none = np.zeros(0, np.int64)
    return Observation(points, np.ones(68), np.zeros((0, 2)), np.zeros(0), none, size=size)


def test_a_face_is_placed_in_the_photo_as_in_the_crop(tmp_path: Path) -> None:
    network = RegressionNetwork(MODEL, network_file(tmp_path), ASSET)
    points = np.asarray(MODEL.landmarks(MODEL.vertices(np.linspace(-1, 1, IDENTITY)))).astype(float)
    in_crop = 0.5 * points @ ROTATION[:2].T + np.array([59.5 + 6.0, 59.5 - 3.0])  # px of a 120-pixel crop
    for square in (Square(np.array([180.0, 140.0]), 90.0), Square(np.array([200.5, 99.0]), 240.0, 0.4)):
        face = network.regress(PHOTO, square)
        assert face.identity.shape == (MODEL.identity_count,)
        expected = square.to_photo(in_crop, 120)
        np.testing.assert_allclose(face.camera.project(face.landmarks(MODEL)), expected, atol=1e-3)
        np.testing.assert_allclose(np.linalg.det(face.camera.rotation), 1.0, atol=1e-6)


def test_the_mirror_image_of_a_mirror_image_is_the_face(tmp_path: Path) -> None:
    # A network that says the same of the mirrored crop: the mean of the face and its mirror image is symmetric.
    expression = np.zeros(MODEL.expression_count)
    expression[MODEL.expression_names.index("eyeBlinkLeft")] = 0.8
    network = RegressionNetwork(MODEL, network_file(tmp_path, expression), ASSET, mirrored=True)
    face = network.regress(PHOTO, Square(np.array([180.0, 140.0]), 120.0))
    named = dict(zip(MODEL.expression_names, face.expression, strict=True))
    assert named["eyeBlinkLeft"] == pytest.approx(0.4)
    assert named["eyeBlinkRight"] == pytest.approx(0.4)
    vertices = np.asarray(MODEL.vertices(face.identity))
    mirrored = vertices[MODEL.symmetric] * np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mirrored, vertices, atol=0.1)
    looking = np.asarray(face.camera.rotation) @ np.array([0.0, 0.0, 1.0])
    assert abs(looking[0]) < 1e-6  # neither to the left nor to the right


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="does not exist"):
        RegressionNetwork(MODEL, tmp_path / "none.onnx", ASSET)
    short = constant_network(tmp_path / "short.onnx", np.zeros(4), np.zeros(7), camera_values())
    with pytest.raises(AssetError, match="was trained for"):
        RegressionNetwork(MODEL, short, ASSET)


@pytest.mark.parametrize("focal", [None, 900.0, 4000.0])
@pytest.mark.parametrize("place", [(200.0, 150.0), (60.0, 250.0)])
def test_the_pinhole_camera_sees_what_the_orthographic_one_does(
    focal: float | None, place: tuple[float, float]
) -> None:
    points = np.asarray(MODEL.landmarks(MODEL.mean)).astype(float)
    ortho = ScaledOrthographicCamera(0.4, ROTATION, np.array(place))
    camera = pinhole(ortho, points, (400, 300), focal)
    seen, expected = camera.project(points), ortho.project(points)
    np.testing.assert_allclose(seen.mean(axis=0), expected.mean(axis=0), atol=3.0)
    # what differs is perspective: less for a longer lens
    apart = np.linalg.norm((seen - seen.mean(0)) - (expected - expected.mean(0)), axis=1).max()
    assert apart < (3.0 if focal == 4000.0 else 12.0)
    if focal is not None:
        assert camera.focal == focal
    middle = camera.depth(points).mean()
    assert camera.focal / middle == pytest.approx(0.4, rel=0.05)
    if focal is None:
        np.testing.assert_allclose(seen, expected, atol=0.2)


def test_under_a_known_lens_the_face_is_turned_to_where_it_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.asarray(MODEL.landmarks(MODEL.mean)).astype(float)
    ortho = ScaledOrthographicCamera(0.4, ROTATION, np.array([60.0, 250.0]))
    error = []
    for steps in (0, 5):
        monkeypatch.setattr("facefuse.regression.two_dasl._POSE_STEPS", steps)
        seen = pinhole(ortho, points, (400, 300), 300.0).project(points)
        error.append(np.linalg.norm(seen - ortho.project(points), axis=1).mean())
    assert error[1] < 0.8 * error[0]


def test_a_face_is_not_put_nearer_than_a_quarter_metre() -> None:
    points = np.asarray(MODEL.landmarks(MODEL.mean)).astype(float)
    camera = pinhole(ScaledOrthographicCamera(4.0, ROTATION, np.array([200.0, 150.0])), points, (400, 300), 300.0)
    assert camera.depth(points).mean() > 240.0


def face(identity: float, blink: float) -> RegressedFace:
    expression = np.zeros(MODEL.expression_count)
    expression[MODEL.expression_names.index("eyeBlinkLeft")] = blink
    coefficients = np.zeros(MODEL.identity_count)
    coefficients[0] = identity
    return RegressedFace(coefficients, expression, ScaledOrthographicCamera(0.9, ROTATION, np.array([200.0, 150.0])))


def test_several_photos_share_identity_and_keep_their_expressions() -> None:
    faces = [face(1.0, 0.2), face(0.0, 0.6)]
    seen = [observation(np.asarray(one.camera.project(one.landmarks(MODEL)))) for one in faces]
    found = combined(MODEL, faces, seen, "per-photo")
    assert found.identity[0] == pytest.approx(0.5)
    blink = MODEL.expression_names.index("eyeBlinkLeft")
    assert [photo.expression[blink] for photo in found.photos] == pytest.approx([0.2, 0.6])
    assert all(photo.residual < 5.0 for photo in found.photos)
    shared = combined(MODEL, faces, seen, "shared")
    assert [photo.expression[blink] for photo in shared.photos] == pytest.approx([0.4, 0.4])


def test_refinement_fits_the_landmarks_better_and_stays_near_the_regressed_face() -> None:
    true, guess = face(1.2, 0.0), face(0.9, 0.0)
    seen = observation(np.asarray(true.camera.project(true.landmarks(MODEL))))
    start = combined(MODEL, [guess], [seen], "per-photo")
    found = refined(MODEL, [guess], [seen], "per-photo")
    assert found.photos[0].residual < start.photos[0].residual
    assert np.abs(found.identity - guess.identity).max() < 1.5
    points = found.photos[0].camera.project(MODEL.landmarks(MODEL.vertices(found.identity)))
    # half way to the landmarks, the jaw too: it does not slide
    half = (seen.points68 + np.asarray(guess.camera.project(guess.landmarks(MODEL)))) / 2
    np.testing.assert_allclose(points, half, atol=1.0)
    assert found.identity.shape == (MODEL.identity_count,)


def test_the_regressed_face_is_measured_from_the_published_crop(tmp_path: Path) -> None:
    network = RegressionNetwork(MODEL, network_file(tmp_path), ASSET)
    box = np.array([100.0, 60.0, 200.0, 160.0])
    found = regression_predictor(network, MODEL)(PHOTO, box)
    expected = network.regress(PHOTO, crop_square(box))
    points = expected.landmarks(MODEL)
    np.testing.assert_allclose(found.points68, expected.camera.project(points))
    np.testing.assert_allclose(found.rotation, ROTATION, atol=1e-6)
    assert found.depth68 is not None
    assert found.depth68[30] > found.depth68[0]  # the nose is nearer to the viewer than the jaw's end
    in_pixels = np.linalg.norm(np.ptp(np.column_stack([found.points68, found.depth68]), axis=0))
    assert in_pixels / np.linalg.norm(np.ptp(points @ ROTATION.T, axis=0)) == pytest.approx(expected.camera.scale)


def test_with_a_detector_the_crop_follows_its_landmarks_and_the_fit_refines(tmp_path: Path) -> None:
    network = RegressionNetwork(MODEL, network_file(tmp_path), ASSET)
    true = face(0.8, 0.0)
    seen = np.asarray(true.camera.project(true.landmarks(MODEL)))
    none = np.zeros(0, np.int64)
    landmarks = FaceLandmarks(seen, np.ones(68), np.zeros((0, 2)), np.zeros(0), none, 1.0)

    class Detector:
        def landmarks(self, pixels: np.ndarray, box: np.ndarray) -> FaceLandmarks:
            return landmarks

    box = np.array([0.0, 0.0, 50.0, 50.0])
    found = regression_predictor(network, MODEL, Detector())(PHOTO, box)
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    assert np.linalg.norm(found.points68.mean(axis=0) - middle) < 0.3 * np.ptp(seen[:, 0])
    refined_too = regression_predictor(network, MODEL, Detector(), refine=True)(PHOTO, box)
    errors = [np.linalg.norm(one.points68 - seen, axis=1).mean() for one in (found, refined_too)]
    assert errors[1] < 0.6 * errors[0]  # half way to the landmarks

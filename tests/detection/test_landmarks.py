from __future__ import annotations

import io
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefuse.detection.crop import Square
from facefuse.detection.landmarks import CROP_RATIO, HOPELESS_SPREAD, LandmarkNetwork, crop_square, upright_square
from facefuse.detection.types import FaceLandmarks
from facefuse.errors import AssetError, UsageError


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return LandmarkNetwork(threads=1)


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """A few near-frontal photos with their 68 points (centre of the top-left pixel at (0, 0))."""
    protocol = shared_data / "aflw2000" / "protocol.npz"
    photos = shared_data / "aflw2000" / "AFLW2000-3D.zip"
    if not protocol.exists() or not photos.exists():
        pytest.skip("AFLW2000-3D is not on this machine")
    with np.load(protocol) as facts, zipfile.ZipFile(photos) as archive:
        chosen = np.flatnonzero(np.abs(facts["yaw_deg"]) < 25.0)[:6]
        members = {Path(n).stem: n for n in archive.namelist() if n.endswith(".jpg")}
        return [
            (
                np.asarray(Image.open(io.BytesIO(archive.read(members[str(facts["names"][i])]))).convert("RGB")),
                facts["landmarks68"][i, :2].T - 1.0,
            )
            for i in chosen
        ]


def box_of(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    half = (high - low).max() / 2.0
    return np.concatenate([(low + high) / 2.0 - half, (low + high) / 2.0 + half])


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """NME in percent."""
    return float(np.linalg.norm(found - truth, axis=1).mean() / math.sqrt(np.ptp(truth, axis=0).prod()) * 100.0)


def test_points_are_found_with_honest_shapes(network: LandmarkNetwork, faces: list) -> None:
    errors = []
    for pixels, truth in faces:
        found = network.landmarks(pixels, box_of(truth))
        errors.append(error(found.points68, truth))
        assert found.points68.shape == (68, 2)
        assert found.sigma68.shape == (68,)
        assert found.mesh.shape == (len(found.mesh_indices), 2)
        assert found.mesh_sigma.shape == (len(found.mesh_indices),)
        assert found.score > 0.8
        assert (found.sigma68 > 0).all()
    assert np.mean(errors) < 5.0


def test_points_follow_an_enlarged_and_moved_photo(network: LandmarkNetwork, faces: list) -> None:
    pixels, truth = faces[0]
    found = network.landmarks(pixels, box_of(truth))
    large = np.asarray(Image.fromarray(pixels).resize((900, 900), Image.Resampling.BICUBIC))
    moved = np.zeros((1000, 1100, 3), np.uint8)
    moved[60:960, 130:1030] = large

    def place(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * 2.0 - 0.5 + np.array([130.0, 60.0])

    again = network.landmarks(moved, box_of(place(truth)))
    side = box_of(truth)[2] - box_of(truth)[0]
    assert np.abs(again.points68 - place(found.points68)).max() < 0.03 * 2.0 * side
    np.testing.assert_allclose(np.median(again.sigma68 / found.sigma68), 2.0, rtol=0.15)


def test_two_passes_follow_a_tilted_head(network: LandmarkNetwork, faces: list) -> None:
    both = LandmarkNetwork(passes=2, threads=1)
    turned_errors = []
    for pixels, truth in faces:
        height, width = pixels.shape[:2]
        angle = math.radians(40.0)
        middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
        turned = np.asarray(Image.fromarray(pixels).rotate(-40.0, Image.Resampling.BICUBIC))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        expected = (truth - middle) @ turn.T + middle
        turned_errors.append(error(both.landmarks(turned, box_of(expected)).points68, expected))
    assert np.mean(turned_errors) < 6.0


def test_doubtful_landmarks_are_looked_for_in_a_wider_box(faces: list) -> None:
    both = LandmarkNetwork(passes=2, threads=1)
    errors = []
    for pixels, truth in faces:
        box = box_of(truth)
        centre, half = (box[:2] + box[2:]) / 2 + [0.0, 0.12 * (box[2] - box[0])], 0.27 * (box[2] - box[0])
        errors.append(error(both.landmarks(pixels, np.concatenate([centre - half, centre + half])).points68, truth))
    assert np.median(errors) < 6.0  # boxes of half the size about the mouth


def test_no_other_face_is_taken_for_a_doubtful_one(faces: list, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, truth = faces[0]
    both = LandmarkNetwork(passes=2, threads=1)
    box = box_of(truth)
    found = both.landmarks(pixels, box)
    looked = []

    def look(_: np.ndarray, square: Square) -> FaceLandmarks:
        looked.append(square)
        away = 0.0 if len(looked) < 3 else 5.0 * square.side
        return replace(found, points68=found.points68 + away, sigma68=found.sigma68 * (9.0 if len(looked) < 3 else 1.0))

    monkeypatch.setattr(both, "_look", look)
    kept = both.landmarks(pixels, box)
    # Two passes, a wider box with two more, a third pass, three turned boxes, and the best of these upright.
    assert len(looked) == 9
    np.testing.assert_allclose(kept.points68, found.points68)


def test_what_is_hopeless_is_looked_at_twice_only(faces: list, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, truth = faces[0]
    both = LandmarkNetwork(passes=2, threads=1)
    vague = both.landmarks(pixels, box_of(truth))
    vague = replace(vague, sigma68=vague.sigma68 * (1.2 * HOPELESS_SPREAD / vague.spread))
    looked = []

    def look(_: np.ndarray, square: Square) -> FaceLandmarks:
        looked.append(square)
        return vague

    monkeypatch.setattr(both, "_look", look)
    assert both.landmarks(pixels, box_of(truth)) is vague
    assert len(looked) == 2


def test_faces_that_hang_head_down_are_found(faces: list) -> None:
    both = LandmarkNetwork(passes=2, threads=1)
    errors = []
    for pixels, truth in faces:
        last = np.array(pixels.shape[1::-1]) - 1.0
        errors.append(error(both.landmarks(pixels[::-1, ::-1], box_of(last - truth)).points68, last - truth))
    assert np.median(errors) < 5.0


def test_noise_is_not_a_face(network: LandmarkNetwork) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    assert network.landmarks(noise, np.array([50.0, 50.0, 150.0, 150.0])).score < 0.3
    assert network.landmarks(np.zeros((99, 99, 3), np.uint8), np.array([10.0, 10.0, 80.0, 80.0])).score < 0.5


def test_box_becomes_the_published_crop() -> None:
    square = crop_square(np.array([10.0, 20.0, 110.0, 100.0]))
    np.testing.assert_allclose(square.centre, [60.0, 60.0])
    assert square.side == pytest.approx(100.0 * CROP_RATIO)
    assert square.roll == 0.0


@pytest.mark.parametrize("roll", [0.0, 0.9, -2.5])
def test_upright_square_turns_with_the_face(roll: float) -> None:
    points = np.random.default_rng(1).uniform(-40.0, 40.0, (68, 2))
    points[36:48, 1], points[48:68, 1] = -20.0, 25.0
    points[36:48, 0] -= points[36:48, 0].mean()
    points[48:68, 0] -= points[48:68, 0].mean()
    turned = Square(np.zeros(2), 1.0, roll).to_photo(points, 1)
    square = upright_square(turned)
    assert math.remainder(square.roll - roll, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-9)
    assert square.side == pytest.approx(np.ptp(points, axis=0).max() * CROP_RATIO)
    np.testing.assert_allclose(
        square.to_crop(turned, 100).mean(axis=0), upright_square(points).to_crop(points, 100).mean(axis=0)
    )


def test_bad_calls_are_refused(tmp_path: Path, network: LandmarkNetwork) -> None:
    with pytest.raises(UsageError, match="one or two"):
        LandmarkNetwork(passes=3)
    with pytest.raises(UsageError, match="finite face box"):
        network.landmarks(np.zeros((9, 9, 3), np.uint8), np.array([3.0, 3.0, 3.0, 3.0]))
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"not a network")
    with pytest.raises(AssetError, match="cannot be opened"):
        LandmarkNetwork(wrong)


def test_a_network_without_its_facts_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from importlib import resources

    model = onnx.load(str(resources.files("facefuse") / "assets" / "landmarks.onnx"))
    del model.metadata_props[:]
    path = tmp_path / "bare.onnx"
    onnx.save(model, str(path))
    with pytest.raises(AssetError, match="does not state"):
        LandmarkNetwork(path)


def test_a_public_portrait_and_its_mirror_image(network: LandmarkNetwork) -> None:
    portrait = pytest.importorskip("skimage.data").astronaut()
    box = np.array([176.0, 82.0, 274.0, 180.0])
    found = network.landmarks(portrait, box)
    assert found.score > 0.9
    # Eyes, nose tip and mouth of the portrait, read off the picture.
    for points, place in (
        (range(36, 42), (204.0, 100.5)),
        (range(42, 48), (247.0, 103.0)),
        (range(48, 68), (223.0, 145.0)),
    ):
        assert np.linalg.norm(found.points68[list(points)].mean(axis=0) - place) < 4.0
    last = portrait.shape[1] - 1.0
    mirrored = network.landmarks(portrait[:, ::-1], np.array([last - box[2], box[1], last - box[0], box[3]]))
    eyes = found.points68[36:42].mean(axis=0), mirrored.points68[42:48].mean(axis=0)
    np.testing.assert_allclose(eyes[0], [last - eyes[1][0], eyes[1][1]], atol=1.5)

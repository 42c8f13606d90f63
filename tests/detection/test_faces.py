import numpy as np
import pytest
from PIL import Image

from facefuse.detection.faces import (
    POINT_UNIT,
    SIDE_UNIT,
    STRIDES,
    Candidates,
    FaceNetwork,
    as_faces,
    decode,
    overlaps,
    plan_passes,
    suppress,
    without_fragments,
)
from facefuse.errors import AssetError


@pytest.fixture(scope="module")
def detector():
    return FaceNetwork(threads=1)


@pytest.fixture(scope="module")
def portrait(shared_data):
    with Image.open(shared_data / "photos" / "formats" / "hopper.png") as image:
        return np.asarray(image.convert("RGB"))


def cell_number(height, width, stride, row, column):
    before = sum((height // s) * (width // s) for s in STRIDES if s < stride)
    return before + row * (width // stride) + column


@pytest.mark.parametrize("stride", STRIDES)
def test_decode_puts_a_cell_where_it_belongs(stride):
    height, width = 96, 160
    raw = np.full((sum((height // s) * (width // s) for s in STRIDES), 14), -9.0, np.float32)
    square = np.array([70.0, 41.0, 3.1 * stride])
    points = square[:2] + np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]]) * stride * 0.7
    row, column = int(41 // stride), int(70 // stride)
    centre = (np.array([column, row]) + 0.5) * stride - 0.5
    raw[cell_number(height, width, stride, row, column)] = [
        2.0,
        *((square[:2] - centre) / stride),
        np.log(square[2] / (stride * SIDE_UNIT)),
        *((points - centre) / (stride * POINT_UNIT)).ravel(),
    ]
    found = decode(raw, height, width, 0.5)
    assert len(found.scores) == 1
    np.testing.assert_allclose(found.squares[0], square, rtol=1e-5)
    np.testing.assert_allclose(found.points[0], points, rtol=1e-5)
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-2.0)), rel=1e-5)
    assert len(decode(raw, height, width, 0.9).scores) == 0


def test_overlaps_agree_with_counting_pixels():
    rng = np.random.default_rng(1)
    squares = np.column_stack([rng.uniform(20, 40, (30, 2)), rng.uniform(5, 25, 30)]).astype(np.float32)
    grid = np.stack(np.meshgrid(np.arange(0, 60, 0.1), np.arange(0, 60, 0.1)), axis=-1)
    inside = [(np.abs(grid - s[:2]) <= s[2] / 2).all(-1) for s in squares]
    iou, share = overlaps(squares[0], squares)
    for k, mask in enumerate(inside):
        common = (mask & inside[0]).sum()
        assert iou[k] == pytest.approx(common / (mask | inside[0]).sum(), abs=0.02)
        assert share[k] == pytest.approx(common / min(mask.sum(), inside[0].sum()), abs=0.03)


def test_suppression_keeps_the_best_of_each_place():
    squares = np.array([[50, 50, 40], [52, 50, 41], [50, 52, 12], [150, 50, 40], [172, 50, 40]], np.float32)
    scores = np.array([0.7, 0.9, 0.95, 0.6, 0.8], np.float32)
    kept = suppress(Candidates(squares, np.zeros((5, 5, 2), np.float32), scores))
    # 2 lies inside 0 and 1 and is the most certain; 3 and 4 overlap by less than the limit.
    assert kept.tolist() == [2, 4, 3]


def test_parts_of_a_huge_face_are_no_faces():
    def candidates(*squares):
        return Candidates(
            np.array(squares, np.float32).reshape(-1, 3),
            np.zeros((len(squares), 5, 2), np.float32),
            np.ones(len(squares)),
        )

    fine = candidates([300, 300, 200], [900, 300, 200], [410, 400, 700])
    doubtful = Candidates(fine.squares[:1] * [1, 1, 3.6], fine.points[:1], np.array([0.85]))
    assert len(without_fragments(fine, doubtful, 500.0).scores) == 3
    kept = without_fragments(fine, candidates([400, 400, 720]), 500.0)
    assert kept.squares[:, 0].tolist() == [900, 410]
    assert len(without_fragments(fine, candidates([400, 400, 480]), 500.0).scores) == 3
    assert len(without_fragments(fine, candidates(), 500.0).scores) == 3


def test_faces_come_largest_first():
    squares = np.array([[50, 50, 20], [150, 50, 60], [250, 50, 40]], np.float32)
    faces = as_faces(Candidates(squares, np.zeros((3, 5, 2), np.float32), np.array([0.9, 0.6, 0.8], np.float32)))
    assert [face.box[2] - face.box[0] for face in faces] == [60, 40, 20]


@pytest.mark.parametrize("size", [(10, 10), (480, 640), (1, 4000), (866, 1155), (9000, 11000)])
def test_passes_never_grow_beyond_the_plan(size):
    passes = plan_passes(*size)
    assert 2 <= len(passes) <= 3
    assert all(step.scale * max(size) <= 1280.5 for step in passes)
    assert all(step.scale <= 2 for step in passes)
    scales = [min(step.scale, 1.0) for step in passes]
    assert scales == sorted(scales, reverse=True)
    assert passes[-1].margin > 0


def test_missing_file_and_wrong_network(tmp_path):
    with pytest.raises(AssetError, match="does not exist"):
        FaceNetwork(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(AssetError, match="cannot be opened"):
        FaceNetwork(tmp_path / "text.onnx")


def test_a_real_face_is_found_with_its_points(detector, portrait):
    faces = detector.detect(portrait)
    assert len(faces) == 1
    face = faces[0]
    right_eye, left_eye, nose, right_mouth, left_mouth = face.points5
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert face.box[2] - face.box[0] == pytest.approx(face.box[3] - face.box[1])


@pytest.mark.parametrize("factor", [0.4, 2.5, 9.0])
def test_boxes_follow_the_size_of_the_photo(detector, portrait, factor):
    size = round(portrait.shape[1] * factor), round(portrait.shape[0] * factor)
    resized = np.asarray(Image.fromarray(portrait).resize(size, Image.Resampling.BICUBIC))
    reference, found = detector.detect(portrait)[0], detector.detect(resized)[0]
    side = reference.box[2] - reference.box[0]
    assert np.abs(found.box / factor - reference.box).max() < 0.15 * side
    assert np.abs(found.points5 / factor - reference.points5).max() < 0.1 * side


def test_mirrored_photo_gives_mirrored_faces(detector, portrait):
    reference, mirrored = detector.detect(portrait)[0], detector.detect(portrait[:, ::-1].copy())[0]
    side = reference.box[2] - reference.box[0]
    points = mirrored.points5[[1, 0, 2, 4, 3]]
    points[:, 0] = portrait.shape[1] - 1 - points[:, 0]
    assert np.abs(points - reference.points5).max() < 0.08 * side


@pytest.mark.parametrize("degrees", [-45, -25, 25, 45])
def test_rolled_faces_are_found(detector, portrait, degrees):
    turned = np.asarray(Image.fromarray(portrait).rotate(degrees, Image.Resampling.BICUBIC))
    face = detector.detect(turned)[0]
    across = face.points5[1] - face.points5[0]
    assert -np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(degrees, abs=20)


def test_a_face_that_fills_the_photo_is_found(detector, portrait):
    x0, y0, x1, y1 = detector.detect(portrait)[0].box.round().astype(int)
    close = portrait[max(y0, 0) : y1, max(x0, 0) : x1]
    large = np.asarray(Image.fromarray(close).resize((900, 900), Image.Resampling.BICUBIC))
    faces = detector.detect(large)
    assert faces
    assert faces[0].box[2] - faces[0].box[0] > 650


def test_no_face_in_empty_photos(detector):
    rng = np.random.default_rng(0)
    assert detector.detect(np.zeros((300, 200, 3), np.uint8)) == []
    assert detector.detect(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)) == []


@pytest.mark.parametrize("shape", [(10, 10), (1, 1), (3, 500), (1, 2000)])
def test_odd_shapes_do_no_harm(detector, shape):
    assert isinstance(detector.detect(np.full((*shape, 3), 128, np.uint8)), list)

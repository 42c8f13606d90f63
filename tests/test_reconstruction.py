"""The way through, with networks replaced by ones that know the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefuse.detection.find import default_parser
from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import ImageReadError, NoFaceFound, UnusableInput, UsageError
from facefuse.fitting.types import FaceFit
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.methods import METHODS, Expression, SeenFace, best_method, fit_to_landmarks
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.photos import Photo
from facefuse.reconstruction import Reconstruction, reconstruct
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import rasterize, screen_vertices

SIZE = (400, 320)  # width, height


@dataclass
class Studio:
    """Takes "photos" of known heads, and finds the faces in them without fail."""

    model: FaceModel

    def __post_init__(self) -> None:
        self.scenes: dict[bytes, list[tuple[DetectedFace, FaceLandmarks]]] = {}
        self.painted: dict[bytes, tuple[np.ndarray, PinholeCamera, np.ndarray]] = {}

    def identity(self, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=self.model.identity_count) * 0.7

    def camera(self, yaw: float = 0.0, distance: float = 600.0, at: tuple[float, float] = (0.0, 0.0)) -> PinholeCamera:
        focal = 1.2 * SIZE[0] * 1.6
        rotation = np.asarray(euler_to_rotmat(np.array(yaw), np.array(0.0), np.array(0.0)))
        translation = np.array([at[0], at[1], distance])
        return PinholeCamera(focal, np.array([(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2]), rotation, translation)

    def face(
        self, identity: np.ndarray, camera: PinholeCamera, score: float = 0.99, noise: float = 0.0
    ) -> tuple[DetectedFace, FaceLandmarks]:
        vertices = self.model.vertices(identity)
        points = np.asarray(camera.project(self.model.landmarks(vertices)))
        mesh = np.asarray(camera.project(self.model.mesh_landmarks(vertices)))
        rng = np.random.default_rng(5)
        points, mesh = points + rng.normal(size=points.shape) * noise, mesh + rng.normal(size=mesh.shape) * noise
        centre, side = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max()
        box = np.concatenate([centre - side / 2, centre + side / 2])
        self.painted[box.tobytes()] = (vertices, camera, self.skin(identity))
        eyes = [points[36:42].mean(0), points[42:48].mean(0)]
        detected = DetectedFace(box, np.stack([*eyes, points[30], points[48], points[54]]), 0.98)
        sigma = 0.005 * side
        return detected, FaceLandmarks(
            points, np.full(68, sigma), mesh, np.full(len(mesh), sigma), np.arange(len(mesh)), score
        )

    def photo(self, *faces: tuple[DetectedFace, FaceLandmarks], seed: int = 0, path: str | None = None) -> Photo:
        """Paint these heads before a backdrop that is different for every seed."""
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
        pixels = np.array(Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC))
        for face, _ in faces:
            vertices, camera, skin = self.painted[face.box.tobytes()]
            seen = rasterize(screen_vertices(vertices, camera), self.model.triangles, *SIZE)
            pixels[seen.mask] = interpolate(seen, skin, self.model.triangles)[seen.mask]
        self.scenes[pixels.tobytes()] = list(faces)
        return Photo(pixels, path)

    def skin(self, identity: np.ndarray) -> np.ndarray:
        """Every identity has its own pattern of spots, some centimetres wide."""
        rng = np.random.default_rng([abs(int(identity[0] * 1e6)), int(identity[0] > 0)])
        waves = rng.normal(size=(40, 3)) * 0.25
        pattern = np.cos(self.model.mean @ waves.T + rng.uniform(0, 6.3, 40)).mean(axis=1)
        return np.clip(140 + 250 * pattern, 40, 240)[:, None] * np.array([1.0, 0.85, 0.75])

    def detect(self, pixels: np.ndarray) -> list[DetectedFace]:
        return [face for face, _ in self.scenes.get(pixels.tobytes(), [])]

    def landmarks(self, pixels: np.ndarray, box: np.ndarray) -> FaceLandmarks:
        return next(marks for face, marks in self.scenes[pixels.tobytes()] if face.box is box)

    def reconstruct(self, photos: object, **options: object) -> Reconstruction:
        options.setdefault("method", "fit")  # photos of noise: nothing but the landmarks shows the face
        return reconstruct(photos, texture_size=64, detector=self, landmark_detector=self, **options)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(load_model("base"))


@pytest.fixture(scope="module")
def three(studio: Studio) -> list[Photo]:
    identity = studio.identity(1)
    return [
        studio.photo(studio.face(identity, studio.camera(yaw)), seed=k, path=f"{k}.jpg")
        for k, yaw in enumerate((-25.0, 0.0, 25.0))
    ]


def test_a_known_head_is_found_again(studio: Studio, three: list[Photo]) -> None:
    head = studio.reconstruct(three)
    truth = studio.model.vertices(studio.identity(1))
    mask = np.asarray(studio.model.face_mask)
    found, wanted = np.asarray(head.mesh.vertices)[mask], truth[mask]
    found, wanted = found - found.mean(0), wanted - wanted.mean(0)
    scale = np.linalg.norm(wanted) / np.linalg.norm(found)  # distance and size are exchangeable in photos
    mean = studio.model.mean[mask] - studio.model.mean[mask].mean(0)
    error = np.sqrt(((found * scale - wanted) ** 2).sum(1).mean())
    assert error < 1.5
    assert error < 0.6 * np.sqrt(((mean - wanted) ** 2).sum(1).mean())
    assert head.texture.shape == (64, 64, 3)
    assert head.texture.dtype == np.uint8
    assert (head.skipped, head.warnings, head.method) == ((), (), "fit")


def test_the_head_projects_onto_the_photos(studio: Studio, three: list[Photo]) -> None:
    head = studio.reconstruct(three)
    for index, (photo, result) in enumerate(zip(three, head.photos, strict=True)):
        assert result.photo is photo
        points = result.camera.project(studio.model.landmarks(head.posed_mesh(index).vertices))
        gap = np.linalg.norm(points - result.landmarks.points68, axis=1)
        assert np.median(gap) < 0.02 * (result.face.box[2] - result.face.box[0])
        assert 0.9 < result.weight <= 1
        assert result.expression.min() >= 0
        assert result.expression.max() <= 1


def test_maps_and_light_belong_to_their_photo(studio: Studio, three: list[Photo]) -> None:
    dark = replace(three[2], pixels=three[2].pixels // 2)
    studio.scenes[dark.pixels.tobytes()] = studio.scenes[three[2].pixels.tobytes()]
    head = studio.reconstruct([three[0], dark], parser=default_parser())
    for index, result in enumerate(head.photos):
        maps = head.maps(index, ["depth", "parts", "parsing"])
        assert list(maps) == ["depth", "parts", "parsing"]
        assert maps["parsing"].shape == maps["parts"].shape
        x, y = np.rint(result.camera.project(head.posed_mesh(index).vertices[head.model.landmarks68[30]])[0]).astype(
            int
        )
        assert head.model.region_names[maps["parts"][y, x] - 1] == "nose"
        assert maps["depth"][y, x] == pytest.approx(maps["depth"][maps["depth"] > 0].min(), abs=5)
        assert result.light.shape == (9, 3)
    first, second = (result.light[0].mean() for result in head.photos)
    assert second < 0.5 * first  # half the code is less than a quarter of the light


def test_one_photo_needs_no_list(studio: Studio, three: list[Photo]) -> None:
    for source in (three[1], three[1].pixels, Image.fromarray(three[1].pixels)):
        assert len(studio.reconstruct(source).photos) == 1


def test_shared_expression(studio: Studio, three: list[Photo]) -> None:
    head = studio.reconstruct(three, expression="shared")
    for result in head.photos:
        assert np.allclose(result.expression, head.photos[0].expression)


def test_an_unusable_photo_is_left_out_and_reported(studio: Studio, three: list[Photo], tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    faceless = studio.photo(seed=50, path="wall.jpg")
    head = studio.reconstruct([three[0], faceless, empty, three[1], three[2]])
    assert [one.path for one in head.skipped] == ["wall.jpg", str(empty)]
    assert "no face" in head.skipped[0].reason
    assert "is empty" in head.skipped[1].reason
    assert [one.photo for one in head.photos] == three
    assert np.allclose(head.identity, studio.reconstruct(three).identity)


def test_photos_without_a_face(studio: Studio, tmp_path: Path) -> None:
    walls = [studio.photo(seed=60, path="a.jpg"), studio.photo(seed=61, path="b.jpg")]
    with pytest.raises(NoFaceFound, match=r"^a\.jpg: no face found; use a photo"):
        studio.reconstruct(walls[0])
    with pytest.raises(NoFaceFound, match=r"(?s)none of .*a\.jpg: no face.*b\.jpg: no face.*nobody\.jpg: no such"):
        studio.reconstruct([*walls, tmp_path / "nobody.jpg"])


def test_photos_that_cannot_be_read(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageReadError, match="is empty"):
        studio.reconstruct([tmp_path / "empty.jpg"])
    with pytest.raises(UnusableInput, match=r"(?s)none of the photos.*is empty.*is a directory"):
        studio.reconstruct([tmp_path / "empty.jpg", tmp_path])


def test_a_tiny_photo_has_no_face(studio: Studio) -> None:
    with pytest.raises(NoFaceFound, match="only 10 x 10 pixels"):
        studio.reconstruct(np.zeros((10, 10, 3), np.uint8))


def test_what_only_the_detector_takes_for_a_face_is_none(studio: Studio) -> None:
    found, marks = studio.face(studio.identity(1), studio.camera(), score=0.02)
    doubtful = replace(found, score=0.7), replace(marks, sigma68=60 * marks.sigma68)
    with pytest.raises(NoFaceFound):
        studio.reconstruct(studio.photo(doubtful, seed=70))


def test_the_same_photo_twice_counts_once(studio: Studio, three: list[Photo]) -> None:
    copy = replace(three[0], path="copy.jpg")
    head = studio.reconstruct([*three, copy])
    assert [one.photo for one in head.photos] == three
    assert head.warnings == ("copy.jpg: is the same picture as 0.jpg; used once",)
    assert np.array_equal(head.identity, studio.reconstruct(three).identity)


def test_which_of_several_faces(studio: Studio) -> None:
    near = studio.face(studio.identity(1), studio.camera(distance=700, at=(-80, 0)))
    far = studio.face(studio.identity(2), studio.camera(distance=1400, at=(160, 0)))
    photo = studio.photo(far, near, seed=80, path="two.jpg")
    head = studio.reconstruct(photo)
    assert head.photos[0].face is near[0]
    assert any("2 faces; the largest is used" in warning for warning in head.warnings)
    for index, face in enumerate((near, far)):
        chosen = studio.reconstruct(photo, face=index)
        assert chosen.photos[0].face is face[0]
        assert chosen.warnings == ()
    with pytest.raises(NoFaceFound, match="no face 2: 2 found, counted from 0"):
        studio.reconstruct(photo, face=2)


def test_two_people_are_noticed_by_their_shape_or_looks(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = 1.4 * studio.identity(1), -1.4 * studio.identity(1)
    photos = [
        studio.photo(studio.face(identity, studio.camera(yaw)), seed=90 + k, path=f"{k}.jpg")
        for k, (identity, yaw) in enumerate([(one, -15.0), (other, 0.0), (one, 0.0), (other, 20.0)])
    ]
    for blind in (None, "different_looks", "different_people"):
        with monkeypatch.context() as patch:
            if blind:
                patch.setattr(f"facefuse.reconstruction.{blind}", lambda *_: [[0, 1, 2, 3]])
            warnings = studio.reconstruct(photos).warnings
            assert any("2 different people (0.jpg, 2.jpg; 1.jpg, 3.jpg)" in warning for warning in warnings)
    assert studio.reconstruct([photos[0], photos[2]]).warnings == ()


def test_a_photo_that_does_not_fit_is_reported(studio: Studio, three: list[Photo]) -> None:
    wild = studio.photo(studio.face(studio.identity(1), studio.camera(5.0), noise=25.0), seed=99, path="wild.jpg")
    head = studio.reconstruct([*three, wild])
    assert head.photos[3].weight < 0.5
    assert any(warning.startswith("wild.jpg: does not fit") for warning in head.warnings)


def test_auto_is_the_best_method_for_so_many_photos(studio: Studio, three: list[Photo]) -> None:
    for photos in (three[:1], three):
        assert studio.reconstruct(photos, method="auto").method == best_method(len(photos), studio.model)


def test_photos_that_disagree_are_noticed_whatever_the_method(studio: Studio, three: list[Photo]) -> None:
    wild = studio.photo(studio.face(studio.identity(1), studio.camera(5.0), noise=25.0), seed=99, path="wild.jpg")
    found = {name: studio.reconstruct([*three, wild], method=name) for name in ("auto", "df-mvr")}
    assert found["auto"].method == "fit"  # which doubts that photo
    for head in found.values():
        assert head.photos[3].weight < 0.5
        assert any(warning.startswith("wild.jpg: does not fit") for warning in head.warnings)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_told_what_is_in_the_photos(
    studio: Studio, three: list[Photo], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Sequence[SeenFace]] = []

    def listening(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
        told.append(seen)
        return fit_to_landmarks(model, seen, expression)

    monkeypatch.setitem(METHODS, method, listening)
    head = studio.reconstruct(three, method=method)
    assert head.method == method
    for one, photo, result in zip(told[0], three, head.photos, strict=True):
        assert one.photo is photo
        assert one.name == photo.path
        assert (one.face, one.landmarks) == (result.face, result.landmarks)
        assert one.observation().size == (photo.width, photo.height)
        assert one.observation().points68 is result.landmarks.points68


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"model": "nobody"}, "no face model named 'nobody'"),
        ({"expression": "none"}, "expected per-photo or shared"),
        ({"face": "smallest"}, "expected 'largest'"),
        ({"face": -1}, "expected 'largest'"),
        ({"face": True}, "expected 'largest'"),
        ({"texture_size": 63}, "expected 64 to 4096"),
        ({"texture_size": 4097}, "expected 64 to 4096"),
    ],
)
def test_wrong_usage_is_noticed_before_any_work(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        reconstruct(["nobody.jpg"], **options)  # type: ignore[arg-type]


def test_no_photo_at_all() -> None:
    with pytest.raises(UsageError, match="no photo given"):
        reconstruct([])


def test_progress_only_rises(studio: Studio, three: list[Photo]) -> None:
    told: list[tuple[str, float]] = []
    studio.reconstruct(three, progress=lambda stage, fraction: told.append((stage, fraction)))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len({stage for stage, _ in told}) >= 4

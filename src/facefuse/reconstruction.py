"""The way through: photos in, a textured, animatable head out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.detection.find import find_faces, no_face_reason
from facefuse.detection.parts import FaceParser, FaceParts
from facefuse.detection.types import DetectedFace, FaceDetector, FaceLandmarks, LandmarkDetector
from facefuse.errors import ImageReadError, NoFaceFound, UnusableInput, UsageError
from facefuse.fitting.appearance import different_looks, skin_detail
from facefuse.fitting.consistency import different_people
from facefuse.fitting.types import FaceFit, PhotoFit
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.mesh import Mesh
from facefuse.methods import MIN_WEIGHT, Expression, SeenFace, check_method, fitted
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.photos import Photo, read_photo, same_photo
from facefuse.rendering.maps import MAPS, draw_maps
from facefuse.texturing.bake import bake_texture, prepare
from facefuse.texturing.light import light_of_photo
from facefuse.texturing.occlusion import ShownSkin

FloatArray = npt.NDArray[np.floating[Any]]
Progress = Callable[[str, float], None]
"""Told the stage that begins and the fraction of the work done, 0-1."""

PARSING = "parsing"
ALL_MAPS = (*MAPS, PARSING)
"""Names of the maps of the head, and of the one that the photo itself gives: the parts that the face parser sees."""

TEXTURE_SIZES = (64, 4096)
"""The smallest and the largest side of a texture, in pixels."""


@dataclass(frozen=True)
class PhotoResult:
    """What was found in one photo.

    Attributes
    ----------
    photo : Photo
        The photo, upright.
    face : DetectedFace
        The face used.
    landmarks : FaceLandmarks
        Its landmarks, pixels of the full photo.
    camera : PinholeCamera
        Projects model millimetres to pixels of the full photo.
    expression : (E,) float
        Expression weights.
    residual : float
        Landmark residual, percent of the face's size.
    weight : float
        How much the photo counted, 0-1.
    light : (9, 3) float
        The light on the face, for `facefuse.rendering.shading.sh_shade` with normals in the model frame; linear
        RGB, relative to the model's albedo.
    parts : FaceParts or None
        Which part of the face each pixel shows, and where something hides it, as a parser sees it; None without one.
    """

    photo: Photo
    face: DetectedFace
    landmarks: FaceLandmarks
    camera: PinholeCamera
    expression: FloatArray
    residual: float
    weight: float
    light: FloatArray
    parts: FaceParts | None = None


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Reconstruction:
    """A textured, animatable head.

    Attributes
    ----------
    model : FaceModel
        The face model used.
    identity : (K,) float
        Identity coefficients.
    texture : (S, S, 3) uint8
        sRGB; row 0 is the top, v = 1.
    photos : tuple of PhotoResult
        The photos used, in the order given.
    skipped : tuple of SkippedPhoto
        The photos that could not be used.
    warnings : tuple of str
        What a person should know: a down-weighted photo, the same photo twice, two different people.
    method : str
        How the coefficients were found.
    """

    model: FaceModel
    identity: FloatArray
    texture: npt.NDArray[np.uint8]
    photos: tuple[PhotoResult, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    warnings: tuple[str, ...] = ()
    method: str = "fit"

    @cached_property
    def mesh(self) -> Mesh:
        """The neutral head: millimetres, model frame."""
        return Mesh(self.model.vertices(self.identity), self.model.triangles)

    def posed_mesh(self, index: int) -> Mesh:
        """Return the head with the expression of one photo: millimetres, model frame."""
        return Mesh(self.model.vertices(self.identity, self.photos[index].expression), self.model.triangles)

    def maps(self, index: int, names: Sequence[str] = MAPS, longest: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Draw maps of the head as one photo shows it: depth, normals, pncc, uv, parts, visibility.

        Parameters
        ----------
        index : int
            Of the photo, from 0.
        names : sequence of str
            Which of `ALL_MAPS`.
        longest : int, optional
            Longest side in pixels, for photos larger than that; the photo's size by default.

        Returns
        -------
        dict of str to array
            (H, W) or (H, W, C), zero where the head is not. ``depth``: mm along the optical axis. ``normals``: unit
            vectors, camera axes. ``pncc``: which point of the mean head, 0-1. ``uv``: texture coordinates.
            ``parts``: k + 1 for ``model.region_names[k]``, uint8. ``visibility``: cosine of the viewing angle.
            ``parsing``: what the photo shows, an index into `facefuse.detection.parts.PARTS`, uint8.

        Raises
        ------
        UsageError
            If there is no such photo or map.
        """
        check_maps(names)
        if not 0 <= index < len(self.photos):
            raise UsageError(f"there is no photo {index}; the reconstruction has photos 0 to {len(self.photos) - 1}")
        result = self.photos[index]
        width, height = result.photo.width, result.photo.height
        scale = min(1.0, (longest or np.inf) / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        vertices = np.asarray(self.posed_mesh(index).vertices)
        surface = [name for name in names if name != PARSING]
        drawn = draw_maps(surface, self.model, vertices, result.camera.resized(scale), *size) if surface else {}
        if PARSING in names:
            if result.parts is None:
                raise UsageError("the photos were not parsed, so there is no map of the parts that they show")
            drawn[PARSING] = result.parts.viewed((0, 0), scale).labels_in(size[1], size[0])
        return {name: drawn[name] for name in names}

    def save(self, out: str | os.PathLike[str], **options: Any) -> Any:
        """Write the head to a folder: see `facefuse.export.writer.save` for the options and what it returns."""
        from facefuse.export.writer import save  # late: the one place where a lower room calls up

        return save(self, out, **options)


def reconstruct(
    photos: Any,
    *,
    method: str = "auto",
    model: str = "base",
    expression: Expression = "per-photo",
    face: Literal["largest"] | int = "largest",
    texture_size: int = 1024,
    progress: Progress | None = None,
    detector: FaceDetector | None = None,
    landmark_detector: LandmarkDetector | None = None,
    parser: FaceParser | None = None,
) -> Reconstruction:
    """Reconstruct one head that explains all photos of a person.

    Parameters
    ----------
    photos : path, array, PIL.Image.Image or Photo, or a sequence of them
        See `read_photo`. A photo that cannot be used is left out and reported, as is the second copy of a photo.
    method : str
        One of `facefuse.methods.METHODS`, or ``auto``, the best there is for so many photos.
    model : str
        A registered face model.
    expression : {"per-photo", "shared"}
        Whether every photo has its own expression.
    face : "largest" or int
        Which face of each photo; 0 is the largest, 1 the next.
    texture_size : int
        Side of the square texture in pixels, 64 to 4096.
    progress : callable, optional
        Called with the stage that begins and the fraction done.
    detector, landmark_detector : optional
        Instead of the built-in networks.
    parser : FaceParser, optional
        Sees what hides the face, so that it is left out of the texture: `detection.find.default_parser()`, say.

    Returns
    -------
    Reconstruction

    Raises
    ------
    UsageError
        If an option is out of range, or no photo is given.
    ImageReadError, NoFaceFound, UnusableInput
        If no photo can be used; each is named with its reason.
    AssetError
        If a model file is missing or damaged.
    """
    _check_options(method, expression, face, texture_size)
    tell = progress or _silence
    face_model = load_model(model)
    skipped: dict[int, SkippedPhoto] = {}
    warnings: list[str] = []

    tell("reading photos", 0.0)
    with ThreadPoolExecutor(1) as pool:  # the networks leave the interpreter free meanwhile
        prepared = pool.submit(prepare, face_model, texture_size)
        read = _read_all(photos, skipped)
        distinct = _without_copies(read, warnings)

        tell("finding faces", 0.15)
        seen = _see_all(distinct, face, detector, landmark_detector, skipped, warnings)
        prepared.result()

    tell("fitting the head", 0.4)
    chosen, fit, by_landmarks = fitted(face_model, seen, expression, method)
    posed = [face_model.vertices(fit.identity, found.expression) for found in fit.photos]
    results = tuple(
        PhotoResult(
            one.photo,
            one.face,
            one.landmarks,
            found.camera,
            found.expression,
            found.residual,
            min(found.weight, agreed.weight),
            light_of_photo(face_model, vertices, found.camera, one.photo.pixels),
            None if parser is None else parser.parse(one.photo.pixels, one.landmarks.points68),
        )
        for one, found, agreed, vertices in zip(seen, fit.photos, by_landmarks.photos, posed, strict=True)
    )
    warnings += _outlier_warnings(seen, by_landmarks.photos)
    warnings += _people_warnings(face_model, seen, by_landmarks)

    tell("baking the texture", 0.5)
    texture = bake_texture(
        face_model,
        posed,
        [one.camera for one in results],
        [one.photo.pixels for one in results],
        size=texture_size,
        weights=[one.weight for one in results],
        shown=[None if one.parts is None else ShownSkin(one.parts.skin, one.parts.to_crop) for one in results],
    )
    tell("done", 1.0)
    in_order = tuple(skipped[number] for number in sorted(skipped))
    return Reconstruction(face_model, fit.identity, texture, results, in_order, tuple(warnings), chosen)


def check_maps(names: Sequence[str]) -> None:
    """Raise UsageError if a name is not one of `ALL_MAPS`."""
    unknown = [name for name in names if name not in ALL_MAPS]
    if unknown:
        raise UsageError(f"there is no map {unknown[0]!r}; choose from {', '.join(ALL_MAPS)}")


def _silence(stage: str, fraction: float) -> None:
    """Report no progress."""


def _check_options(method: str, expression: str, face: str | int, texture_size: int) -> None:
    """Complain about options out of range before any work is done."""
    check_method(method)
    if expression not in get_args(Expression):
        raise UsageError(f"expression is {expression!r}; expected {' or '.join(get_args(Expression))}")
    if face != "largest" and (isinstance(face, (str, bool)) or face < 0):
        raise UsageError(f"face is {face!r}; expected 'largest', or 0 for the largest face, 1 for the next, …")
    low, high = TEXTURE_SIZES
    if not low <= texture_size <= high:
        raise UsageError(f"the texture size is {texture_size}; expected {low} to {high} pixels")


def _read_all(photos: Any, skipped: dict[int, SkippedPhoto]) -> dict[int, Photo]:
    """Read every photo that can be read, by its number in the call (from 1); the others go to ``skipped``."""
    one = isinstance(photos, (str, os.PathLike, np.ndarray, Image.Image, Photo))
    sources = [photos] if one else list(photos)
    if not sources:
        raise UsageError("no photo given; give one or more photos of one person")
    read = {}
    for number, source in enumerate(sources, start=1):
        try:
            read[number] = read_photo(source)
        except ImageReadError as error:
            skipped[number] = SkippedPhoto(error.path, error.reason)
            if len(sources) == 1:
                raise
    if not read:
        raise UnusableInput(_listed(skipped))
    return read


def _without_copies(photos: dict[int, Photo], warnings: list[str]) -> dict[int, Photo]:
    """Drop photos that are copies of earlier ones: a picture seen twice is no second view."""
    kept: dict[int, Photo] = {}
    for number, photo in photos.items():
        original = next((earlier for earlier, other in kept.items() if same_photo(photo, other)), None)
        if original is None:
            kept[number] = photo
        else:
            warnings.append(
                f"{_name(photo, number)}: is the same picture as {_name(photos[original], original)}; used once"
            )
    return kept


def _see_all(
    photos: dict[int, Photo],
    face: Literal["largest"] | int,
    detector: FaceDetector | None,
    landmark_detector: LandmarkDetector | None,
    skipped: dict[int, SkippedPhoto],
    warnings: list[str],
) -> list[SeenFace]:
    """Find the wanted face of every photo; photos without it go to ``skipped``."""
    seen = []
    index = 0 if face == "largest" else face
    for number, photo in photos.items():
        name = _name(photo, number)
        faces = find_faces(photo, detector, landmark_detector)
        if not faces:
            skipped[number] = SkippedPhoto(name, no_face_reason(photo))
        elif index >= len(faces):
            reason = f"no face {index}: {len(faces)} found, counted from 0, the largest; choose another or the largest"
            skipped[number] = SkippedPhoto(name, reason)
        else:
            seen.append(SeenFace(name, photo, *faces[index]))
            if len(faces) > 1 and face == "largest":
                warnings.append(f"{name}: {len(faces)} faces; the largest is used (--face INDEX chooses another)")
    if not seen:
        raise NoFaceFound(_listed(skipped))
    return seen


def _name(photo: Photo, number: int) -> str:
    return photo.path or f"photo {number}"


def _listed(skipped: dict[int, SkippedPhoto]) -> str:
    """Name each photo with the reason why it cannot be used."""
    lines = [f"{skipped[number].path}: {skipped[number].reason}" for number in sorted(skipped)]
    return lines[0] if len(lines) == 1 else "\n  ".join(["none of the photos can be used:", *lines])


def _outlier_warnings(seen: list[SeenFace], fits: Sequence[PhotoFit]) -> list[str]:
    return [
        f"{one.name}: does not fit the other photos (weight {fit.weight:.2f}) and hardly counts; look at its overlay, "
        "and leave it out or choose another face if it shows someone else"
        for one, fit in zip(seen, fits, strict=True)
        if fit.weight < MIN_WEIGHT
    ]


def _people_warnings(model: FaceModel, seen: list[SeenFace], fit: FaceFit) -> list[str]:
    """Say so if the photos show different people, by the shape of the face or by the details of the skin."""
    if len(seen) < 2:
        return []
    details = [
        skin_detail(model, model.vertices(fit.identity, found.expression), found.camera, one.photo.pixels)
        for one, found in zip(seen, fit.photos, strict=True)
    ]
    by_shape = different_people(model, [one.observation() for one in seen], fit)
    groups = max(by_shape, different_looks(model, details), key=len)
    if len(groups) < 2:
        return []
    listed = "; ".join(", ".join(seen[index].name for index in sorted(group)) for group in groups)
    return [f"the photos seem to show {len(groups)} different people ({listed}): reconstruct each person alone"]

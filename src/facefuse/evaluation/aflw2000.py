"""AFLW2000-3D (Zhu et al., 3DDFA, CVPR 2016) as published: photos with one MATLAB file each.

The published coordinates are MATLAB's, where the centre of the top-left pixel is (1, 1); they are shifted by one pixel
to this package's (0, 0) here, once. Nothing is fitted to results.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput
from facefuse.evaluation.files import FileCollection
from facefuse.evaluation.matfile import read_mat5

FloatArray = npt.NDArray[np.floating[Any]]

MATLAB_ORIGIN = 1.0
_MAX_MAT_BYTES = 4_000_000
_MAX_PROTOCOL_BYTES = 200_000_000
_SHAPES = {"pt3d_68": (3, 68), "Pose_Para": (1, 7)}


@dataclass(frozen=True)
class AflwSample:
    """One photo with its ground truth. Pixels have the centre of the top-left one at (0, 0).

    Attributes
    ----------
    name : str
        Without folder and suffix.
    pixels : (H, W, 3) uint8
        sRGB.
    points : (68, 3) float
        Original ground truth: x, y in pixels and z in pixels, growing towards the viewer.
    reannotated : (68, 2) float or None
        Ground truth of the later re-annotation (Bulat and Tzimiropoulos, ICCV 2017).
    angles : (3,) float
        Yaw, pitch and roll in degrees, as published (`pose_angles`); yaw may lie beyond ±180.
    box : (4,) float
        The square about the 68 points that the published crop is √2 times as large as: see `crop_to_face_box`.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    points: FloatArray
    reannotated: FloatArray | None
    angles: FloatArray
    box: FloatArray


class AflwDataset:
    """The photos of AFLW2000-3D in a folder or zip file, read one by one.

    A ``protocol.npz`` in the folder or beside the folder or zip file adds the published crop boxes and the
    re-annotated ground truth.

    Parameters
    ----------
    path : str or Path
        Folder or zip file with ``.jpg`` and ``.mat`` pairs, in any subfolder.

    Raises
    ------
    UnusableInput
        If there are no such pairs, or the protocol file is damaged or does not list every photo.
    """

    def __init__(self, path: str | Path) -> None:
        self._files = FileCollection(path)
        names = set(self._files.names)
        pairs = [name[:-4] for name in self._files.names if name.endswith(".jpg") and f"{name[:-4]}.mat" in names]
        self._stems = tuple(stem for stem in pairs if "__MACOSX" not in stem)
        if not self._stems:
            raise UnusableInput(
                f"{path}: no photo with its .mat file in it; expected AFLW2000-3D as published (image00002.jpg, "
                "image00002.mat, ...)"
            )
        self.names = tuple(stem.rsplit("/", 1)[-1] for stem in self._stems)
        found = [
            p for p in (self._files.path / "protocol.npz", self._files.path.parent / "protocol.npz") if p.is_file()
        ]
        self._protocol = read_protocol(found[0], self.names) if found else None

    def __len__(self) -> int:
        return len(self._stems)

    @property
    def has_reannotation(self) -> bool:
        """Whether the re-annotated ground truth is known."""
        return self._protocol is not None

    def __getitem__(self, index: int) -> AflwSample:
        stem, name = self._stems[index], self.names[index]
        try:
            points, pose = read_annotation(self._files.read(f"{stem}.mat"))
        except ValueError as error:
            raise UnusableInput(f"{self._files.path}: {stem}.mat is no AFLW2000-3D annotation ({error})") from error
        pixels = self._files.read_pixels(f"{stem}.jpg")
        crop = published_crop(points[:, :2])
        reannotated = None
        if self._protocol is not None:
            stored = self._protocol.crops[name]
            # the stored boxes were cut at the photo's border, the published crops were not: those were zero-padded
            if stored.min() > 1 and stored[2] < pixels.shape[1] and stored[3] < pixels.shape[0]:
                crop = stored
            reannotated = self._protocol.reannotated[name] - MATLAB_ORIGIN
        return AflwSample(
            name=name,
            pixels=pixels,
            points=points - np.array([MATLAB_ORIGIN, MATLAB_ORIGIN, 0.0]),
            reannotated=reannotated,
            angles=np.rad2deg(pose[[1, 0, 2]]),
            box=crop_to_face_box(crop),
        )


@dataclass(frozen=True)
class AflwProtocol:
    """What a protocol file adds, by photo name, in the published (MATLAB) pixels.

    Attributes
    ----------
    crops : dict of (4,) float
        Published crop: first and last column and row, x0, y0, x1, y1.
    reannotated : dict of (68, 2) float
        Re-annotated ground truth.
    """

    crops: dict[str, FloatArray]
    reannotated: dict[str, FloatArray]


def published_crop(points: FloatArray) -> FloatArray:
    """The crop that the published evaluation makes, from its 68 points.

    A square about the centre of the tight box, √2 times as large as the longer side, on whole pixels, and not cut at
    the border of the photo: what lies outside is black. (The boxes that circulate with the protocol are cut there,
    while its crops are padded; reading them as they are moves the crop of 3 % of the photos.)

    Parameters
    ----------
    points : (68, 2) float
        In MATLAB's pixels.

    Returns
    -------
    (4,) float
        First and last column and row: x0, y0, x1, y1, inclusive, in MATLAB's pixels.
    """
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    side = np.sqrt(2) * (high - low).max()
    first = np.floor((low + high) / 2 - side / 2 + 0.5)
    return np.concatenate([first, first + np.floor(side + 0.5)])


def crop_to_face_box(crop: FloatArray) -> FloatArray:
    """Turn a published crop into the face box of `DetectedFace`, which is √2 times smaller and starts at (0, 0).

    Parameters
    ----------
    crop : (4,) float
        Inclusive columns and rows in MATLAB's pixels.

    Returns
    -------
    (4,) float
        x0, y0, x1, y1: the square whose √2-fold enlargement covers exactly the pixels of the crop.
    """
    crop = np.asarray(crop, dtype=float)
    centre = (crop[:2] + crop[2:]) / 2 - MATLAB_ORIGIN
    half = (crop[2:] - crop[:2] + 1) / (2 * np.sqrt(2))
    return np.concatenate([centre - half, centre + half])


def read_annotation(content: bytes) -> tuple[FloatArray, FloatArray]:
    """Read the landmarks and pose of a published ``.mat`` file (MATLAB 5 format).

    Returns
    -------
    (68, 3) float
        ``pt3d_68`` in MATLAB's pixels.
    (7,) float
        ``Pose_Para``: pitch, yaw, roll in radians, translation and scale.

    Raises
    ------
    ValueError
        If the content is of another kind.
    """
    if len(content) > _MAX_MAT_BYTES:
        raise ValueError(f"{len(content)} bytes, more than any annotation")
    arrays = read_mat5(content)
    for name, shape in _SHAPES.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"expected finite {name} of shape {shape}")
    return arrays["pt3d_68"].T, arrays["Pose_Para"][0]


def read_protocol(path: Path, names: tuple[str, ...]) -> AflwProtocol:
    """Read a protocol file: arrays ``names`` (N,), ``roi_box`` (N, 4), ``landmarks68_reannotated`` (N, 2, 68).

    Raises
    ------
    UnusableInput
        If it is damaged, of another layout, or lacks one of the photos.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_PROTOCOL_BYTES:
                raise ValueError("its arrays are too large")
        with np.load(path, allow_pickle=False) as arrays:
            listed = [str(name) for name in arrays["names"]]
            crops, points = arrays["roi_box"].astype(float), arrays["landmarks68_reannotated"].astype(float)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnusableInput(f"{path}: not a readable protocol file ({error}); remove or mend it") from error
    if crops.shape != (len(listed), 4) or points.shape != (len(listed), 2, 68):
        raise UnusableInput(f"{path}: expected (N, 4) boxes and (N, 2, 68) points, found {crops.shape}, {points.shape}")
    missing = sorted(set(names) - set(listed))
    if missing:
        raise UnusableInput(f"{path}: does not list {missing[0]} and {len(missing) - 1} more of the photos")
    return AflwProtocol(
        dict(zip(listed, crops, strict=True)), dict(zip(listed, points.transpose(0, 2, 1), strict=True))
    )

"""Running a coefficient network: a crop of a photo in, identity, expression and a scaled orthographic camera out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.onnx_sessions import open_session
from facefuse.errors import AssetError
from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.rotations import rot6d_to_rotmat
from facefuse.morphable.mirror import mirrored_names, mode_parity
from facefuse.morphable.model import FaceModel
from facefuse.regression.faces import RegressedFace
from facefuse.regression.sharpening import LandmarkBasis, sharpened

FloatArray = npt.NDArray[np.floating[Any]]

TYPICAL_SCALE = 0.52
"""Networks state the logarithm of the scale over this, px per mm of a crop of `REFERENCE_SIDE` pixels."""

REFERENCE_SIDE = 120

_OUTPUTS = ("identity", "expression", "camera", "points", "log_sigma")


class RegressionNetwork:
    """A coefficient network for the base model.

    Parameters
    ----------
    model
        The face model it was trained with.
    file
        ONNX file; the shipped one if not given.
    shipped
        Name of the shipped file.
    mirrored
        Look at the mirrored crop too and take the mean: twice the time, a little more exact.
    tilts
        Angles, radians, by which the crop is turned for one look each; the mean of all looks is taken.
    share
        Side of the crop over that of the square that is asked for: what the network sees best.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing, another network, or belongs to another face model.
    """

    def __init__(
        self,
        model: FaceModel,
        file: Path | None,
        shipped: str,
        mirrored: bool = False,
        tilts: Sequence[float] = (0.0,),
        share: float = 1.0,
        threads: int = 0,
    ) -> None:
        self._session = open_session(file, shipped, threads, inputs=("crops",), outputs=_OUTPUTS)
        facts = self._session.get_modelmeta().custom_metadata_map
        try:
            self.crop_size = int(json.loads(facts["crop_size"]))
            wanted = str(facts["face_model"])
        except (KeyError, ValueError) as error:
            raise AssetError("the network does not state its crop size and face model; export it again") from error
        outputs = {x.name: x.shape[-1] for x in self._session.get_outputs()}
        if wanted != model.name or outputs["expression"] != model.expression_count or outputs["camera"] != 9:
            raise AssetError(f"the network was trained for the face model {wanted!r}, not for {model.name!r}")
        self._model, self._mirrored, self._tilts, self._share = model, mirrored, tilts, share
        self._basis = LandmarkBasis.of(model)
        if mirrored:
            self._mirror = _Mirror.of(model, self._basis.mean)

    def regress(self, pixels: npt.NDArray[np.uint8], square: Square) -> RegressedFace:
        """Regress one face.

        Parameters
        ----------
        pixels
            (H, W, 3) sRGB photo of any size.
        square
            What to cut out: `crop_square` of a face's box, or better `upright_square` of its landmarks.

        Raises
        ------
        UsageError
            If the square is not finite or has no extent.
        """
        square = replace(square, side=square.side * self._share)
        tilted = [replace(square, roll=square.roll + tilt) for tilt in self._tilts]
        crops = np.stack([cut_square(pixels, one, self.crop_size) for one in tilted])
        if self._mirrored:
            crops = np.concatenate([crops, crops[:, :, ::-1]])
        found = self._session.run(list(_OUTPUTS), {"crops": crops})
        looks = [np.asarray(x, dtype=np.float64) for x in found]
        count = len(self._tilts)
        seen = [x[:count] for x in looks]
        if self._mirrored:
            other = self._mirror.image(*(x[count:] for x in looks))
            seen = [(a + b) / 2 for a, b in zip(seen, other, strict=True)]
        known, expression, cameras, points, _ = seen
        identity = np.zeros(self._model.identity_count)
        identity[: known.shape[1]] = known.mean(axis=0)
        axes = _axes(square, self._tilts)
        face = RegressedFace(identity, expression.mean(axis=0), _mean_camera(cameras, square, axes))
        sigma = np.exp(looks[4][:count].mean(axis=0)) * (square.side / REFERENCE_SIDE)
        return sharpened(self._basis, face, _in_photo(points, square, axes).mean(axis=0), sigma)


def _axes(square: Square, tilts: Sequence[float]) -> FloatArray:
    """(N, 2, 2) from the axes of a square turned by each of N tilts to those of the photo."""
    turns = [(math.cos(square.roll + tilt), math.sin(square.roll + tilt)) for tilt in tilts]
    return np.array([((cos, -sin), (sin, cos)) for cos, sin in turns])


def _in_photo(points: FloatArray, square: Square, axes: FloatArray) -> FloatArray:
    """Points (N, P, 2) of crops of `REFERENCE_SIDE` pixels in the photo."""
    from_middle = (points - (REFERENCE_SIDE - 1) / 2.0) * (square.side / REFERENCE_SIDE)
    placed: FloatArray = from_middle @ axes.transpose(0, 2, 1) + square.centre
    return placed


def _mean_camera(values: FloatArray, square: Square, axes: FloatArray) -> ScaledOrthographicCamera:
    """The mean, in the photo, of the cameras that the nine values (N, 9) of each crop of a square state."""
    middle = (values[:, None, 7:] + 1.0) * (REFERENCE_SIDE / 2.0) - 0.5
    place = _in_photo(middle, square, axes)[:, 0].mean(axis=0)
    scale = TYPICAL_SCALE * math.exp(values[:, 6].mean()) * square.side / REFERENCE_SIDE
    rotations = np.array(rot6d_to_rotmat(values[:, :6]))
    rotations[:, :2] = axes @ rotations[:, :2]
    if len(rotations) == 1:
        return ScaledOrthographicCamera(scale, rotations[0], place)
    u, _, vt = np.linalg.svd(rotations.mean(axis=0))
    return ScaledOrthographicCamera(scale, u @ vt, place)


@dataclass(frozen=True)
class _Mirror:
    """How the coefficients of a mirrored face follow from those of the face."""

    parity: FloatArray
    partner: npt.NDArray[np.intp]
    landmark: npt.NDArray[np.intp]

    @staticmethod
    def of(model: FaceModel, landmarks: FloatArray) -> _Mirror:
        apart = np.linalg.norm(landmarks[:, None] * [-1.0, 1.0, 1.0] - landmarks, axis=2)
        return _Mirror(mode_parity(model), mirrored_names(model.expression_names), apart.argmin(axis=1))

    def image(
        self,
        identity: FloatArray,
        expression: FloatArray,
        camera: FloatArray,
        points: FloatArray,
        log_sigma: FloatArray,
    ) -> tuple[FloatArray, ...]:
        """What a network says of N faces, given what it says of their mirror images."""
        rows = camera[:, :6] * np.array([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
        place = camera[:, 7:] * np.array([-1.0, 1.0])
        return (
            identity * self.parity[: identity.shape[1]],
            expression[:, self.partner],
            np.concatenate([rows, camera[:, 6:7], place], axis=1),
            (points * [-1.0, 1.0] + [REFERENCE_SIDE - 1.0, 0.0])[:, self.landmark],
            log_sigma[:, self.landmark],
        )

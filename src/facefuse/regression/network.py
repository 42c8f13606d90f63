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
        side = square.side * self._share
        squares = [replace(square, side=side, roll=square.roll + tilt) for tilt in self._tilts]
        crops = np.stack([cut_square(pixels, one, self.crop_size) for one in squares])
        if self._mirrored:
            crops = np.concatenate([crops, crops[:, :, ::-1]])
        looks = [np.asarray(x, dtype=np.float64) for x in self._session.run(list(_OUTPUTS), {"crops": crops})]
        faces, points = [], []
        for k, one in enumerate(squares):
            seen = [x[k] for x in looks]
            if self._mirrored:
                other = self._mirror.image(*(x[k + len(squares)] for x in looks))
                seen = [(a + b) / 2 for a, b in zip(seen, other, strict=True)]
            identity = np.zeros(self._model.identity_count)
            identity[: len(seen[0])] = seen[0]
            faces.append(RegressedFace(identity, seen[1], _in_photo(seen[2], one)))
            points.append(one.to_photo(seen[3], REFERENCE_SIDE))
        sigma = np.exp(looks[4][: len(squares)].mean(axis=0)) * (side / REFERENCE_SIDE)
        return sharpened(self._basis, mean_face(faces), np.mean(points, axis=0), sigma)


def mean_face(faces: Sequence[RegressedFace]) -> RegressedFace:
    """The mean of what several looks at one photo say."""
    cameras = [face.camera for face in faces]
    u, _, vt = np.linalg.svd(np.mean([np.asarray(camera.rotation) for camera in cameras], axis=0))
    return RegressedFace(
        np.mean([face.identity for face in faces], axis=0),
        np.mean([face.expression for face in faces], axis=0),
        ScaledOrthographicCamera(
            float(np.exp(np.mean([np.log(camera.scale) for camera in cameras]))),
            u @ vt,
            np.mean([np.asarray(camera.translation) for camera in cameras], axis=0),
        ),
    )


def _in_photo(camera: FloatArray, square: Square) -> ScaledOrthographicCamera:
    """The camera of a crop's nine values in the photo that the square was cut out of."""
    scale = TYPICAL_SCALE * math.exp(float(camera[6])) * square.side / REFERENCE_SIDE
    place = square.to_photo((camera[7:] + 1.0) * (REFERENCE_SIDE / 2.0) - 0.5, REFERENCE_SIDE)
    cos, sin = math.cos(square.roll), math.sin(square.roll)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return ScaledOrthographicCamera(scale, turn @ np.asarray(rot6d_to_rotmat(camera[:6])), place)


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
        rows = camera[:6] * np.array([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
        place = camera[7:] * np.array([-1.0, 1.0])
        return (
            identity * self.parity[: len(identity)],
            expression[self.partner],
            np.concatenate([rows, camera[6:7], place]),
            (points * [-1.0, 1.0] + [REFERENCE_SIDE - 1.0, 0.0])[self.landmark],
            log_sigma[self.landmark],
        )

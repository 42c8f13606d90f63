"""Running a coefficient network: a crop of a photo in, identity, expression and a scaled orthographic camera out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
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

FloatArray = npt.NDArray[np.floating[Any]]

TYPICAL_SCALE = 0.52
"""Networks state the logarithm of the scale over this, px per mm of a crop of `REFERENCE_SIDE` pixels."""

REFERENCE_SIDE = 120

_OUTPUTS = ("identity", "expression", "camera")


@dataclass(frozen=True)
class RegressedFace:
    """What a network says about one face.

    Attributes
    ----------
    identity : (K,) float
        Coefficients of all the model's modes, N(0, 1); zero for those the network does not know.
    expression : (E,) float
        Weights in [0, 1].
    camera : ScaledOrthographicCamera
        Model millimetres to pixels of the full photo.
    """

    identity: FloatArray
    expression: FloatArray
    camera: ScaledOrthographicCamera

    def landmarks(self, model: FaceModel) -> FloatArray:
        """The model's 68 landmarks (68, 3), model frame, with the face's expression."""
        return np.asarray(model.landmarks(model.vertices(self.identity, self.expression)), dtype=float)


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
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing, another network, or belongs to another face model.
    """

    def __init__(
        self, model: FaceModel, file: Path | None, shipped: str, mirrored: bool = False, threads: int = 0
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
        self._model, self._mirrored = model, mirrored
        if mirrored:
            self._mirror = _Mirror.of(model)

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
        crop = cut_square(pixels, square, self.crop_size)
        crops = np.stack([crop, crop[:, ::-1]]) if self._mirrored else crop[None]
        found = [np.asarray(x, dtype=np.float64) for x in self._session.run(list(_OUTPUTS), {"crops": crops})]
        identity, expression, camera = (x[0] for x in found)
        if self._mirrored:
            other = self._mirror.image(*(x[1] for x in found))
            identity, expression, camera = (
                (a + b) / 2 for a, b in zip((identity, expression, camera), other, strict=True)
            )
        full = np.zeros(self._model.identity_count)
        full[: len(identity)] = identity
        return RegressedFace(full, expression, _in_photo(camera, square))


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

    @staticmethod
    def of(model: FaceModel) -> _Mirror:
        return _Mirror(mode_parity(model), mirrored_names(model.expression_names))

    def image(
        self, identity: FloatArray, expression: FloatArray, camera: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        rows = camera[:6] * np.array([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
        place = camera[7:] * np.array([-1.0, 1.0])
        return (
            identity * self.parity[: len(identity)],
            expression[self.partner],
            np.concatenate([rows, camera[6:7], place]),
        )

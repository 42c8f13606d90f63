"""A BiSeNet trained on CelebAMask-HQ's 19 classes, as exported to ONNX, as a face parser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.landmarks import upright_square
from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.parts import OCCLUDER, PARTS, FaceParts
from facefuse.detection.types import FloatArray
from facefuse.errors import AssetError

CLASSES = 19
OF_CLASS = (0, 1, 2, 3, 4, 5, OCCLUDER, 0, 0, 0, 6, 7, 8, 9, 0, 0, 0, 0, 0)
"""Our part of each class: 0 background, 1 skin, 2 and 3 brows, 4 and 5 eyes, 6 glasses, 7 and 8 ears, 9 earring, 10
nose, 11 mouth, 12 and 13 lips, 14 neck, 15 necklace, 16 clothing, 17 hair, 18 hat. Hair and hat are background: the
classes do not say where they hide the face."""

SIZE, LARGEST = 512, 1024
"""Side of the input where the file leaves it open, and the largest that is taken, px."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours, 0-1, that the input is normalised with."""
WIDER = 1.4
"""The crop in sides of the landmark network's: CelebAMask-HQ shows the whole head."""

_PAIRS = (("brow_right", "brow_left"), ("eye_right", "eye_left"))


class BiSeNetParser:
    """Face parser running a BiSeNet that the user provides.

    The usual export is meant: input (1, 3, 512, 512) RGB normalised with ImageNet's mean and standard deviation, first
    output (1, 19, 512, 512) logits. Which brow or eye is the right one is told by the landmarks, since such models
    differ in whose left they mean.

    Parameters
    ----------
    model
        ONNX file.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing, cannot be read, or is another network.
    """

    def __init__(self, model: Path, threads: int = 0) -> None:
        self._path = Path(model)
        self._session = open_session(self._path, "", threads, inputs=(), outputs=())
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = f"expected one input (1, 3, {SIZE}, {SIZE}) and a first output (1, {CLASSES}, {SIZE}, {SIZE})"
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, 3):
            raise AssetError(f"{model} is no BiSeNet: its inputs are {_described(inputs)}; {expected}")
        if not outputs or not _fits(outputs[0].shape, CLASSES):
            raise AssetError(f"{model} is no BiSeNet of {CLASSES} classes: outputs {_described(outputs)}; {expected}")
        self._input, self._output = inputs[0].name, outputs[0].name
        side = inputs[0].shape[2]
        self.crop_size = side if isinstance(side, int) else SIZE

    def parse(self, pixels: NDArray[np.uint8], points68: FloatArray) -> FaceParts:
        """Parts of the face with these landmarks, (68, 2) pixels, in an (H, W, 3) sRGB photo.

        Raises
        ------
        AssetError
            The network gives something else than logits of the 19 classes.
        """
        upright = upright_square(np.asarray(points68, dtype=float))
        square = Square(upright.centre, upright.side * WIDER, upright.roll)
        crop = cut_square(pixels, square, self.crop_size).astype(np.float32) / 255.0
        normalised = ((crop - np.array(MEAN, np.float32)) / np.array(STD, np.float32)).transpose(2, 0, 1)[None]
        try:
            (logits,) = self._session.run([self._output], {self._input: normalised})
        except Exception as error:  # the runtime raises a family of private exception types
            raise AssetError(f"{self._path} cannot be run on a crop of {self.crop_size} px: {error}") from error
        shape = logits.shape
        if len(shape) != 4 or shape[:2] != (1, CLASSES) or shape[2] != shape[3] or not np.isfinite(logits).all():
            raise AssetError(f"{self._path} gave an output {shape}; expected finite logits (1, {CLASSES}, S, S)")
        return FaceParts(as_parts(logits[0], square.to_crop(np.asarray(points68, float), shape[-1])), square)


def as_parts(logits: NDArray[np.float32], points68: FloatArray) -> NDArray[np.float32]:
    """Probabilities of `PARTS`, (C, S, S), from logits (19, S, S) and the landmarks (68, 2) in their pixels."""
    shares = np.exp(logits - logits.max(axis=0))
    shares /= shares.sum(axis=0)
    parts = np.zeros((len(PARTS), *logits.shape[1:]), np.float32)
    for label, part in enumerate(OF_CLASS):
        parts[part] += shares[label]
    right, left = points68[36:42].mean(axis=0), points68[42:48].mean(axis=0)
    y, x = np.mgrid[: logits.shape[1], : logits.shape[2]]
    middle, across = (right + left) / 2, left - right
    on_left = (x - middle[0]) * across[0] + (y - middle[1]) * across[1] > 0
    for names in _PAIRS:
        one, other = (PARTS.index(name) for name in names)
        both = parts[one] + parts[other]
        parts[one], parts[other] = np.where(on_left, 0, both), np.where(on_left, both, 0)
    return parts


def _fits(shape: list[int | str | None], channels: int) -> bool:
    """Whether a tensor's shape may be (1, channels, S, S); names and None are left open."""
    if len(shape) != 4:
        return False
    batch, found, height, width = shape
    sizes = [side for side in (height, width) if isinstance(side, int)]
    within = all(32 <= side <= LARGEST for side in sizes) and len(set(sizes)) < 2
    return (not isinstance(batch, int) or batch == 1) and (not isinstance(found, int) or found == channels) and within


def _described(tensors: list[object]) -> str:
    return ", ".join(f"{one.name} {one.shape}" for one in tensors) or "none"  # type: ignore[attr-defined]

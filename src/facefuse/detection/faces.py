"""The built-in face detector: a small fully convolutional network run over a few sizes of the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.types import DetectedFace

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

STRIDES = (8, 16, 32)
SIDE_UNIT = 3.5
POINT_UNIT = 3.0
"""A cell predicts sides in units of this many strides (before the exponential), and its points likewise."""
DEFAULT_THRESHOLD = 0.59
"""The 40 validation backgrounds, each at three sizes and mirrored (160 photos), give 10 false alarms above it."""
OVERLAP = 0.4
CONTAINED = 0.75
"""Of two faces one goes if they overlap by this IoU, or if this share of the smaller lies in the other."""


LARGEST_SEEN = 300.0
"""Pixels of the scaled photo. Larger faces are left to a coarser pass."""
SPARSE_SCALE = 1.0 / 3.0
"""For the last pass, if it shrinks the photo itself to this or less, every second pixel is enough: on held-out faces
and photos without faces it finds the same, and copying a photo of 640 x 480 takes a third of a millisecond less."""
MORE_CERTAIN = 0.1
"""Score by which a part must exceed the whole. On held-out faces pasted into photos this finds 1.6 % more of them than
dropping every part (0 would be 2 %), and of faces that fill half of a photo of 1300 pixels 98.6 % instead of 91.4 %
with 0."""
SMALLEST_SIDE = 16.0
"""Pixels of the photo. Anything smaller is too small to be told from other things."""


@dataclass(frozen=True)
class Candidates:
    """Squares (M, 3) as centre x, y and side, five points (M, 5, 2), both in pixels, and scores (M,)."""

    squares: F32
    points: F32
    scores: F32

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Candidates:
        """Those that a mask or indices choose."""
        return Candidates(self.squares[which], self.points[which], self.scores[which])

    @staticmethod
    def join(parts: list[Candidates]) -> Candidates:
        """All candidates of several lists."""
        return Candidates(
            np.concatenate([p.squares for p in parts]),
            np.concatenate([p.points for p in parts]),
            np.concatenate([p.scores for p in parts]),
        )


def decode(raw: F32, height: int, width: int, threshold: float) -> Candidates:
    """Cells of one network output that pass the threshold, as squares and points.

    Parameters
    ----------
    raw : (N, 14) score logit, centre x and y, log side, five points; cells by rows, stride 8 first, then 16, 32.
    height, width : size of the network's input, multiples of 32.
    threshold : least score.
    """
    kept = np.flatnonzero(raw[:, 0] > math.log(threshold / (1.0 - threshold)))
    values = raw[kept]
    counts = [(height // stride) * (width // stride) for stride in STRIDES]
    starts = np.cumsum([0, *counts[:-1]])
    level = np.searchsorted(starts, kept, side="right") - 1
    stride = np.array(STRIDES)[level]
    row, column = np.divmod(kept - starts[level], width // stride)
    unit = stride.astype(np.float32)[:, None]
    centre = (np.stack([column, row], axis=1) + np.float32(0.5)) * unit - np.float32(0.5)
    side = unit * SIDE_UNIT * np.exp(np.clip(values[:, 3:4], -4.0, 4.0))
    squares = np.concatenate([centre + values[:, 1:3] * unit, side], axis=1, dtype=np.float32)
    points = centre[:, None] + values[:, 4:].reshape(-1, 5, 2) * (POINT_UNIT * unit[:, None])
    scores = 1.0 / (1.0 + np.exp(-values[:, 0]))
    return Candidates(squares, points.astype(np.float32), scores.astype(np.float32))


def overlaps(square: F32, others: F32) -> tuple[F32, F32]:
    """IoU of a square (3,) with others (M, 3), and the share of the smaller one that is common to both."""
    half = square[2] / 2
    halves = others[:, 2] / 2
    width = np.minimum(square[0] + half, others[:, 0] + halves) - np.maximum(square[0] - half, others[:, 0] - halves)
    height = np.minimum(square[1] + half, others[:, 1] + halves) - np.maximum(square[1] - half, others[:, 1] - halves)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area, areas = square[2] ** 2, others[:, 2] ** 2
    return common / (area + areas - common), common / np.minimum(area, areas)


def suppress(candidates: Candidates, overlap: float = OVERLAP, contained: float = CONTAINED) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: indices of the kept candidates, best score first."""
    order = np.argsort(-candidates.scores, kind="stable")
    kept = []
    while len(order):
        best = order[0]
        kept.append(best)
        iou, share = overlaps(candidates.squares[best], candidates.squares[order])
        gone = (iou > overlap) | (share > contained)
        gone[0] = True
        order = order[~gone]
    return np.array(kept, np.int64)


def without_fragments(candidates: Candidates, coarser: Candidates, largest: float) -> Candidates:
    """Candidates of a pass without those inside a face that is too large for this pass and was seen in a coarser one.

    Of a face larger than it can see, a pass may take parts for faces. What the pass is more certain of, by
    `MORE_CERTAIN`, than the coarser one is of the whole stays: the whole may be the false alarm.

    Parameters
    ----------
    candidates, coarser : in pixels of the photo.
    largest : side in pixels of the photo above which a face is too large for the pass.
    """
    kept = np.ones(len(candidates.scores), bool)
    for k in np.flatnonzero(coarser.squares[:, 2] > largest):
        sure = candidates.scores > coarser.scores[k] + MORE_CERTAIN
        apart = overlaps(coarser.squares[k], candidates.squares)[1] < CONTAINED
        kept &= apart | (candidates.squares[:, 2] > largest) | sure
    return candidates.select(kept)


def as_faces(candidates: Candidates) -> list[DetectedFace]:
    """Detected faces after suppression, the largest first."""
    kept = suppress(candidates)
    faces = []
    for k in kept[np.argsort(-candidates.squares[kept, 2], kind="stable")]:
        x, y, side = candidates.squares[k].astype(np.float64)
        box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
        faces.append(DetectedFace(box, candidates.points[k].astype(np.float64), float(candidates.scores[k])))
    return faces


@dataclass(frozen=True)
class Pass:
    """One run of the network: the photo scaled by `scale`, with a margin of so many pixels on each side."""

    scale: float
    margin: int


def plan_passes(height: int, width: int) -> list[Pass]:
    """Sizes at which a photo is searched.

    Faces from about 14 to 300 pixels are seen in a pass. A photo is searched at its own size or at 640 pixels on the
    long side; one longer than 900 pixels at up to 1280 pixels, for small faces, and at 512. A last, small pass with
    wide margins sees faces that fill the frame; it enlarges tiny photos up to twice.
    """
    longest = max(height, width)
    if longest > 900:
        passes = [Pass(min(1.0, 1280 / longest), 0), Pass(512 / longest, 0)]
    else:
        passes = [Pass(min(1.0, 640 / longest), 0)]
    return [*passes, Pass(min(2.0, 128 / longest), 32)]


class FaceNetwork:
    """Face detector that needs nothing but the shipped network.

    Parameters
    ----------
    model
        ONNX file; the shipped one if not given.
    threshold
        Least score of a face that is returned.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing or is not a detector network.
    """

    def __init__(self, model: Path | None = None, threshold: float = DEFAULT_THRESHOLD, threads: int = 0) -> None:
        self.threshold = threshold
        self._session = open_session(model, "face_detector.onnx", threads, inputs=("image",), outputs=("cells",))

    def detect(self, pixels: U8) -> list[DetectedFace]:
        """Faces in a photo (H, W, 3) sRGB of any size, the largest first."""
        height, width = pixels.shape[:2]
        found = []
        image, current = None, pixels
        passes = plan_passes(height, width)
        for step in passes:
            size = (max(1, round(width * step.scale)), max(1, round(height * step.scale)))
            if size != current.shape[1::-1]:
                # From the previous, smaller copy where possible: shrinking the photo itself again takes longer.
                if image is None or step.scale > 1.0:
                    sparse = 2 if step.margin and step.scale <= SPARSE_SCALE else 1
                    whole = np.ascontiguousarray(pixels).view("V3")  # pixels are copied quicker than their channels
                    image = Image.fromarray(np.ascontiguousarray(whole[::sparse, ::sparse]).view(np.uint8))
                image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
                current = np.asarray(image)
            raw, rows, columns = self._run(current, step.margin)
            seen = decode(raw, rows, columns, self.threshold)
            ratio = np.array([width / size[0], height / size[1]], np.float32)
            squares = np.empty_like(seen.squares)
            squares[:, :2] = (seen.squares[:, :2] - step.margin + 0.5) * ratio - 0.5
            squares[:, 2] = seen.squares[:, 2] * ratio.mean()
            here = Candidates(squares, (seen.points - step.margin + 0.5) * ratio - 0.5, seen.scores)
            found.append(here.select(squares[:, 2] >= SMALLEST_SIDE))
        merged = found[-1]
        for step, seen in zip(passes[-2::-1], found[-2::-1], strict=True):
            merged = Candidates.join([merged, without_fragments(seen, merged, LARGEST_SEEN / step.scale)])
        return as_faces(merged)

    def _run(self, pixels: U8, margin: int) -> tuple[F32, int, int]:
        """Network output (N, 14) for an image padded by the margin and up to multiples of 32, and that size."""
        height, width = pixels.shape[:2]
        rows = -(-(height + 2 * margin) // 32) * 32
        columns = -(-(width + 2 * margin) // 32) * 32
        filled = (height, width) == (rows, columns)
        image = (np.empty if filled else np.zeros)((1, 3, rows, columns), np.float32)
        image[0, :, margin : margin + height, margin : margin + width] = pixels.transpose(2, 0, 1)
        return self._session.run(["cells"], {"image": image})[0][0], rows, columns

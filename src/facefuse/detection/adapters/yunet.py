"""OpenCV's YuNet (the model file of `FaceDetectorYN`) as a face detector, run without OpenCV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefuse.detection.faces import Candidates, as_faces
from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.types import DetectedFace

F32 = NDArray[np.float32]

STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)
CENTRE_DOWN = 0.09
SIDE_FACTOR = 0.95
"""Median over 1373 AFLW training crops: YuNet's box reaches higher up the forehead than the 68 points do."""
LONGEST = 640


def to_square(boxes: F32) -> F32:
    """Squares about the 68 landmarks from YuNet's boxes.

    The centre is moved down by `CENTRE_DOWN` of the height; the side is `SIDE_FACTOR` times the root of the area.

    Parameters
    ----------
    boxes : (M, 4) centre x, y, width, height of the upright box from forehead to chin.

    Returns
    -------
    (M, 3) centre x, y and side.
    """
    centre_y = boxes[:, 1] + CENTRE_DOWN * boxes[:, 3]
    side = SIDE_FACTOR * np.sqrt(boxes[:, 2] * boxes[:, 3])
    return np.stack([boxes[:, 0], centre_y, side], axis=1)


class YuNetDetector:
    """Face detector running a YuNet ONNX file (Wu et al. 2023; MIT licence) that the user provides.

    Parameters
    ----------
    model : the file, for example `face_detection_yunet_2023mar.onnx` of the OpenCV Zoo with dynamic input size.
    threshold : least score.
    threads : threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing or is another network.
    """

    def __init__(self, model: Path, threshold: float = 0.6, threads: int = 0) -> None:
        self.threshold = threshold
        self._session = open_session(model, "", threads, inputs=("input",), outputs=OUTPUTS)

    def detect(self, pixels: NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces in a photo (H, W, 3) sRGB, the largest first; searched at up to 640 pixels on the long side."""
        height, width = pixels.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = Image.fromarray(pixels)
        if size != image.size:
            image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        boxes, points, scores = self._run(np.asarray(image))
        ratio = np.array([width / size[0], height / size[1]], np.float32)
        boxes[:, :2] = (boxes[:, :2] + 0.5) * ratio - 0.5
        boxes[:, 2:] *= ratio
        return as_faces(Candidates(to_square(boxes), (points + 0.5) * ratio - 0.5, scores))

    def _run(self, pixels: NDArray[np.uint8]) -> tuple[F32, F32, F32]:
        """Boxes (M, 4) as centre and extent, points (M, 5, 2) and scores (M,) above the threshold."""
        height, width = pixels.shape[:2]
        rows, columns = -(-height // 32) * 32, -(-width // 32) * 32
        image = np.zeros((1, 3, rows, columns), np.float32)
        image[0, :, :height, :width] = pixels[:, :, ::-1].transpose(2, 0, 1)
        outputs = dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), {"input": image}), strict=True))
        boxes, points, scores = [], [], []
        for stride in STRIDES:
            score = np.sqrt(
                np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
            )
            kept = np.flatnonzero(score > self.threshold)
            cell = np.stack([kept % (columns // stride), kept // (columns // stride)], axis=1).astype(np.float32)
            box = outputs[f"bbox_{stride}"][0, kept]
            boxes.append(np.concatenate([(cell + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride], axis=1))
            points.append((cell[:, None] + outputs[f"kps_{stride}"][0, kept].reshape(-1, 5, 2)) * stride)
            scores.append(score[kept])
        return np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)

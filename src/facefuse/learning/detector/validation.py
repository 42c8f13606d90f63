"""Recall and false alarms on validation scenes during training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facefuse.detection.faces import Candidates, decode, overlaps, suppress
from facefuse.learning.detector.data import Source, TrainingData
from facefuse.learning.detector.scenes import HardSpots, Scene, SceneComposer

MATCH_IOU = 0.4
ALLOWED_FALSE_ALARMS = 2


def validation_scenes(data: TrainingData, size: int, count: int) -> list[Scene]:
    """The fixed scenes that a run is judged on."""
    composer = SceneComposer(data, size, np.random.default_rng(7))
    return [composer.compose() for _ in range(count)]


def candidates_in(network: nn.Module, pixels: NDArray[np.uint8], threshold: float, device: str) -> Candidates:
    """Detections in one image (H, W, 3) at its own size, after suppression."""
    height, width = (-(-s // 32) * 32 for s in pixels.shape[:2])
    padded = np.zeros((height, width, 3), np.uint8)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    image = torch.from_numpy(padded).to(device).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        raw = network(image.contiguous(memory_format=torch.channels_last))[0].cpu().numpy()
    found = decode(raw, height, width, threshold)
    kept = suppress(found)
    return Candidates(found.squares[kept], found.points[kept], found.scores[kept])


def validate(network: nn.Module, scenes: list[Scene], backgrounds: list[Source], device: str) -> dict[str, float]:
    """Recall of the scenes' faces, false alarms in scenes and backgrounds, mean IoU, at 0.5 and at a strict threshold.

    The strict threshold is the lowest at which the backgrounds give no more than `ALLOWED_FALSE_ALARMS`.
    """
    network.eval()
    alarms = np.concatenate([candidates_in(network, source.levels[0], 0.05, device).scores for source in backgrounds])
    ranked = np.sort(alarms)[::-1]
    strict = float(ranked[ALLOWED_FALSE_ALARMS]) if len(ranked) > ALLOWED_FALSE_ALARMS else 0.05
    scores: list[float] = []
    ious: list[float] = []
    errors: list[float] = []
    wrong: list[float] = []
    for scene in scenes:
        found = candidates_in(network, scene.pixels, 0.05, device)
        free = np.ones(len(found.scores), bool)
        for square in scene.ignored:
            if len(free):
                iou, share = overlaps(square, found.squares)
                free &= (iou < 0.2) & (share < 0.6)
        for row in scene.faces:
            if not len(free):
                scores.append(0.0)
                continue
            iou, _ = overlaps(row[:3], found.squares)
            hit = np.flatnonzero(iou >= MATCH_IOU)
            free[hit] = False
            best = hit[np.argmax(found.scores[hit])] if len(hit) else -1
            scores.append(float(found.scores[best]) if best >= 0 else 0.0)
            if best >= 0:
                ious.append(float(iou[best]))
                distance = np.linalg.norm(found.points[best] - row[3:].reshape(5, 2), axis=1)
                errors.append(float(distance.mean() / row[2]))
        wrong.extend(found.scores[free])
    face_scores, wrong_scores = np.array(scores), np.array(wrong)
    return {
        "recall": float((face_scores > 0.5).mean()),
        "alarms_scenes": float((wrong_scores > 0.5).sum()),
        "alarms_backgrounds": float((alarms > 0.5).sum()),
        "strict_threshold": strict,
        "recall_strict": float((face_scores > strict).mean()),
        "iou": float(np.mean(ious)) if ious else 0.0,
        "points_error": float(np.mean(errors)) if errors else 1.0,
    }


def find_hard_spots(network: nn.Module, backgrounds: list[Source], device: str, per_image: int = 6) -> HardSpots:
    """Where the network sees faces in face-free photos, at full and half size."""
    network.eval()
    index, centre, side = [], [], []
    for k, source in enumerate(backgrounds):
        for level in range(2):
            found = candidates_in(network, source.levels[level], 0.08, device)
            for square in found.squares[:per_image]:
                index.append(k)
                centre.append((square[:2] + 0.5) * 2**level - 0.5)
                side.append(square[2] * 2**level)
    return HardSpots(np.array(index, np.int64), np.array(centre, np.float32).reshape(-1, 2), np.array(side, np.float32))

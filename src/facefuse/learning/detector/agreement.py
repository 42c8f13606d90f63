"""Fit how far two networks must agree on a face: `python -m facefuse.learning.detector.agreement --data DIR`.

Prints the weights and the limit of `facefuse.detection.find` for the shipped networks. Faces are those held out from
the landmark network's training, pasted into photos without faces and found there by the detector; the other side are
the detector's false alarms in the training and validation photos without faces.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize

from facefuse.detection.crop import square_overlap
from facefuse.detection.faces import FaceNetwork
from facefuse.detection.find import face_evidence
from facefuse.detection.landmarks import LandmarkNetwork
from facefuse.learning.detector.data import Source, TrainingData, face_roll, pyramid, read_backgrounds
from facefuse.learning.detector.scenes import SceneComposer
from facefuse.learning.landmarks.config import PRESETS
from facefuse.learning.landmarks.data import FaceSet, read_faces, split

SCENE_SIZE = 448
PROFILE_YAW_DEG = 60.0
PROFILE_SCENES = 3
"""Scenes of each face turned further than this; one of each other face."""
KEPT_SHARE = 0.985
"""Share of the held-out faces above the limit."""
ENLARGED = 1.33
FACE_IOU, FALSE_IOU = 0.4, 0.1


def face_evidences(
    detector: FaceNetwork, network: LandmarkNetwork, faces: FaceSet, backgrounds: list[Source], seed: int = 11
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Evidence (N, 3) of faces detected in composed scenes, their |yaw| (N,), and false detections' evidence (M, 3)."""
    rng = np.random.default_rng(seed)
    right: list[NDArray[np.floating]] = []
    wrong: list[NDArray[np.floating]] = []
    yaws: list[float] = []
    for photo, points, yaw in zip(faces.photos, faces.points[:, :68], np.abs(faces.yaw_deg), strict=True):
        source = Source(pyramid(photo, 4), points, True, face_roll(points))
        for _ in range(PROFILE_SCENES if yaw > PROFILE_YAW_DEG else 1):
            composer = SceneComposer(TrainingData([source], [], backgrounds), SCENE_SIZE, rng)
            scene = composer.compose_single(SCENE_SIZE * math.exp(rng.uniform(math.log(0.07), math.log(0.7))))
            if not len(scene.faces):
                continue
            x, y, side = scene.faces[0, :3]
            box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
            for found in detector.detect(scene.pixels):
                overlap = square_overlap(box, found.box)
                if FALSE_IOU <= overlap < FACE_IOU:
                    continue
                evidence = face_evidence(found, network.landmarks(scene.pixels, found.box))
                (right if overlap >= FACE_IOU else wrong).append(evidence)
                yaws += [float(yaw)] if overlap >= FACE_IOU else []
    return np.array(right), np.array(yaws), np.array(wrong).reshape(-1, 3)


def false_evidences(
    detector: FaceNetwork, network: LandmarkNetwork, photos: list[NDArray[np.uint8]]
) -> NDArray[np.floating]:
    """Evidence (M, 3) of the false alarms in photos without faces, also mirrored and enlarged."""
    rows = []
    for photo in photos:
        size = round(photo.shape[1] * ENLARGED), round(photo.shape[0] * ENLARGED)
        larger = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR))
        for variant in (photo, np.ascontiguousarray(photo[:, ::-1]), larger):
            for found in detector.detect(variant):
                rows.append(face_evidence(found, network.landmarks(variant, found.box)))
    return np.array(rows).reshape(-1, 3)


def fit_weights(right: NDArray[np.floating], wrong: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights (3,) of a logistic regression in which both sides count alike, with a weak pull towards zero."""
    rows = np.concatenate([right, wrong])
    rows = np.column_stack([rows, np.ones(len(rows))])
    sign = np.r_[np.ones(len(right)), -np.ones(len(wrong))]
    share = np.r_[np.full(len(right), 1 / len(right)), np.full(len(wrong), 1 / len(wrong))]

    def loss(weights: NDArray[np.floating]) -> float:
        return float(share @ np.logaddexp(0.0, -sign * (rows @ weights)) + 1e-4 * (weights[:3] ** 2).sum())

    found: NDArray[np.floating] = minimize(loss, np.zeros(4), method="BFGS").x[:3]
    return found


def main(data: Path) -> None:
    """Print weights and limit, and what they keep and drop.

    Parameters
    ----------
    data
        Folder with aflw/ and backgrounds/.
    """
    detector, network = FaceNetwork(threads=1), LandmarkNetwork(passes=2, threads=1)
    preset = PRESETS["cpu"]
    _, held_out = split(read_faces(data / "aflw"), preset.held_out, preset.seed)
    training, validation, _ = read_backgrounds(data)
    scenery = [Source(pyramid(photo, 3)) for photo in validation]
    right, yaw, wrong = face_evidences(detector, network, held_out, scenery)
    wrong = np.concatenate([wrong, false_evidences(detector, network, training + validation)])
    weights = fit_weights(right, wrong)
    limit = float(np.quantile(right @ weights, 1 - KEPT_SHARE))
    profile = yaw > PROFILE_YAW_DEG
    sys.stdout.write(
        f"weights {np.round(weights, 2).tolist()}, limit {limit:.2f}\n"
        f"kept: {100 * np.mean(right[~profile] @ weights >= limit):.1f} % of {(~profile).sum()} faces, "
        f"{100 * np.mean(right[profile] @ weights >= limit):.1f} % of {profile.sum()} profiles, "
        f"{(wrong @ weights >= limit).sum()} of {len(wrong)} false detections\n"
    )


if __name__ == "__main__":
    tyro.cli(main)

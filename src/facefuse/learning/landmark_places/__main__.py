"""Estimate the places of photo landmarks on the base model: ``python -m facefuse.learning.landmark_places``.

Reads the AFLW labels (their fused targets, as the landmark network learns them) and writes a JSON file that
``facefuse.learning.base_model`` places the landmarks of the base model by.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from facefuse.fitting.types import Observation
from facefuse.learning.landmark_places.estimate import Places, estimate_places
from facefuse.learning.landmarks.data import CORNER_TO_CENTRE_PX
from facefuse.learning.landmarks.labels import build_targets, mean_frontal_shape
from facefuse.learning.landmarks.points import IBUG_MIRROR, mirror_partners
from facefuse.morphable import load_model

YAW_BINS = np.arange(-90, 91, 20)
MESH_YAW = 45.0
"""Beyond this yaw, degrees, mesh labels are guesses."""
SIDE = 120
LABEL_SIGMA_PX = 1.3
FOCAL_PX = 6.0 * SIDE
"""The crops come from larger photos of faces a metre or two away; their own lenses are not known."""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--aflw", type=Path, required=True, help="folder with labels.npz and mesh_labels.npz")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--per-bin", type=int, default=50, help="photos per 20 degrees of yaw")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    observations, partner = read_observations(chosen.aflw, chosen.per_bin, chosen.seed)
    places = estimate_places(load_model("base"), observations, partner)
    chosen.out.write_text(as_json(places))
    sys.stdout.write(f"{len(observations)} photos, median scatter {np.median(places.scatter):.2f} mm\n")
    return 0


def read_observations(folder: Path, per_bin: int, seed: int) -> tuple[list[Observation], np.ndarray]:
    """Read labelled photos balanced over yaw, and the mirror partner of every point.

    Parameters
    ----------
    folder : Path
        With ``labels.npz`` and ``mesh_labels.npz``.
    per_bin : int
        Photos per 20 degrees of yaw.
    seed : int

    Returns
    -------
    observations : list of Observation
    partner : (68 + M,) int
    """
    with np.load(folder / "labels.npz") as labels, np.load(folder / "mesh_labels.npz") as mesh_labels:
        yaw = labels["yaw_deg"].astype(float)
        a = labels["landmarks68_a"].astype(float)
        b = labels["landmarks68_b"].astype(float)
        disagreement = labels["landmarks68_a_disagreement"].astype(float)
        manual = labels["landmarks21"].astype(float) + CORNER_TO_CENTRE_PX
        indices = mesh_labels["mesh_indices"].astype(np.int64)
        mesh = mesh_labels["mesh_xyz"][..., :2].astype(float) + CORNER_TO_CENTRE_PX
    b[np.isnan(mesh[:, 0, 0])] = np.nan
    targets = build_targets(a, disagreement, b, mesh, manual, yaw)
    frontal = mean_frontal_shape(a, mesh, yaw, IBUG_MIRROR)[1]
    skin = indices < MESH_POINT_COUNT  # the rest are irises
    partner = np.concatenate([IBUG_MIRROR, 68 + mirror_partners(frontal[skin])])

    rng = np.random.default_rng(seed)
    trusted = ~targets.doubtful & (targets.weight68.mean(1) > 0.7)
    picked = [
        rng.permutation(np.flatnonzero(trusted & (yaw >= low) & (yaw < high)))[:per_bin]
        for low, high in pairwise(YAW_BINS)
    ]
    observations = []
    for i in np.concatenate(picked):
        dense = skin if abs(yaw[i]) < MESH_YAW and targets.mesh_weight[i].min() > 0 else np.zeros_like(skin)
        with np.errstate(divide="ignore"):
            sigma68 = LABEL_SIGMA_PX / np.sqrt(targets.weight68[i])
            sigma = LABEL_SIGMA_PX / np.sqrt(targets.mesh_weight[i, dense])
        observations.append(
            Observation(
                targets.points68[i], sigma68, targets.mesh[i, dense], sigma, indices[dense], (SIDE, SIDE), FOCAL_PX
            )
        )
    return observations, partner


MESH_POINT_COUNT = 468


def as_json(places: Places) -> str:
    """Write places as JSON, a line per point, rounded to a hundredth of a millimetre."""

    def rows(start: int, stop: int) -> str:
        return ",\n".join("    " + json.dumps([round(float(x), 2) for x in p]) for p in places.points[start:stop])

    scatter = json.dumps([round(float(x), 2) for x in places.scatter])
    return (
        '{\n  "unit": "mm, frame of the base model",\n'
        f'  "ibug68": [\n{rows(0, 68)}\n  ],\n'
        f'  "mediapipe_indices": {json.dumps([int(i) for i in places.mesh])},\n'
        f'  "mediapipe": [\n{rows(68, len(places.points))}\n  ],\n'
        f'  "scatter_mm": {scatter}\n}}\n'
    )


if __name__ == "__main__":
    raise SystemExit(main())

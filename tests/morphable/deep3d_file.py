"""A file in Deep3D's packing of the BFM, made from the base model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from facefuse.morphable.registry import load_model

FRONT = ("face", "forehead", "nose", "eyelid_left", "eyelid_right", "brow_left", "brow_right", "upper_lip", "lower_lip")


def deep3d_arrays() -> dict[str, Any]:
    """Return the arrays of the file: 80 + 64 + 80 modes, decimetres, indices from one."""
    model = load_model()
    triangles = np.asarray(model.triangles)[np.asarray(model.region_mask(*FRONT))]
    landmarks = np.asarray(model.landmarks68)[np.arange(68), np.argmax(model.landmarks68_weights, axis=1)]
    kept = np.union1d(triangles, landmarks)
    number = np.full(model.vertex_count, -1)
    number[kept] = np.arange(len(kept))
    triangles, count = number[triangles], len(kept)
    rng = np.random.default_rng(0)
    extra = np.tensordot(rng.normal(size=(13, model.expression_count)), model.expression, 1) / 7
    expression = np.concatenate([model.expression, extra])[:64]

    def packed(modes: np.ndarray) -> np.ndarray:
        return modes[:, kept].reshape(len(modes), -1).T / 100

    around: list[list[int]] = [[] for _ in range(count)]
    for t, corners in enumerate(triangles):
        for v in corners:
            around[v].append(t + 1)
    point_buf = np.full((count, 8), len(triangles) + 1)
    for v, listed in enumerate(around):
        point_buf[v, : min(8, len(listed))] = listed[:8]
    mean = model.mean[kept] + [3.0, -7.0, 60.0]
    skin = np.ones(count)
    skin[number[np.unique(model.triangles[model.region_mask("brow_left", "brow_right", "upper_lip", "lower_lip")])]] = 0
    return {
        "meanshape": mean.reshape(1, -1) / 100,
        "idBase": packed(model.identity[:80]),
        "exBase": packed(expression),
        "meantex": np.tile([190.0, 140.0, 120.0], count)[None],
        "texBase": rng.normal(scale=4, size=(3 * count, 80)),
        "tri": triangles + 1,
        "tri_mask2": triangles[:50] + 1,
        "point_buf": point_buf,
        "keypoints": number[landmarks][None] + 1,
        "skinmask": skin[None],
        "frontmask2_idx": np.flatnonzero(np.asarray(model.face_mask)[kept])[:, None] + 1,
    }


def write_deep3d(folder: Path, **changes: Any) -> Path:
    """Write the file, with some arrays changed, or left out where None."""
    arrays = {**deep3d_arrays(), **changes}
    path = folder / "BFM_model_front.mat"
    savemat(path, {name: value for name, value in arrays.items() if value is not None}, do_compression=False)
    return path

"""Figures and pictures of a network on held-out photos of set I."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

from facefuse.learning.landmarks.augment import plain_crops
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.data import Sample2D
from facefuse.learning.two_dasl.two_pass import CoefficientSpace, draw_map

FloatArray = NDArray[np.floating]

_SHOWN = 12
_ZOOM = 2
_AT_ONCE = 50
GESTURES = {
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "jaw_open": ("jawOpen",),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "brow_up": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
}
"""Expressions whose mean weight is compared with predicted blendshape scores."""


def predict_both(
    network: nn.Module, space: CoefficientSpace, crops: NDArray[np.uint8], config: TwoDaslConfig, second: bool
) -> dict[str, FloatArray]:
    """Points of both passes (N, P, 2), voted points where there are any, expression weights (N, E)."""
    device = next(network.parameters()).device
    collected: dict[str, list[FloatArray]] = {}
    with torch.inference_mode():
        for start in range(0, len(crops), _AT_ONCE):
            some = torch.from_numpy(crops[start : start + _AT_ONCE]).to(device)
            first = network(some, None)
            placed = space.place(first.values)
            found = {"first": placed.points, "expression": placed.expression}
            if first.points is not None:
                found["votes"] = first.points
            if second:
                drawn = draw_map(placed.points[:, :IBUG_POINTS], some.shape[1], config.maps)
                found["second"] = space.place(network(some, drawn).values).points
            for name, value in found.items():
                collected.setdefault(name, []).append(value.float().cpu().numpy())
    return {name: np.concatenate(values) for name, values in collected.items()}


@dataclass(frozen=True)
class HeldOutErrors:
    """Errors of every held-out photo.

    Attributes
    ----------
    nme
        (N,) percent over the 68 landmarks, by kind of points: ``first`` are the projected ones of the first pass,
        ``second`` of the second, ``votes`` the voted ones.
    mesh
        (N,) the same over the mesh points; NaN for photos without.
    pose_bin
        (N,) 0 for |yaw| below 30°, 1 up to 60°, 2 beyond.
    expression
        (N, E) weights of the first pass.
    """

    nme: dict[str, FloatArray]
    mesh: dict[str, FloatArray]
    pose_bin: NDArray[np.integer]
    expression: FloatArray

    def balanced(self, kind: str, chosen: NDArray[np.integer] | None = None) -> float:
        """Mean of the pose bins' means, over some of the photos."""
        nme, bins = self.nme[kind], self.pose_bin
        if chosen is not None:
            nme, bins = nme[chosen], bins[chosen]
        return float(np.mean([nme[bins == k].mean() for k in range(3) if (bins == k).any()]))


def held_out_errors(
    network: nn.Module, space: CoefficientSpace, sample: Sample2D, config: TwoDaslConfig
) -> HeldOutErrors:
    """Compare a network's points with the fused labels of photos it has not seen."""
    faces = sample.faces
    crops, target = plain_crops(faces.photos, faces.points, config.data.size)
    found = predict_both(network, space, crops, config, second=config.maps.second_share > 0.0)
    side = np.sqrt(np.ptp(target[:, :IBUG_POINTS], axis=1).prod(axis=1))[:, None]
    nme: dict[str, FloatArray] = {}
    mesh: dict[str, FloatArray] = {}
    for kind in ("first", "second", "votes"):
        if kind in found:
            error = np.linalg.norm(found[kind][:, : target.shape[1]] - target, axis=-1) / side * 100.0
            nme[kind] = error[:, :IBUG_POINTS].mean(axis=1)
            if target.shape[1] > IBUG_POINTS:
                mesh[kind] = error[:, IBUG_POINTS:].mean(axis=1)
    return HeldOutErrors(nme, mesh, np.digitize(np.abs(faces.yaw_deg), (30.0, 60.0)), found["expression"])


def validate(network: nn.Module, space: CoefficientSpace, sample: Sample2D, config: TwoDaslConfig) -> dict[str, float]:
    """NME in percent by pose bins and balanced, of every kind of points; correlations of expressions with scores."""
    errors = held_out_errors(network, space, sample, config)
    figures: dict[str, float] = {}
    for kind, nme in errors.nme.items():
        for k, name in enumerate(("0_30", "30_60", "60_90")):
            chosen = errors.pose_bin == k
            figures[f"val_{kind}_{name}"] = float(nme[chosen].mean()) if chosen.any() else math.nan
        figures[f"val_{kind}"] = errors.balanced(kind)
        if kind in errors.mesh:
            figures[f"val_{kind}_mesh"] = float(np.nanmean(errors.mesh[kind]))
    return figures | gesture_correlations(errors.expression, sample.scores, getattr(space, "expression_names", ()))


def gesture_correlations(expression: FloatArray, scores: FloatArray, names: tuple[str, ...]) -> dict[str, float]:
    """Correlation over photos of predicted weights (N, E) with blendshape scores (N, E), per gesture."""
    known = ~np.isnan(scores[:, 0])
    figures = {}
    for gesture, members in GESTURES.items():
        if not set(members) <= set(names) or known.sum() < 3:
            continue
        columns = [names.index(member) for member in members]
        a, b = expression[known][:, columns].mean(axis=1), scores[known][:, columns].mean(axis=1)
        figures[f"val_{gesture}"] = float(np.corrcoef(a, b)[0, 1])
    return figures


def draw_faces(
    network: nn.Module, space: CoefficientSpace, sample: Sample2D, config: TwoDaslConfig
) -> NDArray[np.uint8]:
    """Some held-out crops, from frontal to profile, with the projected landmarks in green: (H, W, 3)."""
    order = np.argsort(np.abs(sample.faces.yaw_deg))
    chosen = order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).astype(int)]
    faces = sample.faces.subset(chosen)
    crops, _ = plain_crops(faces.photos, faces.points, config.data.size)
    points = predict_both(network, space, crops, config, second=False)["first"][:, :IBUG_POINTS]
    side = 120 * _ZOOM
    tiles = []
    for crop, face in zip(crops, points, strict=True):
        tile = Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(tile)
        for x, y in (face + 0.5) * _ZOOM:
            pen.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=(0, 255, 0))
        tiles.append(np.asarray(tile))
    columns = 6
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)

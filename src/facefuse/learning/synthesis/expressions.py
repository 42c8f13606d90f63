"""Which expressions people make in photos: the joint statistics of ARKit scores, and random draws from them.

A mixture: typical combinations (k-means, Lloyd 1982) and how faces vary about each. A Gaussian copula was tried first
and makes grimaces, since it forgets that lips bare the teeth mostly in a smile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.cluster.vq import kmeans2

Floats = NDArray[np.float64]

ASSET = "expression_statistics.safetensors"
COMBINATIONS = 160
"""Typical combinations that are kept."""
_AT_REST = 0.12
"""Share of faces at rest."""
_UNSEEN = (("cheekPuff", 0.03), ("cheekSquintLeft", 0.05), ("noseSneerLeft", 0.04), ("jawForward", 0.03))
"""Shapes the scores never show, and how often they are added (with their mirror partner)."""
_OPEN = 0.10
"""Share of faces whose jaw is dropped further than the scores, which are shy of it, ever say."""
_BLINK = 0.05
"""Share of faces with closed eyes."""


@dataclass(frozen=True)
class ExpressionStatistics:
    """A mixture of expression scores, relative to faces at rest.

    Attributes
    ----------
    names : tuple of str
        ARKit names (E).
    share : (C,) float
        How common each combination is; sums to one.
    centre : (C, E) float
        Mean scores, and
    spread : (C, E) float
        their standard deviation within each combination.
    factor : (E, E) float
        A matrix whose product with its transpose is the correlation within combinations.
    """

    names: tuple[str, ...]
    share: Floats
    centre: Floats
    spread: Floats
    factor: Floats

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw the scores of one face, by name, in [0, 1]."""
        chosen = int(np.searchsorted(np.cumsum(self.share), rng.random() * self.share.sum()))
        chosen = min(chosen, len(self.share) - 1)
        deviate = (self.factor * rng.standard_normal(len(self.names))).sum(axis=1)
        scores = self.centre[chosen] + self.spread[chosen] * np.clip(deviate, -2.0, 2.0)
        return dict(zip(self.names, np.clip(scores, 0.0, 1.0).tolist(), strict=True))


def mirrored(name: str) -> str:
    """Name of a shape's mirror partner."""
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name[: -len(side)] + other
    return name


def learn(scores: Floats, names: tuple[str, ...], seed: int = 1) -> ExpressionStatistics:
    """Learn the statistics of scores (N, E), as common on the left as on the right."""
    partner = [names.index(mirrored(name)) for name in names]
    both = np.concatenate([scores, scores[:, partner]])
    centre, member = kmeans2(both, COMBINATIONS, minit="++", rng=np.random.default_rng(seed), iter=40)
    count = np.bincount(member, minlength=COMBINATIONS)
    residual = both - centre[member]
    spread = np.sqrt(np.stack([(residual[member == c] ** 2).mean(axis=0) for c in range(COMBINATIONS)]))
    scaled = residual / (spread[member] + 1e-3)
    values, vectors = np.linalg.eigh(np.corrcoef(scaled.T))
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    return ExpressionStatistics(names, count / count.sum(), centre, spread, factor)


def learn_from_labels(aflw: Path, london: Path, names: tuple[str, ...]) -> ExpressionStatistics:
    """Learn from a face landmarker's scores.

    Parameters
    ----------
    aflw : Path
        ``mesh_labels.npz`` of the AFLW photos: how people look in photos.
    london : Path
        ``mesh_labels.npz`` of the London set, whose photos ``…_03.jpg`` show faces at rest: what the scores are when
        nothing is expressed, which is taken off.
    names : tuple of str
        Shapes of the model; gaze is left out.
    """
    with np.load(london) as data:
        known = [str(name) for name in data["blendshape_names"]]
        at_rest = np.array([str(name).endswith("_03.jpg") for name in data["names"]])
        rest = np.nanmean(data["blendshapes"][at_rest].astype(np.float64), axis=0)
    with np.load(aflw) as data:
        scores = data["blendshapes"].astype(np.float64)
    scores = scores[~np.isnan(scores[:, 0])]
    scores = np.clip((scores - rest) / (1.0 - rest), 0.0, 1.0)
    alive = scores.std(axis=0) > 1e-3
    chosen = tuple(name for name in names if "Look" not in name and alive[known.index(name)])
    return learn(scores[:, [known.index(name) for name in chosen]], chosen)


def save(statistics: ExpressionStatistics, path: Path) -> None:
    """Write the statistics as float16 in a safetensors file."""
    arrays = {name: getattr(statistics, name).astype(np.float16) for name in ("share", "centre", "spread", "factor")}
    save_file(arrays, str(path), metadata={"names": " ".join(statistics.names)})


@lru_cache(maxsize=1)
def shipped_statistics() -> ExpressionStatistics:
    """Return the statistics that ship with the package."""
    path = str(files("facefuse") / "assets" / ASSET)
    with safe_open(path, "numpy") as opened:
        names = tuple(opened.metadata()["names"].split())
    arrays = {name: value.astype(np.float64) for name, value in load_file(path).items()}
    return ExpressionStatistics(names, arrays["share"], arrays["centre"], arrays["spread"], arrays["factor"])


def score_spread(names: tuple[str, ...]) -> NDArray[np.float32]:
    """Standard deviation among people of the scores of the named shapes (E,), not below 0.05; 0.2 where unknown."""
    known = shipped_statistics()
    share = known.share[:, None] / known.share.sum()
    mean = (share * known.centre).sum(axis=0)
    deviation = np.sqrt((share * (known.spread**2 + (known.centre - mean) ** 2)).sum(axis=0))
    of = dict(zip(known.names, deviation.tolist(), strict=True))
    return np.array([max(of.get(name, 0.2), 0.05) for name in names], dtype=np.float32)


def random_expression(
    names: tuple[str, ...], statistics: ExpressionStatistics, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw weights (E,) of the named shapes in [0, 1]; gaze is left at rest."""
    scores = statistics.draw(rng)
    strength = rng.uniform(0.0, 0.2) if rng.random() < _AT_REST else rng.uniform(0.6, 1.0)
    scores = {name: strength * score for name, score in scores.items()}
    for name, share in _UNSEEN:
        if rng.random() < share:
            scores[name] = rng.uniform(0.3, 0.9)
            scores[mirrored(name)] = scores[name] * rng.uniform(0.7, 1.0)
    # bared teeth open the jaw more than the scores admit
    bared = min(scores.get(f"mouthLowerDown{side}", 0.0) for side in ("Left", "Right"))
    scores["jawOpen"] = scores.get("jawOpen", 0.0) + 0.12 * bared
    chance = rng.random()
    if chance < _OPEN:
        scores["jawOpen"] = max(scores["jawOpen"], rng.uniform(0.15, 0.75))
        scores["mouthClose"] = 0.0
    if chance > 1 - _BLINK:
        scores["eyeBlinkLeft"] = scores["eyeBlinkRight"] = rng.uniform(0.85, 1.0)
    return np.array([min(max(scores.get(name, 0.0), 0.0), 1.0) for name in names], np.float32)

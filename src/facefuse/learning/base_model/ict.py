"""Reading ICT-FaceKit Light: millimetres, our frame, triangles, exact left-right symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from facefuse.errors import AssetError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VERTEX_RANGES = {
    "skin": (0, 11248),
    "mouth_socket": (11248, 13294),
    "eye_socket_left": (13294, 13678),
    "eye_socket_right": (13678, 14062),
    "gums": (14062, 17039),
    "teeth": (17039, 21451),
    "sclera_left": (21451, 22221),
    "sclera_right": (23021, 23791),
}
"""Vertex ranges of ICT-FaceKit (its README), end exclusive."""

POLYGON_RANGES = {
    "skin": (0, 11144),
    "mouth_socket": (11144, 13226),
    "eye_socket_left": (13226, 13630),
    "eye_socket_right": (13630, 14034),
    "gums": (14034, 17006),
    "teeth": (17006, 21496),
    "sclera_left": (21496, 22296),
    "sclera_right": (23094, 23894),
}
"""Polygon ranges of ICT-FaceKit (its README), end exclusive."""

NARROW_FACE_VERTICES = 6706
"""ICT's "narrow face area" are the first vertices."""
FULL_FACE_VERTICES = 9409
"""ICT's "full face area" (with ears and forehead) are the first vertices."""
USED_VERTICES = 24591
"""Vertices up to the eyeballs; what follows (lacrimal fluid, lashes, …) is not used."""

TOOTH_STARTS = (
    *(17039, 17230, 17416, 17607, 17730, 17895, 17991, 18067),
    *(18143, 18219, 18295, 18391, 18556, 18679, 18870, 19056),
    *(19247, 19426, 19602, 19814, 19952, 20079, 20169, 20263),
    *(20349, 20435, 20529, 20619, 20746, 20884, 21096, 21272),
    21451,
)
"""First vertex of each of the 32 teeth: upper left to right, lower left to right; then the end."""

JAWLINE = (
    *(1278, 1272, 12, 1834, 243, 781, 2199, 1447),
    966,
    *(3661, 4390, 3022, 2484, 4036, 2253, 3490, 3496),
)


@dataclass(frozen=True)
class IctModel:
    """ICT-FaceKit Light, symmetrised, in our frame.

    Attributes
    ----------
    mean : (N, 3) float
        Millimetres; origin midway between the mean's eyeball centres; +X subject's left, +Y up, +Z out of the face.
    identity : (100, N, 3) float
        One standard deviation each; every mode is exactly symmetric or antisymmetric.
    parity : (100,) int
        +1 for symmetric modes, -1 for antisymmetric ones.
    expression : (E, N, 3) float
        Displacements at weight one; a ``_R`` shape is the exact mirror image of its ``_L`` shape.
    expression_names : tuple of str
        ICT's names.
    polygons : (P, 4) int
        As published; -1 pads triangles.
    mirror : (N,) int
        The mirror partner of each vertex.
    landmarks68 : (68,) int
        ICT's iBUG landmark vertices.
    eye_radius : float
        Radius of the mean's eyeballs in millimetres.
    """

    mean: Floats
    identity: Floats
    parity: Ints
    expression: Floats
    expression_names: tuple[str, ...]
    polygons: Ints
    mirror: Ints
    landmarks68: Ints
    eye_radius: float

    def triangles(self, part: str) -> Ints:
        """Return the triangles (T, 3) of one part of ``POLYGON_RANGES``, quads split symmetrically."""
        start, end = POLYGON_RANGES[part]
        return split_quads(self.polygons[start:end], self.mean)


def split_quads(polygons: Ints, points: Floats) -> Ints:
    """Split quads (P, 4), -1 padded, along their shorter diagonal; ties go to the first so that mirrors agree."""
    triangles = []
    for polygon in polygons:
        a, b, c, d = (int(i) for i in polygon)
        if d < 0:
            triangles.append((a, b, c))
            continue
        first, second = np.linalg.norm(points[a] - points[c]), np.linalg.norm(points[b] - points[d])
        triangles += [(a, b, c), (a, c, d)] if first <= second + 1e-6 else [(b, c, d), (b, d, a)]
    return np.array(triangles, dtype=np.int64)


def reflect(points: Floats) -> Floats:
    """Mirror (..., 3) points or displacements at the plane x = 0."""
    return np.asarray(points * np.array([-1.0, 1.0, 1.0]))


def fit_sphere(points: Floats) -> tuple[Floats, float]:
    """Fit a sphere to (N, 3) points by linear least squares; returns centre (3,) and radius."""
    system = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def load_ict(path: Path) -> IctModel:
    """Read ``ict_facekit_light.npz`` (mean, identity, expression in centimetres).

    Raises
    ------
    AssetError
        If the file lacks an array or is not the ICT-FaceKit Light topology.
    """
    with np.load(path) as data:
        missing = {"mean", "identity", "expression", "expression_names", "polygons", "landmarks68"} - set(data.files)
        if missing:
            raise AssetError(f"{path} lacks {', '.join(sorted(missing))}; expected the arrays of ICT-FaceKit Light")
        mean = data["mean"].astype(np.float64)[:USED_VERTICES] * 10
        identity = data["identity"].astype(np.float64)[:, :USED_VERTICES] * 10
        expression = data["expression"].astype(np.float64)[:, :USED_VERTICES] * 10
        names = tuple(str(name) for name in data["expression_names"])
        polygons = data["polygons"].astype(np.int64)[: POLYGON_RANGES["sclera_right"][1]]
        landmarks = data["landmarks68"].astype(np.int64)
    if mean.shape[0] != USED_VERTICES:
        raise AssetError(f"{path} holds {mean.shape[0]} vertices; expected the topology of ICT-FaceKit Light (26719)")

    _, mirror = cKDTree(mean).query(reflect(mean))
    mirror = mirror.astype(np.int64)
    _fix_touching_parts(mean, mirror)
    if not (mirror[mirror] == np.arange(len(mirror))).all():
        raise AssetError(f"{path}: the mean face has no one-to-one mirror map")
    mean = (mean + reflect(mean[mirror])) / 2

    identity, parity = _split_parity(identity, mirror)
    for index, name in enumerate(names):
        if name.endswith("_L"):
            other = names.index(name[:-2] + "_R")
            left = (expression[index] + reflect(expression[other][mirror])) / 2
            expression[index], expression[other] = left, reflect(left[mirror])
        elif not name.endswith("_R") and not name.endswith(("Left", "Right")):
            expression[index] = (expression[index] + reflect(expression[index][mirror])) / 2
    for stem in ("jaw", "mouth"):
        index, other = names.index(stem + "Left"), names.index(stem + "Right")
        left = (expression[index] + reflect(expression[other][mirror])) / 2
        expression[index], expression[other] = left, reflect(left[mirror])

    start, end = VERTEX_RANGES["sclera_left"]
    ball = mean[start:end]
    back = ball[:, 2] < np.median(ball[:, 2])  # the cornea bulges out of the sphere
    centre, radius = fit_sphere(ball[back])
    mean = mean - np.array([0.0, centre[1], centre[2]])
    return IctModel(mean, identity, parity, expression, names, polygons, mirror, landmarks, radius)


def _fix_touching_parts(mean: Floats, mirror: Ints) -> None:
    """Match mirror partners within each part, since different parts may touch."""
    pairs = {
        "skin": "skin",
        "mouth_socket": "mouth_socket",
        "eye_socket_left": "eye_socket_right",
        "eye_socket_right": "eye_socket_left",
        "gums": "gums",
    }
    ranges = [(VERTEX_RANGES[a], VERTEX_RANGES[b]) for a, b in pairs.items()]
    iris = {"left": (22221, 23021), "right": (23791, 24591)}
    ranges += [(VERTEX_RANGES["sclera_left"], VERTEX_RANGES["sclera_right"]), (iris["left"], iris["right"])]
    ranges += [(VERTEX_RANGES["sclera_right"], VERTEX_RANGES["sclera_left"]), (iris["right"], iris["left"])]
    for row in (0, 16):
        for k in range(16):
            tooth, partner = row + k, row + 15 - k
            ranges.append(
                ((TOOTH_STARTS[tooth], TOOTH_STARTS[tooth + 1]), (TOOTH_STARTS[partner], TOOTH_STARTS[partner + 1]))
            )
    for (start, end), (other_start, other_end) in ranges:
        _, index = cKDTree(mean[other_start:other_end]).query(reflect(mean[start:end]))
        mirror[start:end] = index + other_start
    odd = np.flatnonzero(mirror[mirror] != np.arange(len(mirror)))  # two gum vertices 0.3 mm off their mirror place
    distance = np.linalg.norm(mean[odd][None] - reflect(mean[odd])[:, None], axis=2)
    mirror[odd] = odd[linear_sum_assignment(distance)[1]]


def _split_parity(identity: Floats, mirror: Ints) -> tuple[Floats, Ints]:
    """Make every mode exactly symmetric or antisymmetric (ICT's are, up to rounding)."""
    parity = np.ones(len(identity), dtype=np.int64)
    clean = np.empty_like(identity)
    for k, mode in enumerate(identity):
        mirrored = reflect(mode[mirror])
        symmetric, antisymmetric = (mode + mirrored) / 2, (mode - mirrored) / 2
        if (antisymmetric**2).sum() > (symmetric**2).sum():
            parity[k], clean[k] = -1, antisymmetric
        else:
            clean[k] = symmetric
    return clean, parity

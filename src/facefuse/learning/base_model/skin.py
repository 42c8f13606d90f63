"""The base model's own skin mesh, with eye sockets and mouth bag, remeshed from ICT's mean and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from facefuse.learning.base_model.curves import CurveSet, boundary_edges, label_edges, trace_curves
from facefuse.learning.base_model.ict import IctModel
from facefuse.learning.base_model.regions import is_ear
from facefuse.learning.base_model.remesh import Remeshed, remesh
from facefuse.learning.base_model.surface import Surface, limit_gradient

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SKIN, MOUTH_BAG, EYE_SOCKET = 0, 1, 2
NECK_POINT = np.array([0.0, -160.0, -40.0])
"""The neck is cut by a plane through this point (mm) …"""
NECK_NORMAL = np.array([0.0, 1.0, 0.38])
"""… with this normal: lower at the throat than at the nape."""
SNAP = 0.02
"""Vertices closer to the cutting plane than this share of their shortest edge are taken to lie on it."""


@dataclass(frozen=True)
class Part:
    """A piece of the new mesh, tied to ICT's vertices.

    Attributes
    ----------
    transfer : (V, N) sparse float
        Row v holds the barycentric weights that make vertex v out of ICT's N vertices.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    label : (F,) int
        What each triangle is, in the numbering of the part.
    mirror : (V,) int
        The mirror partner of each vertex.
    rim : (V,) bool
        Vertices on feature curves.
    """

    transfer: sparse.csr_matrix
    triangles: Ints
    label: Ints
    mirror: Ints
    rim: NDArray[np.bool_]


def cut_by_plane(
    points: Floats, triangles: Ints, label: Ints, point: Floats, normal: Floats
) -> tuple[sparse.csr_matrix, Ints, Ints]:
    """Keep what lies on the normal's side of a plane, splitting triangles that cross it.

    Returns
    -------
    transfer : (V', V) sparse float
        New vertices in terms of the old ones.
    triangles : (F', 3) int
    label : (F',) int
    """
    side = (points - point) @ (normal / np.linalg.norm(normal))
    edges = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    shortest = np.full(len(points), np.inf)
    np.minimum.at(shortest, edges.ravel(), np.repeat(length, 2))
    side[np.abs(side) < SNAP * shortest] = 0.0
    rows: list[tuple[int, int, float]] = [(v, v, 1.0) for v in np.flatnonzero(side >= 0).tolist()]
    index: dict[tuple[int, int], int] = {(v, v): i for i, (v, _, _) in enumerate(rows)}

    def vertex(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in index:
            p, q = key
            index[key] = len(rows)
            rows.append((p, q, float(side[q] / (side[q] - side[p]))))
        return index[key]

    kept: list[tuple[int, int, int]] = []
    names: list[int] = []
    for triangle, name in zip(triangles.tolist(), label.tolist(), strict=True):
        if (side[triangle] <= 0).all():
            continue
        polygon: list[int] = []
        for a, b in zip(triangle, triangle[1:] + triangle[:1], strict=True):
            if side[a] >= 0:
                polygon.append(vertex(a, a))
            if side[a] * side[b] < 0:
                polygon.append(vertex(a, b))
        for k in range(1, len(polygon) - 1):
            kept.append((polygon[0], polygon[k], polygon[k + 1]))
            names.append(name)
    i = np.arange(len(rows))
    p, q, w = (np.array(column) for column in zip(*rows, strict=True))
    transfer = sparse.coo_matrix(
        (np.concatenate([w, 1 - w]), (np.concatenate([i, i]), np.concatenate([p, q]))), shape=(len(rows), len(points))
    ).tocsr()
    transfer.eliminate_zeros()
    used = np.unique(np.array(kept))
    renumber = np.full(len(rows), -1, dtype=np.int64)
    renumber[used] = np.arange(len(used))
    return transfer[used], renumber[np.array(kept)], np.array(names)


def half_of(ict: IctModel, parts: dict[str, int]) -> tuple[Ints, Ints]:
    """Return triangles (T, 3) and labels (T,) of the named ICT parts with x >= 0."""
    triangles = [ict.triangles(part) for part in parts]
    label = np.concatenate([np.full(len(t), n) for t, n in zip(triangles, parts.values(), strict=True)])
    joined = np.concatenate(triangles)
    keep = (ict.mean[joined, 0] > -1e-6).all(1)
    return joined[keep], label[keep]


def compact(points: Floats, triangles: Ints) -> tuple[sparse.csr_matrix, Ints]:
    """Drop unused vertices; returns the selection (V', V) and the renumbered triangles."""
    used, flat = np.unique(triangles, return_inverse=True)
    pick = sparse.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), len(points)))
    return pick, flat.reshape(-1, 3)


def mirror_part(half: Remeshed, to_ict: sparse.csr_matrix, surface: Surface, ict: IctModel) -> Part:
    """Make the whole out of its half with x >= 0; vertices on x = 0 are shared, triangles within x = 0 dropped."""
    half = _without_fins(half)
    corners = surface.triangles[half.source]
    v = len(half.points)
    local = sparse.csr_matrix(
        (half.weights.ravel(), (np.repeat(np.arange(v), 3), corners.ravel())), shape=(v, len(surface.points))
    )
    left = (local @ to_ict).tocsr()
    flip = sparse.csr_matrix((np.ones(len(ict.mirror)), (np.arange(len(ict.mirror)), ict.mirror)))
    right = (left @ flip).tocsr()
    centre = np.abs(half.points[:, 0]) < 1e-5
    share = sparse.diags(np.where(centre, 0.5, 1.0))
    left = (share @ left + (sparse.identity(v) - share) @ right).tocsr()
    mirror = np.arange(2 * v - int(centre.sum()))
    partner = np.arange(v)
    partner[~centre] = np.arange(v, len(mirror))
    mirror[:v] = partner
    mirror[partner] = np.arange(v)
    transfer = sparse.vstack([left, right[~centre]]).tocsr()
    transfer.sum_duplicates()
    triangles = np.concatenate([half.triangles, partner[half.triangles][:, [0, 2, 1]]])
    rim = half.curve != -1
    return Part(transfer, triangles, np.tile(half.label, 2), mirror, np.concatenate([rim, rim[~centre]]))


def _without_fins(half: Remeshed) -> Remeshed:
    """Drop triangles that lie in the symmetry plane, and vertices that only they use."""
    solid = (np.abs(half.points[half.triangles, 0]) > 1e-5).any(1)
    used, flat = np.unique(half.triangles[solid], return_inverse=True)
    return Remeshed(
        half.points[used],
        flat.reshape(-1, 3),
        half.source[used],
        half.weights[used],
        half.curve[used],
        half.label[solid],
    )


def local_edge_length(surface: Surface, rounds: int = 3) -> Floats:
    """Return the square root of twice the mean triangle area about each vertex (V,), smoothed."""
    area = surface.areas()
    touch = sparse.csr_matrix(
        (np.ones(3 * len(area)), (surface.triangles.ravel(), np.repeat(np.arange(len(area)), 3))),
        shape=(len(surface.points), len(area)),
    )
    count = np.asarray(touch.sum(1)).ravel()
    mean = touch @ area / count
    for _ in range(rounds):
        mean = touch @ mean[surface.triangles].mean(1) / count
    return np.asarray(np.sqrt(2 * mean))


def skin_size(surface: Surface, ict: IctModel, target: int) -> Floats:
    """Return the wanted edge length (T,) for about ``target`` skin vertices on the whole head.

    The density follows ICT's own, which its makers placed with care, bounded below at 1.5 mm and above at 13 mm, with
    finer lids and lips, and bag and sockets coarsening away from their rims.
    """
    size = np.clip(local_edge_length(surface), 1.5, 12.0)
    skin = np.zeros(len(size), dtype=bool)
    skin[surface.triangles[surface.label == SKIN]] = True
    inside = ~skin
    rims: dict[str, Floats] = {}
    for name, label in (("lips", MOUTH_BAG), ("lids", EYE_SOCKET)):
        part = np.zeros(len(size), dtype=bool)
        part[surface.triangles[surface.label == label]] = True
        rims[name] = surface.distance(np.flatnonzero(part & skin))
    size = np.where(skin & is_ear(surface.points), 0.8 * size, size)
    size = np.where(skin, np.minimum(size, 0.65 + 0.14 * rims["lids"]), size)
    size = np.where(skin, np.minimum(size, 0.95 + 0.14 * rims["lips"]), size)
    size = np.where(inside, 0.9 + 0.6 * np.minimum(rims["lids"], rims["lips"]), size)
    size = limit_gradient(size, surface.graph(), 0.28)
    share = surface.areas()
    chosen = surface.label == SKIN
    on_triangle = size[surface.triangles].min(1)  # both sides of a rim shall want the same
    expected = 2 * (share / (np.sqrt(3) / 2 * on_triangle**2))[chosen].sum()
    return np.asarray(on_triangle * np.sqrt(expected / target))


def build_skin(ict: IctModel, target: int = 7500) -> Part:
    """Remesh skin, mouth bag and left eye socket of the half head and mirror the result."""
    triangles, label = half_of(ict, {"skin": SKIN, "mouth_socket": MOUTH_BAG, "eye_socket_left": EYE_SOCKET})
    transfer, triangles, label = cut_by_plane(ict.mean, triangles, label, NECK_POINT, NECK_NORMAL)
    surface = Surface.build(transfer @ ict.mean, triangles, label)
    edges = boundary_edges(triangles) | label_edges(triangles, label)
    curves = trace_curves(surface.points, edges, rim_corners(surface, edges))
    half = remesh(surface, curves, skin_size(surface, ict, target))
    return mirror_part(half, transfer, surface, ict)


def rim_corners(surface: Surface, edges: set[tuple[int, int]]) -> set[int]:
    """Return the outermost vertex of the lip rim and both eye corners, where feature curves must not be rounded off."""
    rims = label_edges(surface.triangles, surface.label)
    lids = np.zeros(len(surface.points), dtype=bool)
    lids[surface.triangles[surface.label == EYE_SOCKET]] = True
    vertices = np.unique(np.array(sorted(rims)))
    eye = vertices[lids[vertices]]
    mouth = vertices[~lids[vertices]]
    x = surface.points[:, 0]
    return {int(mouth[x[mouth].argmax()]), int(eye[x[eye].argmax()]), int(eye[x[eye].argmin()])}


__all__ = ["CurveSet", "Part", "build_skin", "compact", "cut_by_plane", "half_of", "mirror_part"]

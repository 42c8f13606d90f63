"""Compiled edits of a triangle mesh in place: split, collapse and flip edges, relax vertices.

A mesh is ``points`` (V, 3), ``tris`` (F, 3) with -1 in the first column of removed triangles, ``fan`` (V, MAX_VALENCE)
with ``count`` (V,), the triangles about each vertex, ``curve`` (V,), the feature curve of each vertex (-1 free, -2
corner), ``links``, a dictionary from edges to feature curves, and ``source`` (V,), the triangle of the source surface
each vertex lies in, by which ``size`` gives the wanted edge length. ``n`` and ``f`` are the counts in use.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_VALENCE = 40


@numba.njit(cache=True)
def _normal(a: Floats, b: Floats, c: Floats) -> Floats:
    return np.cross(b - a, c - a)


@numba.njit(cache=True)
def _quality(a: Floats, b: Floats, c: Floats) -> float:
    """Ratio 0..1 of area to squared edge lengths; 1 for an equilateral triangle."""
    area = np.sqrt((_normal(a, b, c) ** 2).sum())
    edges = ((a - b) ** 2).sum() + ((b - c) ** 2).sum() + ((c - a) ** 2).sum()
    return float(3.4641016151377544 * area / max(edges, 1e-300))


@numba.njit(cache=True)
def attach(fan: Ints, count: Ints, vertex: int, triangle: int) -> None:
    fan[vertex, count[vertex]] = triangle
    count[vertex] += 1


@numba.njit(cache=True)
def _detach(fan: Ints, count: Ints, vertex: int, triangle: int) -> None:
    for k in range(count[vertex]):
        if fan[vertex, k] == triangle:
            count[vertex] -= 1
            fan[vertex, k] = fan[vertex, count[vertex]]
            return


@numba.njit(cache=True)
def _sharing(a: int, b: int, tris: Ints, fan: Ints, count: Ints) -> tuple[int, int, int]:
    """Return the number of triangles on edge a-b and (up to) two of them."""
    found, first, second = 0, -1, -1
    for k in range(count[a]):
        t = fan[a, k]
        if tris[t, 0] == b or tris[t, 1] == b or tris[t, 2] == b:
            if found == 0:
                first = t
            else:
                second = t
            found += 1
    return found, first, second


@numba.njit(cache=True)
def _other(t: int, a: int, b: int, tris: Ints) -> int:
    for k in range(3):
        if tris[t, k] != a and tris[t, k] != b:
            return int(tris[t, k])
    return -1


@numba.njit(cache=True)
def _edge_curve(a: int, b: int, links: Any) -> int:
    """Return the feature curve of edge a-b, or -1."""
    key = (min(a, b) << 32) | max(a, b)
    if key in links:
        return int(links[key])
    return -1


@numba.njit(cache=True)
def set_link(a: int, b: int, curve: int, links: Any) -> None:
    links[(min(a, b) << 32) | max(a, b)] = curve


@numba.njit(cache=True)
def _drop_link(a: int, b: int, links: Any) -> None:
    del links[(min(a, b) << 32) | max(a, b)]


@numba.njit(cache=True)
def split_pass(points, tris, label, fan, count, curve, source, links, size, n, f, ratio):  # type: ignore[no-untyped-def]
    """Split edges longer than ``ratio`` times the size at their middle; returns the new counts."""
    for t in range(f):
        if tris[t, 0] < 0:
            continue
        # the longest edge only; later passes treat the others
        best, where = 0.0, -1
        for k in range(3):
            a, b = tris[t, k], tris[t, (k + 1) % 3]
            length = np.sqrt(((points[a] - points[b]) ** 2).sum())
            relative = length / (0.5 * (size[source[a]] + size[source[b]]))
            if relative > best:
                best, where = relative, k
        if best <= ratio or n + 1 >= len(points) or f + 2 >= len(tris):
            continue
        a, b = tris[t, where], tris[t, (where + 1) % 3]
        found, first, second = _sharing(a, b, tris, fan, count)
        if found > 2 or count[_other(first, a, b, tris)] + 1 >= MAX_VALENCE:
            continue
        if found == 2 and count[_other(second, a, b, tris)] + 1 >= MAX_VALENCE:
            continue
        m = n
        n += 1
        points[m] = 0.5 * (points[a] + points[b])
        source[m] = source[a]
        count[m] = 0
        line = _edge_curve(a, b, links)
        curve[m] = line
        if line >= 0:
            _drop_link(a, b, links)
            set_link(a, m, line, links)
            set_link(m, b, line, links)
        for side in range(found):
            old = first if side == 0 else second
            new = f
            f += 1
            label[new] = label[old]
            for k in range(3):
                tris[new, k] = tris[old, k]
            for k in range(3):
                if tris[old, k] == b:
                    tris[old, k] = m
                if tris[new, k] == a:
                    tris[new, k] = m
            _detach(fan, count, b, old)
            attach(fan, count, m, old)
            for k in range(3):
                attach(fan, count, tris[new, k], new)
    return n, f


@numba.njit(cache=True)
def collapse_pass(points, tris, label, fan, count, curve, source, links, size, n, f, ratio):  # type: ignore[no-untyped-def]
    """Collapse edges shorter than ``ratio`` times the size where topology, features and shape allow it."""
    for t in range(f):
        if tris[t, 0] < 0:
            continue
        for k in range(3):
            a, b = tris[t, k], tris[t, (k + 1) % 3]
            length = np.sqrt(((points[a] - points[b]) ** 2).sum())
            if length >= ratio * 0.5 * (size[source[a]] + size[source[b]]):
                c = tris[t, (k + 2) % 3]  # shortest edges of slivers go as well
                second_side = ((points[b] - points[c]) ** 2).sum()
                third_side = ((points[c] - points[a]) ** 2).sum()
                if length**2 > min(second_side, third_side) or _quality(points[a], points[b], points[c]) > 0.2:
                    continue
            line = _edge_curve(a, b, links)
            keep_a = curve[a] == -2 or (curve[a] >= 0 and line != curve[a])
            if keep_a:  # try the other way round
                a, b = b, a
                if curve[a] == -2 or (curve[a] >= 0 and line != curve[a]):
                    continue
            found, first, second = _sharing(a, b, tris, fan, count)
            if found > 2 or found == 0 or (found == 1 and line < 0):
                continue
            # link condition: a and b share exactly the apexes of their triangles as neighbours
            shared = 0
            for i in range(count[a]):
                for j in range(3):
                    v = tris[fan[a, i], j]
                    if v in (a, b):
                        continue
                    seen = False
                    for i2 in range(i):
                        for j2 in range(3):
                            if tris[fan[a, i2], j2] == v:
                                seen = True
                    if not seen and _sharing(v, b, tris, fan, count)[0] > 0:
                        shared += 1
            if shared != found or count[a] + count[b] - 2 * found >= MAX_VALENCE - 1:
                continue
            target = points[b].copy()
            if curve[a] == -1 and curve[b] == -1:
                target = 0.5 * (points[a] + points[b])
            # slivers have no reliable normal, and any change that leaves no worse sliver is welcome
            worst = 1.0
            for which in range(2):
                v = a if which == 0 else b
                for i in range(count[v]):
                    s = fan[v, i]
                    worst = min(worst, _quality(points[tris[s, 0]], points[tris[s, 1]], points[tris[s, 2]]))
            good = True
            for which in range(2):
                v, w = (a, b) if which == 0 else (b, a)
                for i in range(count[v]):
                    s = fan[v, i]
                    if s in (first, second):
                        continue
                    p, q = points[tris[s, 0]].copy(), points[tris[s, 1]].copy()
                    r = points[tris[s, 2]].copy()
                    before = _normal(p, q, r)
                    sliver = _quality(p, q, r) < 0.2
                    if tris[s, 0] == v:
                        p = target
                    elif tris[s, 1] == v:
                        q = target
                    else:
                        r = target
                    after = _normal(p, q, r)
                    cosine = (before * after).sum() / max(np.sqrt((before**2).sum() * (after**2).sum()), 1e-300)
                    if (cosine < 0.6 and not sliver) or _quality(p, q, r) < min(0.15, worst + 1e-6):
                        good = False
                    for j in range(3):
                        u = tris[s, j]
                        if u != v and u != w:
                            far = np.sqrt(((points[u] - target) ** 2).sum())
                            if far > (1.45 if worst > 0.15 else 3.0) * 0.5 * (size[source[u]] + size[source[b]]):
                                good = False
            if not good:
                continue
            if line >= 0:
                _drop_link(a, b, links)
            for i in range(count[a]):  # hand a's other feature edge to b
                s = fan[a, i]
                for j in range(3):
                    v = tris[s, j]
                    if v != a and v != b:
                        other = _edge_curve(a, v, links)
                        if other >= 0:
                            _drop_link(a, v, links)
                            set_link(b, v, other, links)
            points[b] = target
            for side in range(found):
                s = first if side == 0 else second
                for j in range(3):
                    _detach(fan, count, tris[s, j], s)
                tris[s, 0] = -1
            for i in range(count[a]):
                s = fan[a, i]
                for j in range(3):
                    if tris[s, j] == a:
                        tris[s, j] = b
                attach(fan, count, b, s)
            count[a] = 0
            break


@numba.njit(cache=True)
def flip_pass(points, tris, label, fan, count, curve, links, n, f):  # type: ignore[no-untyped-def]
    """Flip edges when that makes the worse of the two triangles better shaped and keeps the surface."""
    flips = 0
    for t in range(f):
        if tris[t, 0] < 0:
            continue
        for k in range(3):
            a, b = tris[t, k], tris[t, (k + 1) % 3]
            if _edge_curve(a, b, links) >= 0:
                continue
            found, first, second = _sharing(a, b, tris, fan, count)
            if found != 2 or label[first] != label[second]:
                continue
            other = second if first == t else first
            c, d = tris[t, (k + 2) % 3], _other(other, a, b, tris)
            if c == d or _sharing(c, d, tris, fan, count)[0] > 0:
                continue
            if count[c] + 1 >= MAX_VALENCE or count[d] + 1 >= MAX_VALENCE:
                continue
            n1, n2 = _normal(points[a], points[b], points[c]), _normal(points[b], points[a], points[d])
            m1, m2 = _normal(points[a], points[d], points[c]), _normal(points[d], points[b], points[c])
            mean = n1 + n2
            scale = np.sqrt((mean**2).sum())
            old = min(_quality(points[a], points[b], points[c]), _quality(points[b], points[a], points[d]))
            new = min(_quality(points[a], points[d], points[c]), _quality(points[d], points[b], points[c]))
            limit = 0.7 if old > 0.2 else 0.2
            if (m1 * mean).sum() < limit * scale * np.sqrt((m1**2).sum()):
                continue
            if (m2 * mean).sum() < limit * scale * np.sqrt((m2**2).sum()):
                continue
            old_bend = (n1 * n2).sum() / max(np.sqrt((n1**2).sum() * (n2**2).sum()), 1e-300)
            new_bend = (m1 * m2).sum() / max(np.sqrt((m1**2).sum() * (m2**2).sum()), 1e-300)
            if new <= old * 1.02 or (new_bend < old_bend - 0.15 and old > 0.3):
                continue
            _detach(fan, count, b, t)
            _detach(fan, count, a, other)
            tris[t, 0], tris[t, 1], tris[t, 2] = a, d, c
            tris[other, 0], tris[other, 1], tris[other, 2] = d, b, c
            attach(fan, count, d, t)
            attach(fan, count, c, other)
            flips += 1
            break
    return flips


@numba.njit(cache=True)
def relax(points, tris, fan, count, curve, source, size, n, strength):  # type: ignore[no-untyped-def]
    """Move free vertices towards the size-weighted centroid of their fan, in the tangent plane."""
    moved = points.copy()
    for v in range(n):
        if count[v] == 0 or curve[v] != -1:
            continue
        centre, normal, total = np.zeros(3), np.zeros(3), 0.0
        for i in range(count[v]):
            t = fan[v, i]
            p, q, r = points[tris[t, 0]], points[tris[t, 1]], points[tris[t, 2]]
            area_vector = _normal(p, q, r)
            local = (size[source[tris[t, 0]]] + size[source[tris[t, 1]]] + size[source[tris[t, 2]]]) / 3
            weight = np.sqrt((area_vector**2).sum()) / local**2
            centre += weight * (p + q + r) / 3
            total += weight
            normal += area_vector
        normal /= max(np.sqrt((normal**2).sum()), 1e-300)
        step = centre / total - points[v]
        moved[v] = points[v] + strength * (step - (step * normal).sum() * normal)
    return moved


@numba.njit(cache=True)
def pull_off_rims(points, tris, fan, count, curve, n):  # type: ignore[no-untyped-def]
    """Move free vertices of slivers, which lie on a rim, half way to their free neighbours."""
    moved = points.copy()
    for v in range(n):
        if count[v] == 0 or curve[v] != -1:
            continue
        worst, centre, total = 1.0, np.zeros(3), 0
        for i in range(count[v]):
            t = fan[v, i]
            worst = min(worst, _quality(points[tris[t, 0]], points[tris[t, 1]], points[tris[t, 2]]))
            for k in range(3):
                other = tris[t, k]
                if other != v and curve[other] == -1:
                    centre += points[other]
                    total += 1
        if worst < 0.2 and total > 0:
            moved[v] = 0.5 * (points[v] + centre / total)
    points[:n] = moved[:n]

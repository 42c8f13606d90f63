"""Small charts of eyes, mouth and teeth, and the packing of the atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.atlas import MARGIN, STRIP, Chart, boundary_loop, embed, fill_holes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOOTH_WIDTHS = (0.028, 0.028, 0.030, 0.030, 0.036, 0.042, 0.042)
"""Cell widths of the teeth, second molar to central incisor; a row holds them twice."""


def disc_chart(points: Floats, triangles: Ints) -> Chart:
    """Unwrap a piece with at least one boundary into the unit disc: its longest boundary becomes the circle."""
    vertex, flat = np.unique(triangles, return_inverse=True)
    local = flat.reshape(-1, 3)
    place = points[vertex]
    loops = boundary_loop(local)
    length = [float(np.linalg.norm(place[loop] - np.roll(place[loop], 1, axis=0), axis=1).sum()) for loop in loops]
    outer = loops[int(np.argmax(length))]
    holes = [loop for loop in loops if loop is not outer]
    filled = fill_holes(local, holes, len(vertex))
    centres = np.array([place[loop].mean(0) for loop in holes]).reshape(-1, 3)
    # start where the boundary crosses the middle nearest the top, so that mirrored pieces look alike
    start = int(np.lexsort((np.abs(place[outer, 0]).round(4), -place[outer, 1].round(3)))[0])
    outer = np.roll(outer, -start)
    ring = place[outer]
    steps = np.linalg.norm(np.diff(np.concatenate([ring, ring[:1]]), axis=0), axis=1)
    turn = 2 * np.pi * np.concatenate([[0.0], np.cumsum(steps)])[:-1] / steps.sum()
    outline = np.stack([-np.sin(turn), np.cos(turn)], axis=1)
    everything = np.concatenate([place, centres])
    uv = embed(everything, filled, outer, outline, np.ones(len(filled)), None)
    return Chart(uv[: len(vertex)], vertex, local)


def pack(
    skin: Chart, eyes: tuple[Chart, Chart], sockets: tuple[Chart, Chart], bag: Chart, gums: Chart, teeth: list[Chart]
) -> list[Chart]:
    """Place all charts, each within [-1, 1]², in the atlas [0, 1]²; returns them in the order given.

    The skin fills everything above the strip. In the strip, from the sides inwards: eyeballs, mouth bag (left) and
    gums (right), two rows of teeth in the middle, sockets below the teeth.
    """
    top = 1 - STRIP
    placed = [_place(skin, 0.5, STRIP + top / 2, 0.5 - MARGIN, top / 2 - MARGIN)]
    r = STRIP / 2 - MARGIN
    y = STRIP / 2
    # the subject's right eye lies at the left, as in a picture of the face
    placed += [_place(eyes[0], 1 - STRIP / 2, y, r, r), _place(eyes[1], STRIP / 2, y, r, r)]
    small = STRIP / 4 - MARGIN / 2
    placed += [_place(sockets[0], 0.5 + STRIP / 4, STRIP / 4, small, small)]
    placed += [_place(sockets[1], 0.5 - STRIP / 4, STRIP / 4, small, small)]
    placed += [_place(bag, 1.5 * STRIP, y, r, r), _place(gums, 1 - 1.5 * STRIP, y, r, r)]
    widths = [*TOOTH_WIDTHS, *TOOTH_WIDTHS[::-1]]
    centres = 0.5 + np.cumsum(widths) - np.array(widths) / 2 - sum(widths) / 2
    height = STRIP / 4
    for row, y in ((0, STRIP - height / 2), (1, STRIP - 1.5 * height)):
        for k in range(14):
            radius = min(widths[k], height) / 2 - MARGIN / 4
            placed.append(_place(teeth[14 * row + k], float(centres[k]), y, radius, radius))
    return placed


def _place(chart: Chart, x: float, y: float, half_width: float, half_height: float) -> Chart:
    return Chart(chart.uv * [half_width, half_height] + [x, y], chart.vertex, chart.triangles)


def merge(charts: list[Chart], triangles: Ints, vertices: int) -> tuple[Floats, Ints]:
    """Join charts to one atlas.

    Parameters
    ----------
    charts : list of Chart
        Together they hold every triangle of the mesh once, corners in the same order.
    triangles : (F, 3) int
        The mesh.
    vertices : int
        Number of vertices of the mesh.

    Returns
    -------
    uv : (U, 2) float
    uv_triangles : (F, 3) int
    """
    uv = np.concatenate([chart.uv for chart in charts])
    offsets = np.cumsum([0, *(len(chart.uv) for chart in charts)])
    vertex = np.concatenate([chart.vertex for chart in charts])
    flat = np.concatenate([chart.triangles + o for chart, o in zip(charts, offsets, strict=False)])
    key = _row_key(vertex[flat], vertices)
    wanted = _row_key(triangles, vertices)
    order = np.argsort(key)
    found = order[np.searchsorted(key, wanted, sorter=order)]
    if len(flat) != len(triangles) or not (key[found] == wanted).all():
        raise ValueError("the charts do not hold every triangle exactly once")
    return uv, flat[found]


def _row_key(rows: Ints, count: int) -> Ints:
    return (rows[:, 0] * count + rows[:, 1]) * count + rows[:, 2]

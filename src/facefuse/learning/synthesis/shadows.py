"""Shadow maps: what each lamp sees, and how much of a lamp's light gets to a point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .lighting import Light
from .meshes import Floats

Array = Any

_SIDE = 192


def shadow_maps(seen: Floats, triangles: NDArray[np.int32], closed: int, light: Light) -> tuple[Floats, Floats]:
    """Depth from every lamp (L, D, D) and how to look it up (L, 5, 3); see `lit`.

    The first ``closed`` triangles are never lit from behind.
    """
    maps = np.full((len(light.direction), _SIDE, _SIDE), np.inf, np.float32)
    frames = np.zeros((len(light.direction), 5, 3), np.float32)
    turned = np.empty_like(seen)
    for n, direction in enumerate(light.direction):
        across = np.cross(direction, [0.1, 1.0, 0.2] if abs(direction[1]) < 0.9 else [1.0, 0.1, 0.2])
        across /= np.linalg.norm(across)
        frames[n, :3] = across, np.cross(direction, across), -direction
        _cast(seen, triangles, closed, frames[n], turned, maps[n])
        scale, softness = float(frames[n, 3, 0]), float(light.softness[n])
        # taps far off need more slack
        frames[n, 3, 1:] = 2.0 + 0.8 * softness, max(softness * scale * 0.5, 0.5)
    return maps, frames


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _cast(points: Array, triangles: Array, closed: int, frame: Array, turned: Array, depth: Array) -> None:
    """Depth (D, D) of a mesh (V, 3) along the third of the axes in ``frame``, whose scale and offset are written.

    ``turned`` (V, 3) is room to work in.
    """
    side = depth.shape[0]
    low_x, high_x, low_y, high_y = np.float32(1e9), np.float32(-1e9), np.float32(1e9), np.float32(-1e9)
    for v in range(points.shape[0]):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        across = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z
        down = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z
        turned[v, 0], turned[v, 1] = across, down
        turned[v, 2] = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
        low_x, high_x = min(low_x, across), max(high_x, across)
        low_y, high_y = min(low_y, down), max(high_y, down)
    scale = np.float32(side - 2) / max(high_x - low_x, high_y - low_y)
    left, top = np.float32(0.5) - low_x * scale, np.float32(0.5) - low_y * scale
    frame[3, 0], frame[4, 0], frame[4, 1] = scale, left, top
    one = np.float32(1.0)
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = turned[i, 0] * scale + left, turned[i, 1] * scale + top
        bx, by = turned[j, 0] * scale + left, turned[j, 1] * scale + top
        cx, cy = turned[k, 0] * scale + left, turned[k, 1] * scale + top
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if (f < closed and area < 0) or abs(area) < np.float32(1e-9):
            continue
        # nothing lies before the map's first pixel, so that cutting off the fraction rounds down
        x0, x1 = int(min(ax, bx, cx)) + 1, min(int(max(ax, bx, cx)), side - 1)
        y0, y1 = int(min(ay, by, cy)) + 1, min(int(max(ay, by, cy)), side - 1)
        if x0 > x1 or y0 > y1:
            continue
        scale_a = one / area
        za, rise_b, rise_c = turned[i, 2], turned[j, 2] - turned[i, 2], turned[k, 2] - turned[i, 2]
        for row in range(y0, y1 + 1):
            for col in range(x0, x1 + 1):
                px, py = np.float32(col) - ax, np.float32(row) - ay
                wb = (px * (cy - ay) - py * (cx - ax)) * scale_a
                wc = (py * (bx - ax) - px * (by - ay)) * scale_a
                if min(wb, wc, one - wb - wc) >= 0:
                    depth[row, col] = min(depth[row, col], za + wb * rise_b + wc * rise_c)


@njit(inline="always")
def lit(shadow, frame, x, y, z, turn):  # type: ignore[no-untyped-def]
    """Share of a directional light, 0-1, that reaches a point in the camera frame.

    ``frame`` (5, 3) holds two axes of the shadow map, the direction of travel, (scale, slack, softness), and the
    pixel of the map at which the camera lies.
    """
    last, zero, half = np.float32(shadow.shape[0] - 1), np.float32(0.0), np.float32(0.5)
    scale, soft = frame[3, 0], frame[3, 2]
    u = (x * frame[0, 0] + y * frame[0, 1] + z * frame[0, 2]) * scale + frame[4, 0] + half
    v = (x * frame[1, 0] + y * frame[1, 1] + z * frame[1, 2]) * scale + frame[4, 1] + half
    d = x * frame[2, 0] + y * frame[2, 1] + z * frame[2, 2] - frame[3, 1]
    # four taps, turned about by a pattern of pixels that the final averaging smooths
    spread = np.float32((turn >> 1) & 3) * np.float32(0.25)
    du, dv = soft * (np.float32(0.3) + np.float32(0.7) * spread), soft * (np.float32(0.9) - spread)
    total = zero
    for _tap in range(4):
        col, row = int(min(max(u + du, zero), last)), int(min(max(v + dv, zero), last))
        if d <= shadow[row, col]:
            total += np.float32(0.25)
        du, dv = -dv, du
    return total

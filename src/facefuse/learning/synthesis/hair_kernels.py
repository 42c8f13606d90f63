"""The compiled loop that draws hair: triangles of sheets, most of whose pixels are gaps between strands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .kernels import irradiance, noise2
from .shading import HAIR, TILE
from .shadows import lit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def hair_nodes(normals: Array, tangents: Array, rotation: Array, ambient: Array, out: Array) -> None:
    """What shading needs of the nodes (N, 3) of a sheet, side by side in memory.

    Normals and tangents turned into the camera frame by ``rotation`` (3, 3), and the irradiance of the ambient light
    (9, 3) on the outside and on the lining: out (N, 12).
    """
    for n in range(normals.shape[0]):
        for c in range(3):
            out[n, c] = rotation[c, 0] * normals[n, 0] + rotation[c, 1] * normals[n, 1] + rotation[c, 2] * normals[n, 2]
            out[n, 3 + c] = (
                rotation[c, 0] * tangents[n, 0] + rotation[c, 1] * tangents[n, 1] + rotation[c, 2] * tangents[n, 2]
            )
        x, y, z = out[n, 0], out[n, 1], out[n, 2]
        for c in range(3):
            out[n, 6 + c] = max(irradiance(ambient, c, x, y, z), np.float32(0.0))
            out[n, 9 + c] = max(irradiance(ambient, c, -x, -y, -z), np.float32(0.0))


@njit(inline="always")
def _inside(low, high, weight, step, inverse):  # type: ignore[no-untyped-def]
    """Cut the range of columns ``low`` to ``high`` down to where ``weight + step * column`` is positive."""
    edge = -weight * inverse
    return max(low, edge) if step >= 0 else low, high if step >= 0 else min(high, edge)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def draw_hair(
    screen: Array,
    seen: Array,
    nodes: Array,
    coordinates: Array,
    reach: Array,
    triangles: Array,
    seed: float,
    colour: Array,
    shine: float,
    sun: Array,
    shadow: Array,
    frame: Array,
    tiles: Array,
    depth: Array,
    cover: Array,
    picture: Array,
) -> None:
    """Draw all sheets, outermost first, where they are in front of what is there.

    Parameters
    ----------
    screen : (S, N, 3) float64
        Pixels and depth.
    seen : (S, N, 3)
        Camera frame.
    nodes : (N, 12)
        See `hair_nodes`.
    coordinates : (N, 2)
        Noise coordinates across and along the strands.
    reach : (N,)
        See `Hair`.
    triangles : (F, 3) int32
        Of a sheet.
    seed, colour, shine
        See `Hair`.
    sun, shadow, frame
        See `shade`.
    tiles : (H / TILE, W / TILE)
        Greatest depth in each tile of the picture; see `resolve`.
    depth : (H, W)
        Read and written.
    cover : (H, W) uint8
        `HAIR` is written where hair is drawn.
    picture : (H, W, 3)
        Written.
    """
    height, width = depth.shape
    sheets = screen.shape[0]
    one, zero, reach_out = np.float32(1.0), np.float32(0.0), np.float32(14.0)
    seed, shine = np.float32(seed), np.float32(shine)
    for turn in range(2 * sheets):
        away, s = turn >= sheets, turn % sheets  # the sides towards the eye first: they hide most of the others
        level = 1.0 - s / max(sheets - 1, 1)  # height of the sheet: fewer strands reach further out
        gap = np.float32(0.10 + 0.40 * level * level)
        deep = np.float32(0.30 + 0.70 * level)
        for f in range(triangles.shape[0]):
            i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            ax, ay = screen[s, i, 0], screen[s, i, 1]
            bx, by = screen[s, j, 0], screen[s, j, 1]
            cx, cy = screen[s, k, 0], screen[s, k, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if (area > 0) != away or abs(area) < 1e-9 or max(reach[i], reach[j], reach[k]) <= 0:
                continue
            za, zb, zc = seen[s, i, 2], seen[s, j, 2], seen[s, k, 2]
            nearest = min(za, zb, zc)
            if nearest < 20.0:
                continue
            x0, x1 = max(math.ceil(min(ax, bx, cx)), 0), min(math.floor(max(ax, bx, cx)), width - 1)
            y0, y1 = max(math.ceil(min(ay, by, cy)), 0), min(math.floor(max(ay, by, cy)), height - 1)
            if x0 > x1 or y0 > y1:
                continue
            furthest = np.float32(0.0)
            for row in range(y0 // TILE, y1 // TILE + 1):
                for col in range(x0 // TILE, x1 // TILE + 1):
                    furthest = max(furthest, tiles[row, col])
            if nearest >= furthest:
                continue
            one_over = 1.0 / area
            step_a, step_b = np.float32((by - cy) * one_over), np.float32((cy - ay) * one_over)
            step_c = -step_a - step_b
            down_a, down_b = np.float32((cx - bx) * one_over), np.float32((ax - cx) * one_over)
            # a weight that does not change along a row counts as rising very slowly
            inverse_a = one / (step_a if step_a != 0 else np.float32(1e-12))
            inverse_b = one / (step_b if step_b != 0 else np.float32(1e-12))
            inverse_c = one / (step_c if step_c != 0 else np.float32(1e-12))
            rise = step_a * za + step_b * zb + step_c * zc
            start_a = np.float32(((cx - bx) * (y0 - by) - (cy - by) * (x0 - bx)) * one_over) - down_a
            start_b = np.float32(((ax - cx) * (y0 - cy) - (ay - cy) * (x0 - cx)) * one_over) - down_b
            low = min(coordinates[i, 0], coordinates[j, 0], coordinates[k, 0])
            high = max(coordinates[i, 0], coordinates[j, 0], coordinates[k, 0])
            seam = high - low > np.float32(90.0)  # where the angle about the head starts anew
            for row in range(y0, y1 + 1):
                start_a, start_b = start_a + down_a, start_b + down_b
                start_c = one - start_a - start_b
                first, last = _inside(zero, np.float32(x1 - x0), start_a, step_a, inverse_a)
                first, last = _inside(first, last, start_b, step_b, inverse_b)
                first, last = _inside(first, last, start_c, step_c, inverse_c)
                start = start_a * za + start_b * zb + start_c * zc
                for col in range(x0 + int(np.ceil(first)), x0 + int(np.floor(last)) + 1):
                    right = np.float32(col - x0)
                    # hair is small against its distance: affine weights do
                    z = start + right * rise
                    if z >= depth[row, col]:
                        continue
                    wa, wb = start_a + right * step_a, start_b + right * step_b
                    wc = one - wa - wb
                    full = wa * reach[i] + wb * reach[j] + wc * reach[k]
                    least = gap + (one - min(full, one)) * np.float32(0.62)
                    if least >= one:
                        continue
                    u = wa * coordinates[i, 0] + wb * coordinates[j, 0] + wc * coordinates[k, 0]
                    v = wa * coordinates[i, 1] + wb * coordinates[j, 1] + wc * coordinates[k, 1] + seed
                    if seam:
                        u = low
                    tuft = noise2(u * np.float32(0.17) + np.float32(31.0), v * np.float32(0.6))
                    strand = noise2(u + np.float32(1.5) * tuft, v * np.float32(0.35))
                    filled = strand * np.float32(0.62) + tuft * np.float32(0.38)
                    if filled < least:
                        continue
                    nx = wa * nodes[i, 0] + wb * nodes[j, 0] + wc * nodes[k, 0]
                    ny = wa * nodes[i, 1] + wb * nodes[j, 1] + wc * nodes[k, 1]
                    nz = wa * nodes[i, 2] + wb * nodes[j, 2] + wc * nodes[k, 2]
                    x = wa * seen[s, i, 0] + wb * seen[s, j, 0] + wc * seen[s, k, 0]
                    y = wa * seen[s, i, 1] + wb * seen[s, j, 1] + wc * seen[s, k, 1]
                    size = one / math.sqrt(x * x + y * y + z * z)
                    vx, vy, vz = -x * size, -y * size, -z * size
                    inner, side = one, 6
                    if nx * vx + ny * vy + nz * vz < 0:  # the lining: seen through the face's opening
                        nx, ny, nz = -nx, -ny, -nz
                        inner, side = np.float32(0.45), 9
                    tilt = (strand - np.float32(0.5)) * np.float32(0.9)
                    tx = wa * nodes[i, 3] + wb * nodes[j, 3] + wc * nodes[k, 3] + tilt * nx
                    ty = wa * nodes[i, 4] + wb * nodes[j, 4] + wc * nodes[k, 4] + tilt * ny
                    tz = wa * nodes[i, 5] + wb * nodes[j, 5] + wc * nodes[k, 5] + tilt * nz
                    size = one / (math.sqrt(tx * tx + ty * ty + tz * tz) + np.float32(1e-6))
                    tx, ty, tz = tx * size, ty * size, tz * size
                    shade_of = deep * inner * (np.float32(0.45) + np.float32(0.75) * strand + np.float32(0.3) * tuft)
                    for c in range(3):
                        around = wa * nodes[i, side + c] + wb * nodes[j, side + c] + wc * nodes[k, side + c]
                        picture[row, col, c] = around * shade_of * (colour[c] + np.float32(0.012) * shine)
                    for n in range(sun.shape[0]):
                        lx, ly, lz = sun[n, 0], sun[n, 1], sun[n, 2]
                        ndl = nx * lx + ny * ly + nz * lz
                        open_ = min(max(ndl * np.float32(0.8) + np.float32(0.35), zero), one)
                        if open_ <= 0:
                            continue
                        above = x + reach_out * nx, y + reach_out * ny, z + reach_out * nz
                        open_ *= lit(shadow[n], frame[n], above[0], above[1], above[2], row + col) * inner
                        if open_ <= 0:
                            continue
                        # Kajiya & Kay, "Rendering fur with three dimensional textures", SIGGRAPH 1989
                        tl = tx * lx + ty * ly + tz * lz
                        diffuse = math.sqrt(max(one - tl * tl, zero)) * open_
                        hx, hy, hz = lx + vx, ly + vy, lz + vz
                        size = one / (math.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6))
                        th = (tx * hx + ty * hy + tz * hz) * size
                        lobe = max(one - th * th, zero)
                        for _ in range(4):
                            lobe *= lobe
                        lobe = lobe * lobe * open_ * shine
                        for c in range(3):
                            glint = lobe * (np.float32(0.035) + np.float32(0.35) * colour[c])
                            picture[row, col, c] += sun[n, 3 + c] * (shade_of * colour[c] * diffuse + glint * deep)
                    depth[row, col] = z
                    cover[row, col] = HAIR

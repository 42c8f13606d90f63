"""The compiled loop that draws hair: triangles of sheets, most of whose pixels are gaps between strands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .kernels import irradiance, lit, noise2

Array = Any


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def draw_hair(
    screen: Array,
    seen: Array,
    normals: Array,
    tangents: Array,
    coordinates: Array,
    reach: Array,
    triangles: Array,
    level: float,
    seed: float,
    colour: Array,
    shine: float,
    ambient: Array,
    sun: Array,
    shadow: Array,
    frame: Array,
    depth: Array,
    label: Array,
    name: int,
    picture: Array,
) -> None:
    """Draw one sheet where it is in front of what is there.

    Parameters
    ----------
    screen : (V, 3) float64
        Pixels and depth.
    seen, normals, tangents : (V, 3)
        Camera frame.
    coordinates : (V, 2)
        Noise coordinates across and along the strands.
    reach : (V,)
        See `Hair`.
    triangles : (F, 3) int32
    level : float
        Height of this sheet, 0 at the scalp, 1 outermost: fewer strands reach further out.
    seed, colour, shine
        See `Hair`.
    ambient, sun, shadow, frame
        See `kernels.shade`.
    depth : (H, W)
        Read and written.
    label : (H, W) uint8
        ``name`` is written where hair is drawn.
    picture : (H, W, 3)
        Written.
    """
    height, width = depth.shape
    one, zero, reach_out = np.float32(1.0), np.float32(0.0), np.float32(14.0)
    gap = np.float32(0.10 + 0.40 * level * level)
    deep = np.float32(0.30 + 0.70 * level)
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        if max(reach[i], reach[j], reach[k]) <= 0:
            continue
        if min(screen[i, 2], screen[j, 2], screen[k, 2]) < 20.0:
            continue
        ax, ay = screen[i, 0], screen[i, 1]
        bx, by = screen[j, 0], screen[j, 1]
        cx, cy = screen[k, 0], screen[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        x0, x1 = max(math.ceil(min(ax, bx, cx)), 0), min(math.floor(max(ax, bx, cx)), width - 1)
        y0, y1 = max(math.ceil(min(ay, by, cy)), 0), min(math.floor(max(ay, by, cy)), height - 1)
        scale = 1.0 / area
        step_a, step_b = np.float32((by - cy) * scale), np.float32((cy - ay) * scale)
        za, zb, zc = seen[i, 2], seen[j, 2], seen[k, 2]
        low = min(coordinates[i, 0], coordinates[j, 0], coordinates[k, 0])
        high = max(coordinates[i, 0], coordinates[j, 0], coordinates[k, 0])
        seam = high - low > np.float32(90.0)  # where the angle about the head starts anew
        for row in range(y0, y1 + 1):
            start_a = np.float32(((cx - bx) * (row - by) - (cy - by) * (x0 - bx)) * scale)
            start_b = np.float32(((ax - cx) * (row - cy) - (ay - cy) * (x0 - cx)) * scale)
            for col in range(x0, x1 + 1):
                wa = start_a + step_a * np.float32(col - x0)
                wb = start_b + step_b * np.float32(col - x0)
                wc = one - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                # hair is small against its distance: affine weights do
                z = wa * za + wb * zb + wc * zc
                if z >= depth[row, col]:
                    continue
                full = wa * reach[i] + wb * reach[j] + wc * reach[k]
                u = wa * coordinates[i, 0] + wb * coordinates[j, 0] + wc * coordinates[k, 0]
                v = wa * coordinates[i, 1] + wb * coordinates[j, 1] + wc * coordinates[k, 1] + np.float32(seed)
                if seam:
                    u = low
                tuft = noise2(u * np.float32(0.17) + np.float32(31.0), v * np.float32(0.6))
                strand = noise2(u + np.float32(1.5) * tuft, v * np.float32(0.35))
                if strand * np.float32(0.62) + tuft * np.float32(0.38) < gap + (one - min(full, one)) * np.float32(
                    0.62
                ):
                    continue
                nx = wa * normals[i, 0] + wb * normals[j, 0] + wc * normals[k, 0]
                ny = wa * normals[i, 1] + wb * normals[j, 1] + wc * normals[k, 1]
                nz = wa * normals[i, 2] + wb * normals[j, 2] + wc * normals[k, 2]
                x = wa * seen[i, 0] + wb * seen[j, 0] + wc * seen[k, 0]
                y = wa * seen[i, 1] + wb * seen[j, 1] + wc * seen[k, 1]
                size = one / math.sqrt(x * x + y * y + z * z)
                vx, vy, vz = -x * size, -y * size, -z * size
                inner = one
                if nx * vx + ny * vy + nz * vz < 0:  # the lining: seen through the face's opening
                    nx, ny, nz = -nx, -ny, -nz
                    inner = np.float32(0.45)
                tilt = (strand - np.float32(0.5)) * np.float32(0.9)
                tx = wa * tangents[i, 0] + wb * tangents[j, 0] + wc * tangents[k, 0] + tilt * nx
                ty = wa * tangents[i, 1] + wb * tangents[j, 1] + wc * tangents[k, 1] + tilt * ny
                tz = wa * tangents[i, 2] + wb * tangents[j, 2] + wc * tangents[k, 2] + tilt * nz
                size = one / (math.sqrt(tx * tx + ty * ty + tz * tz) + np.float32(1e-6))
                tx, ty, tz = tx * size, ty * size, tz * size
                shade_of = deep * inner * (np.float32(0.45) + np.float32(0.75) * strand + np.float32(0.3) * tuft)
                for c in range(3):
                    around = max(irradiance(ambient, c, nx, ny, nz), zero)
                    picture[row, col, c] = around * shade_of * (colour[c] + np.float32(0.012) * np.float32(shine))
                for n in range(sun.shape[0]):
                    lx, ly, lz = sun[n, 0], sun[n, 1], sun[n, 2]
                    ndl = nx * lx + ny * ly + nz * lz
                    open_ = min(max(ndl * np.float32(0.8) + np.float32(0.35), zero), one)
                    if open_ <= 0:
                        continue
                    open_ *= (
                        lit(shadow[n], frame[n], x + reach_out * nx, y + reach_out * ny, z + reach_out * nz, row + col)
                        * inner
                    )
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
                    lobe = lobe * lobe * open_ * np.float32(shine)
                    for c in range(3):
                        glint = lobe * (np.float32(0.035) + np.float32(0.35) * colour[c])
                        picture[row, col, c] += sun[n, 3 + c] * (shade_of * colour[c] * diffuse + glint * deep)
                depth[row, col] = z
                label[row, col] = name

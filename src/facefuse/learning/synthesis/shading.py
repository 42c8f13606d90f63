"""The compiled loops that turn what is seen in four fine pixels into the colour and the truth of a final one.

Arrays are contiguous float32 unless stated otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .kernels import CLOTH, EYE, MOUTH, SKIN, irradiance, noise2
from .shadows import lit

Array = Any

BARE, HAIR, DARK_LENS, LENS = 0, 1, 2, 3
"""What covers the solid surface of a fine pixel."""
TILE = 8
"""Side of the tiles of `resolve`, fine pixels."""


@njit(cache=True, nogil=True, error_model="numpy")
def resolve(keys: Array, index: Array, depth: Array, tiles: Array) -> None:
    """Turn the rasteriser's keys into triangles and depth.

    Parameters
    ----------
    keys : ((H + 1) (W + 1)) int64
        See `facefuse.rendering.kernels.raster_keys`, perspective.
    index : (H, W) int32
        Written: triangle, -1 where there is none.
    depth : (H, W)
        Written: inf where there is none.
    tiles : (ceil(H / TILE), ceil(W / TILE))
        Written: the greatest depth in each tile.
    """
    height, width = index.shape
    tiles[:] = 0.0
    for row in range(height):
        for col in range(width):
            key = keys[row * (width + 1) + col]
            z = np.float32(np.inf)
            index[row, col] = -1
            if key != 0:
                index[row, col] = np.uint32(0xFFFFFFFF) - np.uint32(key & 0xFFFFFFFF)
                z = np.float32(1.0) / np.int32(key >> 32).view(np.float32)
            depth[row, col] = z
            tiles[row // TILE, col // TILE] = max(tiles[row // TILE, col // TILE], z)


@njit(inline="always")
def _texel(skin, tu, tv, channel):  # type: ignore[no-untyped-def]
    """Bilinear sample of a texture (S, S, 3)."""
    size = skin.shape[0]
    zero, half = np.float32(0.0), np.float32(0.5)
    x = min(max(tu * np.float32(size) - half, zero), np.float32(size - 1.001))
    y = min(max((np.float32(1.0) - tv) * np.float32(size) - half, zero), np.float32(size - 1.001))
    col, row = int(x), int(y)
    u, v = x - np.float32(col), y - np.float32(row)
    top = skin[row, col, channel] + (skin[row, col + 1, channel] - skin[row, col, channel]) * u
    low = skin[row + 1, col, channel] + (skin[row + 1, col + 1, channel] - skin[row + 1, col, channel]) * u
    return top + (low - top) * v


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def shade(
    index: Array,
    planes: Array,
    depth: Array,
    cover: Array,
    hair: Array,
    triangles: Array,
    uv_triangles: Array,
    attributes: Array,
    uv: Array,
    material: Array,
    table: Array,
    skin: Array,
    cloth: Array,
    eye: Array,
    ambient: Array,
    sun: Array,
    shadow: Array,
    frame: Array,
    lens: Array,
    pinhole: Array,
    behind: Array,
    linear: Array,
    out: Array,
) -> None:
    """Colour every pixel of a photo: the mean of 2×2 fine pixels in linear colour.

    The fine pixels of a block that show one material at about one depth are lit as one.

    Parameters
    ----------
    index : (2H, 2W) int32, depth : (2H, 2W)
        What is seen, and how far it is (mm) where hair does not hide it.
    planes : (F, 8)
        See `facefuse.rendering.kernels.raster_keys`.
    cover : (2H, 2W) uint8
        `BARE`, `HAIR`, `DARK_LENS` or `LENS`.
    hair : (2H, 2W, 3)
        Colour of hair, where there is any.
    triangles, uv_triangles : (F, 3) int32
    attributes : (V, 7)
        See `vertex_attributes`.
    uv : (U, 2)
    material : (F,) int32
        Row of ``table`` (M, 8).
    skin : (S, S, 3)
        Linear albedo of the head.
    cloth : (T, T, 3)
        Linear albedo, repeating; T is a power of two.
    eye : (2, 12)
        Per eye: centre u, v and radius of its place in the atlas; iris radius, pupil radius; iris colour; sclera
        colour (3); seed of the fibres.
    ambient : (9, 3)
        Spherical harmonics in the camera frame.
    sun : (L, 6)
        Directional lights: direction towards the light in the camera frame, colour.
    shadow : (L, D, D), frame : (L, 5, 3)
        Shadow maps; see `lit`.
    lens : (2, 3)
        Tint of lenses, and the light they reflect at the top of the photo.
    pinhole : (3,)
        Focal length and centre in fine pixels.
    behind : (H, W, 3) uint8
        The background, and
    linear : (256,)
        the linear values of its bytes.
    out : (H, W, 3)
        Written.
    """
    origin = planes.view(np.int32)
    tile = cloth.shape[0]
    one, zero, two, half = np.float32(1.0), np.float32(0.0), np.float32(2.0), np.float32(0.5)
    inverse, fine = one / pinhole[0], np.float32(900.0)
    albedo, colour, total = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    seen = np.empty(4, np.int32)
    tint0 = ambient[0, 0] / max(ambient[0, 1], np.float32(1e-4))  # reflections have the surroundings' mean colour
    tint2 = ambient[0, 2] / max(ambient[0, 1], np.float32(1e-4))
    for high in range(out.shape[0]):
        glare = (one - np.float32(high) / np.float32(out.shape[0])) ** 2
        for wide in range(out.shape[1]):
            total[:] = zero
            first, last, near, far = -1, -1, np.float32(1e9), zero
            together = True
            for n in range(4):
                row, col = 2 * high + n // 2, 2 * wide + n % 2
                f = index[row, col]
                seen[n] = -1
                if cover[row, col] == HAIR:
                    for c in range(3):
                        total[c] += hair[row, col, c]
                elif f < 0:
                    through = cover[row, col] >= DARK_LENS
                    for c in range(3):
                        value = linear[behind[high, wide, c]]
                        total[c] += value * lens[0, c] + glare * lens[1, c] if through else value
                else:
                    seen[n] = f
                    first = n if first < 0 else first
                    last = n
                    together = together and material[f] == material[seen[first]]
                    near, far = min(near, depth[row, col]), max(far, depth[row, col])
            if first >= 0:
                m = material[seen[first]]
                together = together and far - near < np.float32(3.0) and int(table[m, 0]) != EYE
            for n in range(max(first, 0), last + 1):
                if seen[n] < 0:
                    continue
                m = material[seen[n]]
                kind = int(table[m, 0])
                specular, gloss, wrap, rough = table[m, 4], int(table[m, 5]), table[m, 6], table[m, 7]
                nx, ny, nz, x, y, z = zero, zero, zero, zero, zero, zero
                open_, soft0, soft1, soft2 = zero, zero, zero, zero
                albedo[:] = zero
                share = half if together and last != first else one
                for at in range(n, (last if together else n) + 1, max(last - n, 1)):
                    row, col, f = 2 * high + at // 2, 2 * wide + at % 2, seen[at]
                    far = depth[row, col]
                    dx, dy = np.float32(col - origin[f, 6]), np.float32(row - origin[f, 7])
                    wb = (planes[f, 0] + planes[f, 1] * dx + planes[f, 2] * dy) * far
                    wc = (planes[f, 3] + planes[f, 4] * dx + planes[f, 5] * dy) * far
                    wa = one - wb - wc
                    far *= share
                    x += (np.float32(col) - pinhole[1]) * inverse * far
                    y += (np.float32(row) - pinhole[2]) * inverse * far
                    z += far
                    i, j, k = uv_triangles[f, 0], uv_triangles[f, 1], uv_triangles[f, 2]
                    tu = wa * uv[i, 0] + wb * uv[j, 0] + wc * uv[k, 0]
                    tv = wa * uv[i, 1] + wb * uv[j, 1] + wc * uv[k, 1]
                    wa, wb, wc = wa * share, wb * share, wc * share
                    i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                    nx += wa * attributes[i, 0] + wb * attributes[j, 0] + wc * attributes[k, 0]
                    ny += wa * attributes[i, 1] + wb * attributes[j, 1] + wc * attributes[k, 1]
                    nz += wa * attributes[i, 2] + wb * attributes[j, 2] + wc * attributes[k, 2]
                    open_ += wa * attributes[i, 3] + wb * attributes[j, 3] + wc * attributes[k, 3]
                    soft0 += wa * attributes[i, 4] + wb * attributes[j, 4] + wc * attributes[k, 4]
                    soft1 += wa * attributes[i, 5] + wb * attributes[j, 5] + wc * attributes[k, 5]
                    soft2 += wa * attributes[i, 6] + wb * attributes[j, 6] + wc * attributes[k, 6]
                    if kind in (SKIN, MOUTH):
                        for c in range(3):
                            albedo[c] += share * _texel(skin, tu, tv, c)
                        if kind == SKIN:
                            grain = noise2(tu * fine, tv * fine)
                            again = grain * np.float32(16.0)
                            nx += share * rough * (grain - half)
                            ny += share * rough * (again - np.floor(again) - half)
                    elif kind == CLOTH:
                        px, py = math.floor(tu * tile) & (tile - 1), math.floor(tv * tile) & (tile - 1)
                        for c in range(3):
                            albedo[c] += share * cloth[py, px, c]
                    elif kind == EYE:
                        e = 0 if table[m, 1] == 0 else 1
                        du, dv = (tu - eye[e, 0]) / eye[e, 2], (tv - eye[e, 1]) / eye[e, 2]
                        r = math.sqrt(du * du + dv * dv)
                        angle = math.atan2(dv, du)
                        ring = (r - eye[e, 4]) / (eye[e, 3] - eye[e, 4])
                        fibre = noise2(np.float32(angle * 14 + eye[e, 11]), np.float32(ring * 1.5)) * np.float32(
                            0.7
                        ) + np.float32(0.6)
                        in_iris = min(max((eye[e, 3] - r) * 40 + half, zero), one)
                        in_pupil = min(max((eye[e, 4] - r) * 40 + half, zero), one)
                        limbus = one - np.float32(0.6) * min(max((ring - np.float32(0.72)) * 4, zero), one)
                        for c in range(3):
                            iris = eye[e, 5 + c] * fibre * limbus
                            value = eye[e, 8 + c] + (iris - eye[e, 8 + c]) * in_iris
                            albedo[c] = value * (one - in_pupil * np.float32(0.97))
                    else:
                        grain = noise2(tu * np.float32(260), tv * np.float32(260)) - half
                        other = noise2(tu * np.float32(260) + np.float32(71), tv * np.float32(260)) - half
                        nx += share * rough * grain
                        ny += share * rough * other
                        for c in range(3):
                            albedo[c] += share * table[m, 1 + c] * (one + rough * half * grain)
                scale = one / (math.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
                nx, ny, nz = nx * scale, ny * scale, nz * scale
                scale = one / math.sqrt(x * x + y * y + z * z)
                vx, vy, vz = -x * scale, -y * scale, -z * scale
                facing = nx * vx + ny * vy + nz * vz
                if facing < 0:  # a surface seen from behind: the lining of a collar, the inside of a frame
                    nx, ny, nz, facing = -nx, -ny, -nz, -facing
                graze = (one - facing) * (one - facing)
                fresnel = specular + (one - specular) * graze * graze * (one - facing) * np.float32(0.35)
                rx, ry, rz = two * facing * nx - vx, two * facing * ny - vy, two * facing * nz - vz
                mirror = max(irradiance(ambient, 1, rx, ry, rz), zero) * open_ * open_ * fresnel
                colour[0] = albedo[0] * soft0 + mirror * tint0
                colour[1] = albedo[1] * soft1 + mirror
                colour[2] = albedo[2] * soft2 + mirror * tint2
                for s in range(sun.shape[0]):
                    lx, ly, lz = sun[s, 0], sun[s, 1], sun[s, 2]
                    ndl = nx * lx + ny * ly + nz * lz
                    if ndl <= -wrap:
                        continue
                    px, py, pz = x + two * nx, y + two * ny, z + two * nz
                    turn = 2 * (high + wide) + n // 2 + n % 2
                    reached = lit(shadow[s], frame[s], px, py, pz, turn)
                    if together and zero < reached < one:  # a second set of taps along the edges of shadows
                        reached = half * (reached + lit(shadow[s], frame[s], px, py, pz, turn + 2))
                    if kind == MOUTH:
                        reached *= open_
                    if reached <= 0:
                        continue
                    hx, hy, hz = lx + vx, ly + vy, lz + vz
                    scale = one / (math.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-9))
                    ndh = max((nx * hx + ny * hy + nz * hz) * scale, zero)
                    lobe, power = ndh, one
                    for _ in range(gloss):
                        lobe *= lobe
                        power *= two
                    lobe *= (power * np.float32(0.125) + one) * max(ndl, zero) * fresnel
                    for c in range(3):
                        soft = wrap * (one if c == 0 else np.float32(0.4))  # red light gets furthest under the skin
                        diffuse = max((ndl + soft) / (one + soft), zero)
                        colour[c] += sun[s, 3 + c] * reached * (albedo[c] * diffuse + lobe)
                for at in range(n, (last if together else n) + 1):
                    if seen[at] < 0:
                        continue
                    through = cover[2 * high + at // 2, 2 * wide + at % 2] >= DARK_LENS
                    for c in range(3):
                        total[c] += colour[c] * lens[0, c] + glare * lens[1, c] if through else colour[c]
                if together:
                    break
            for c in range(3):
                out[high, wide, c] = np.float32(0.25) * total[c]


@njit(cache=True, nogil=True, error_model="numpy")
def coarse_truth(
    index: Array, part: Array, depth: Array, cover: Array, codes: Array, parts: Array, nearest: Array
) -> None:
    """What most of each 2×2 block shows, and the depth of the nearest surface there.

    Parameters
    ----------
    index : (2H, 2W) int32
        Triangles, -1 where there is none; ``part`` (F,) uint8 is what they are.
    depth : (2H, 2W)
    cover : (2H, 2W) uint8
        Where it is `HAIR` or `DARK_LENS`, ``codes[cover]`` is seen instead.
    parts : (H, W) uint8, nearest : (H, W)
        Written.
    """
    seen = np.empty(4, np.uint8)
    for row in range(parts.shape[0]):
        for col in range(parts.shape[1]):
            least = np.float32(np.inf)
            for n in range(4):
                y, x = 2 * row + n // 2, 2 * col + n % 2
                least = min(least, depth[y, x])
                code = cover[y, x]
                f = index[y, x]
                seen[n] = codes[code] if code in (HAIR, DARK_LENS) else part[f] if f >= 0 else 0
            best, votes = seen[0], 0
            for n in range(4 if seen[1] != best or seen[2] != best or seen[3] != best else 0):
                count = 0
                for m in range(4):
                    count += seen[m] == seen[n]
                if count > votes:
                    best, votes = seen[n], count
            parts[row, col] = best
            nearest[row, col] = least


@njit(cache=True, nogil=True, error_model="numpy")
def mean_light(picture: Array, depth: Array) -> float:
    """Mean of a picture (H, W, 3) where a depth (H, W) is finite; of all of it where none is."""
    inside, outside, count = 0.0, 0.0, 0
    for row in range(depth.shape[0]):
        for col in range(depth.shape[1]):
            light = picture[row, col, 0] + picture[row, col, 1] + picture[row, col, 2]
            if np.isfinite(depth[row, col]):
                inside += light
                count += 1
            else:
                outside += light
    return inside / (3 * count) if count > 0 else outside / (3 * depth.size)

"""The compiled inner loops: decoding, normals and shading. Arrays are contiguous float32 unless stated otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any

SKIN, CLOTH, PLAIN, EYE, MOUTH = 0, 1, 2, 3, 4
"""Kinds of material: where the albedo comes from and how light scatters."""
SKIPPED = np.float32(-7.0)
"""Marks pixels that take the mean of their neighbours."""
MATERIAL_COLUMNS = 8
"""Columns of the material table: kind, red, green, blue, specular reflectance, gloss (squarings), wrap, roughness."""


@njit(cache=True, nogil=True, error_model="numpy")
def add_modes(base: Array, modes: Array, weights: Array, out: Array) -> None:
    """``out = base + weights @ modes`` with a fixed order of summation, for (N,), (K, N) and (K,)."""
    count, some = base.shape[0], 4096  # so many sums at a time that they stay in the processor's cache
    for start in range(0, count, some):
        stop = min(start + some, count)
        for i in range(start, stop):
            out[i] = base[i]
        for k in range(weights.shape[0]):
            w = weights[k]
            if w != 0.0:
                for i in range(start, stop):
                    out[i] += w * modes[k, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def vertex_normals(vertices: Array, triangles: Array, out: Array) -> None:
    """Area-weighted unit normals (V, 3) of vertices (V, 3); triangles (F, 3) int32."""
    out[:] = 0.0
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = (
            vertices[j, 0] - vertices[i, 0],
            vertices[j, 1] - vertices[i, 1],
            vertices[j, 2] - vertices[i, 2],
        )
        bx, by, bz = (
            vertices[k, 0] - vertices[i, 0],
            vertices[k, 1] - vertices[i, 1],
            vertices[k, 2] - vertices[i, 2],
        )
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + np.float32(1e-12)
        for c in range(3):
            out[v, c] /= length


@njit(inline="always")
def _hash(x, y):  # type: ignore[no-untyped-def]
    n = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263)
    n = (n ^ (n >> np.uint32(13))) * np.uint32(1274126177)
    n = n ^ (n >> np.uint32(16))
    return np.float32(n & np.uint32(0xFFFF)) * np.float32(1.0 / 65535.0)


@njit(inline="always")
def noise2(x, y):  # type: ignore[no-untyped-def]
    """Smooth value noise, 0-1."""
    ix, iy = math.floor(x), math.floor(y)
    u, v = np.float32(x - ix), np.float32(y - iy)
    u, v = u * u * (np.float32(3.0) - np.float32(2.0) * u), v * v * (np.float32(3.0) - np.float32(2.0) * v)
    a, b = _hash(ix, iy), _hash(ix + 1, iy)
    c, d = _hash(ix, iy + 1), _hash(ix + 1, iy + 1)
    return a + (b - a) * u + (c - a + (a - b - c + d) * u) * v


@njit(inline="always")
def irradiance(light, channel, x, y, z):  # type: ignore[no-untyped-def]
    """Spherical-harmonics irradiance of one colour channel at a unit normal."""
    return (
        np.float32(0.282095) * light[0, channel]
        + np.float32(0.488603) * (y * light[1, channel] + z * light[2, channel] + x * light[3, channel])
        + np.float32(1.092548) * (x * y * light[4, channel] + y * z * light[5, channel] + x * z * light[7, channel])
        + np.float32(0.315392) * (np.float32(3.0) * z * z - np.float32(1.0)) * light[6, channel]
        + np.float32(0.546274) * (x * x - y * y) * light[8, channel]
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def vertex_attributes(normals: Array, occlusion: Array, rotation: Array, light: Array, out: Array) -> None:
    """What shading needs of each vertex (V, 7), side by side in memory.

    The normal turned into the camera frame by ``rotation`` (3, 3); the occlusion (V,); the irradiance of the ambient
    ``light`` (9, 3) there, occlusion included.
    """
    for v in range(normals.shape[0]):
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        for c in range(3):
            out[v, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z
        out[v, 3] = occlusion[v]
        x, y, z = out[v, 0], out[v, 1], out[v, 2]
        for c in range(3):
            out[v, 4 + c] = max(irradiance(light, c, x, y, z), np.float32(0.0)) * occlusion[v]


@njit(inline="always")
def lit(shadow, frame, x, y, z, turn):  # type: ignore[no-untyped-def]
    """Share of a directional light, 0-1, that reaches a point in the camera frame.

    ``frame`` (5, 3) holds two axes of the shadow map, the direction of travel, (scale, offset, softness), and the
    pixel of the map at which the camera lies.
    """
    size = shadow.shape[0]
    scale, offset, soft = frame[3, 0], frame[3, 1], frame[3, 2]
    if scale == 0.0:
        return np.float32(1.0)
    u = (x * frame[0, 0] + y * frame[0, 1] + z * frame[0, 2]) * scale + frame[4, 0]
    v = (x * frame[1, 0] + y * frame[1, 1] + z * frame[1, 2]) * scale + frame[4, 1]
    d = x * frame[2, 0] + y * frame[2, 1] + z * frame[2, 2] - offset
    # four taps, turned about by a pattern of pixels that the final averaging smooths
    spread = np.float32((turn >> 1) & 3) * np.float32(0.25)
    du, dv = soft * (np.float32(0.3) + np.float32(0.7) * spread), soft * (np.float32(0.9) - spread)
    total = np.float32(0.0)
    for _tap in range(4):
        col = math.floor(u + du + np.float32(0.5))
        row = math.floor(v + dv + np.float32(0.5))
        if col < 0 or row < 0 or col >= size or row >= size or d <= shadow[row, col]:
            total += np.float32(0.25)
        du, dv = -dv, du
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def transform(points: Array, rotation: Array, shift: Array, out: Array) -> None:
    """``out = rotation @ p + shift`` for points (N, 3), in a fixed order of summation."""
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for c in range(3):
            out[n, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z + shift[c]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def to_screen(seen: Array, focal: float, cx: float, cy: float, out: Array) -> None:
    """Camera-frame points (N, 3) to pixels and depth (N, 3) float64."""
    for n in range(seen.shape[0]):
        z = np.float64(seen[n, 2])
        out[n, 0] = seen[n, 0] / z * focal + cx
        out[n, 1] = seen[n, 1] / z * focal + cy
        out[n, 2] = z


@njit(inline="always")
def _one_surface(index, depth, material, row, col):  # type: ignore[no-untyped-def]
    """Whether a 2×2 block shows one surface, so that two of its pixels are like the other two."""
    first = index[row, col]
    if first < 0 or index[row, col + 1] < 0 or index[row + 1, col] < 0 or index[row + 1, col + 1] < 0:
        return False
    kind = material[first]
    if material[index[row, col + 1]] != kind or material[index[row + 1, col]] != kind:
        return False
    if material[index[row + 1, col + 1]] != kind:
        return False
    a, b, c, d = depth[row, col], depth[row, col + 1], depth[row + 1, col], depth[row + 1, col + 1]
    return max(a, b, c, d) - min(a, b, c, d) < np.float32(3.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def shade(
    index: Array,
    barycentric: Array,
    depth: Array,
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
    focal: float,
    cx: float,
    cy: float,
    out: Array,
) -> None:
    """Shade every covered pixel in linear colour; others are left as they are.

    Parameters
    ----------
    index : (H, W) int32, barycentric : (H, W, 3), depth : (H, W)
        What is seen; depth in mm.
    triangles, uv_triangles : (F, 3) int32
    attributes : (V, 7)
        See `vertex_attributes`.
    uv : (U, 2)
    material : (F,) int32
        Row of ``table`` (M, MATERIAL_COLUMNS).
    skin : (S, S, 3)
        Linear albedo of the head.
    cloth : (T, T, 3)
        Linear albedo, repeating.
    eye : (2, 12)
        Per eye: centre u, v and radius of its place in the atlas; iris radius, pupil radius; iris colour; sclera
        colour (3); seed of the fibres.
    ambient : (9, 3)
        Spherical harmonics in the camera frame.
    sun : (L, 6)
        Directional lights: direction towards the light in the camera frame, colour.
    shadow : (L, D, D), frame : (L, 5, 3)
        Shadow maps; see `lit`.
    focal, cx, cy : float
        Pinhole of this picture.
    out : (H, W, 3)
        Written.
    """
    height, width = index.shape
    size = skin.shape[0]
    tile = cloth.shape[0]
    one, zero, two = np.float32(1.0), np.float32(0.0), np.float32(2.0)
    inverse, fine = np.float32(1.0 / focal), np.float32(900.0)
    albedo = np.empty(3, np.float32)
    tint0 = ambient[0, 0] / max(ambient[0, 1], np.float32(1e-4))  # reflections have the surroundings' mean colour
    tint2 = ambient[0, 2] / max(ambient[0, 1], np.float32(1e-4))
    for row in range(height):
        for col in range(width):
            f = index[row, col]
            if f < 0:
                continue
            detailed = int(table[material[f], 0]) == EYE
            if (row + col) & 1 and not detailed and _one_surface(index, depth, material, row & ~1, col & ~1):
                out[row, col, 0] = SKIPPED
                continue
            wa, wb, wc = barycentric[row, col, 0], barycentric[row, col, 1], barycentric[row, col, 2]
            i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            nx = wa * attributes[i, 0] + wb * attributes[j, 0] + wc * attributes[k, 0]
            ny = wa * attributes[i, 1] + wb * attributes[j, 1] + wc * attributes[k, 1]
            nz = wa * attributes[i, 2] + wb * attributes[j, 2] + wc * attributes[k, 2]
            open_ = wa * attributes[i, 3] + wb * attributes[j, 3] + wc * attributes[k, 3]
            soft0 = wa * attributes[i, 4] + wb * attributes[j, 4] + wc * attributes[k, 4]
            soft1 = wa * attributes[i, 5] + wb * attributes[j, 5] + wc * attributes[k, 5]
            soft2 = wa * attributes[i, 6] + wb * attributes[j, 6] + wc * attributes[k, 6]
            i, j, k = uv_triangles[f, 0], uv_triangles[f, 1], uv_triangles[f, 2]
            tu = wa * uv[i, 0] + wb * uv[j, 0] + wc * uv[k, 0]
            tv = wa * uv[i, 1] + wb * uv[j, 1] + wc * uv[k, 1]
            z = depth[row, col]
            x, y = np.float32(col - cx) * inverse * z, np.float32(row - cy) * inverse * z
            m = material[f]
            kind = int(table[m, 0])
            specular, gloss, wrap, rough = table[m, 4], int(table[m, 5]), table[m, 6], table[m, 7]
            if kind in (SKIN, MOUTH):
                px = min(max(tu * np.float32(size) - np.float32(0.5), zero), np.float32(size - 1.001))
                py = min(max((one - tv) * np.float32(size) - np.float32(0.5), zero), np.float32(size - 1.001))
                x0, y0 = int(px), int(py)
                fu, fv = px - np.float32(x0), py - np.float32(y0)
                for c in range(3):
                    top = skin[y0, x0, c] + (skin[y0, x0 + 1, c] - skin[y0, x0, c]) * fu
                    low = skin[y0 + 1, x0, c] + (skin[y0 + 1, x0 + 1, c] - skin[y0 + 1, x0, c]) * fu
                    albedo[c] = top + (low - top) * fv
                if kind == SKIN:
                    grain = noise2(tu * fine, tv * fine)
                    nx += rough * (grain - np.float32(0.5))
                    ny += rough * (
                        grain * np.float32(16.0) - np.float32(math.floor(grain * np.float32(16.0))) - np.float32(0.5)
                    )
            elif kind == CLOTH:
                px, py = math.floor(tu * tile) % tile, math.floor(tv * tile) % tile
                for c in range(3):
                    albedo[c] = cloth[py, px, c]
            elif kind == EYE:
                e = 0 if table[m, 1] == 0 else 1
                du, dv = (tu - eye[e, 0]) / eye[e, 2], (tv - eye[e, 1]) / eye[e, 2]
                r = math.sqrt(du * du + dv * dv)
                angle = math.atan2(dv, du)
                ring = (r - eye[e, 4]) / (eye[e, 3] - eye[e, 4])
                fibre = noise2(angle * 14 + eye[e, 11], ring * 1.5) * np.float32(0.7) + np.float32(0.6)
                in_iris = min(max((eye[e, 3] - r) * 40 + np.float32(0.5), zero), one)
                in_pupil = min(max((eye[e, 4] - r) * 40 + np.float32(0.5), zero), one)
                limbus = one - np.float32(0.6) * min(max((ring - np.float32(0.72)) * 4, zero), one)
                for c in range(3):
                    iris = eye[e, 5 + c] * fibre * limbus
                    value = eye[e, 8 + c] + (iris - eye[e, 8 + c]) * in_iris
                    albedo[c] = value * (one - in_pupil * np.float32(0.97))
            else:
                grain = noise2(tu * 260, tv * 260) - np.float32(0.5)
                nx += rough * grain
                ny += rough * (noise2(tu * 260 + 71, tv * 260) - np.float32(0.5))
                for c in range(3):
                    albedo[c] = table[m, 1 + c] * (one + rough * np.float32(0.5) * grain)
            scale = one / (math.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            scale = one / math.sqrt(x * x + y * y + z * z)
            vx, vy, vz = -x * scale, -y * scale, -z * scale
            facing = nx * vx + ny * vy + nz * vz
            if facing < 0:  # a surface seen from behind: the lining of a collar, the inside of a frame
                nx, ny, nz, facing = -nx, -ny, -nz, -facing
            graze = (one - facing) ** 2
            fresnel = specular + (one - specular) * graze * graze * (one - facing) * np.float32(0.35)
            rx, ry, rz = two * facing * nx - vx, two * facing * ny - vy, two * facing * nz - vz
            mirror = max(irradiance(ambient, 1, rx, ry, rz), zero) * open_ * open_ * fresnel
            out[row, col, 0] = albedo[0] * soft0 + mirror * tint0
            out[row, col, 1] = albedo[1] * soft1 + mirror
            out[row, col, 2] = albedo[2] * soft2 + mirror * tint2
            for n in range(sun.shape[0]):
                lx, ly, lz = sun[n, 0], sun[n, 1], sun[n, 2]
                ndl = nx * lx + ny * ly + nz * lz
                if ndl <= -wrap:
                    continue
                seen = lit(shadow[n], frame[n], x + two * nx, y + two * ny, z + two * nz, row + col)
                if kind == MOUTH:
                    seen *= open_
                if seen <= 0:
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
                    soft = wrap * (one if c == 0 else np.float32(0.4))  # red light travels furthest under the skin
                    diffuse = max((ndl + soft) / (one + soft), zero)
                    out[row, col, c] += sun[n, 3 + c] * seen * (albedo[c] * diffuse + lobe)

    for row in range(0, height - 1, 2):
        for col in range(0, width - 1, 2):
            if index[row, col + 1] >= 0 and out[row, col + 1, 0] == SKIPPED:
                for c in range(3):
                    mean = np.float32(0.5) * (out[row, col, c] + out[row + 1, col + 1, c])
                    out[row, col + 1, c] = mean
                    out[row + 1, col, c] = mean


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def halve(picture: Array, out: Array) -> None:
    """Average 2×2 pixels: (2H, 2W, 3) to (H, W, 3)."""
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            for c in range(3):
                out[row, col, c] = np.float32(0.25) * (
                    picture[2 * row, 2 * col, c]
                    + picture[2 * row, 2 * col + 1, c]
                    + picture[2 * row + 1, 2 * col, c]
                    + picture[2 * row + 1, 2 * col + 1, c]
                )


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
        Where not 0, ``codes[cover]`` is seen instead.
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
                seen[n] = codes[code] if code > 0 else part[f] if f >= 0 else 0
            best, votes = seen[0], 0
            for n in range(4):
                count = 0
                for m in range(4):
                    count += seen[m] == seen[n]
                if count > votes:
                    best, votes = seen[n], count
            parts[row, col] = best
            nearest[row, col] = least

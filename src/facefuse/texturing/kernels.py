"""The compiled inner loops of texture baking.

Compiled on first use and cached on disk, as in :mod:`facefuse.rendering.kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy")
def gather_texels(
    index: Array, weights: Array, texel: Array, number: Array, triangle: Array, barycentric: Array
) -> None:
    """Number the texels that a triangle covers.

    Parameters
    ----------
    index : (S, S) int32
        Triangle at each texel, -1 where none.
    weights : (S, S, 3) float32
        Its barycentric coordinates.
    texel : (N,) int32
        Written: flat index of each covered texel.
    number : (S, S) int32
        Written: the inverse, -1 where there is none.
    triangle : (N,) int32
        Written: its triangle.
    barycentric : (N, 3) float32
        Written.
    """
    n = 0
    for y in range(index.shape[0]):
        for x in range(index.shape[1]):
            number[y, x] = -1
            if index[y, x] < 0:
                continue
            number[y, x] = n
            texel[n] = y * index.shape[1] + x
            triangle[n] = index[y, x]
            for k in range(3):
                barycentric[n, k] = weights[y, x, k]
            n += 1


@njit(cache=True, nogil=True, error_model="numpy")
def mirror_texels(
    triangle: Array, barycentric: Array, partner: Array, corners: Array, number: Array, mirror: Array
) -> None:
    """Find for every texel the one nearest to its mirror image.

    Parameters
    ----------
    triangle : (N,) int32
    barycentric : (N, 3) float32
    partner : (F, 3) int64
        Texture coordinates of each triangle's mirror image, -1 where it has none.
    corners : (U, 2) float32
        Texture coordinates in texels.
    number : (S, S) int32
        Number of each texel, -1 where there is none.
    mirror : (N,) int32
        Written: numbers, -1 where there is none.
    """
    last_y, last_x = number.shape[0] - 1, number.shape[1] - 1
    for n in range(len(triangle)):
        i, j, k = partner[triangle[n], 0], partner[triangle[n], 1], partner[triangle[n], 2]
        mirror[n] = -1
        if i < 0:
            continue
        a, b, c = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        x = int(np.rint(a * corners[i, 0] + b * corners[j, 0] + c * corners[k, 0]))
        y = int(np.rint(a * corners[i, 1] + b * corners[j, 1] + c * corners[k, 1]))
        mirror[n] = number[min(max(y, 0), last_y), min(max(x, 0), last_x)]


@njit(cache=True, nogil=True, error_model="numpy")
def border_distance(blocked: Array, distance: Array) -> None:
    """Distance in pixels to the nearest blocked pixel by a 3-4 chamfer (Borgefors, 1986).

    Parameters
    ----------
    blocked : (H, W) bool
    distance : (H, W) float32
        Written; beyond the picture nothing is blocked.
    """
    height, width = blocked.shape
    straight, diagonal = np.float32(1.0), np.float32(4.0 / 3.0)
    for y in range(height):
        for x in range(width):
            best = np.float32(0.0) if blocked[y, x] else np.float32(1e6)
            if x > 0:
                best = min(best, distance[y, x - 1] + straight)
            if y > 0:
                best = min(best, distance[y - 1, x] + straight)
                if x > 0:
                    best = min(best, distance[y - 1, x - 1] + diagonal)
                if x < width - 1:
                    best = min(best, distance[y - 1, x + 1] + diagonal)
            distance[y, x] = best
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            best = distance[y, x]
            if x < width - 1:
                best = min(best, distance[y, x + 1] + straight)
            if y < height - 1:
                best = min(best, distance[y + 1, x] + straight)
                if x > 0:
                    best = min(best, distance[y + 1, x - 1] + diagonal)
                if x < width - 1:
                    best = min(best, distance[y + 1, x + 1] + diagonal)
            distance[y, x] = best


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _rise(low: float, high: float, value: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _distance2(map_to: Array, offset: Array, r: float, g: float, b: float) -> float:
    total = 0.0
    for k in range(3):
        value = map_to[k, 0] * r + map_to[k, 1] * g + map_to[k, 2] * b - offset[k]
        total += value * value
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def trust_colours(
    colours: Array,
    roles: Array,
    shown: Array,
    skin_map: Array,
    skin_offset: Array,
    hair_map: Array,
    hair_offset: Array,
    redness: Array,
    trust: Array,
    confidence: Array,
) -> None:
    """Judge the pixels by their colours.

    Skin is trusted where skin is expected, the hair's colour where hair may be; no white on lids; and nowhere bright
    colours that neither skin nor beard nor lipstick has.

    Parameters
    ----------
    colours : (h, w, 3) float32
        sRGB, 0-1.
    roles : (h, w, 3) float32
        Strictness, whether hair may be there, and lids.
    shown : (h, w) int32
        Negative outside the head.
    skin_map, hair_map : (3, 3) float64
        From sRGB to standard deviations from the centres,
    skin_offset, hair_offset : (3,) float64
        less these.
    redness : (3,) float64
        Skin's red-green share of lightness, its standard deviation, and least lightness for which it is judged.
    trust : (h, w) float32
        Multiplied by the trust in skin and hair, and
    confidence : (h, w) float32
        by that in lids and lips.
    """
    for y in range(colours.shape[0]):
        for x in range(colours.shape[1]):
            if shown[y, x] < 0:
                continue
            r, g, b = colours[y, x, 0], colours[y, x, 1], colours[y, x, 2]
            strict, maybe_hair, lid = roles[y, x, 0], roles[y, x, 1], roles[y, x, 2]
            distance = np.sqrt(_distance2(skin_map, skin_offset, r, g, b))
            judged = 1.0
            if strict > 0.0:
                unlike = _rise(2.2, 3.8, distance)
                if maybe_hair > 0.0 and unlike > 0.0:
                    unlike_hair = _rise(2.5, 4.5, np.sqrt(_distance2(hair_map, hair_offset, r, g, b)))
                    unlike *= 1.0 - maybe_hair * (1.0 - unlike_hair)
                judged *= 1.0 - strict * unlike
            if lid > 0.0:
                lightness = 0.30 * r + 0.59 * g + 0.11 * b
                if lightness > redness[2]:
                    share = (0.70 * r - 0.59 * g - 0.11 * b) / max(lightness, 0.05)
                    confidence[y, x] *= 1.0 - lid * _rise(1.2, 2.4, (redness[0] - share) / redness[1])
            if distance > 6.0 and max(r, g, b) > 0.35:
                judged *= 1.0 - (1.0 - maybe_hair) * _rise(6.0, 9.0, distance)
            trust[y, x] *= judged


@njit(cache=True, nogil=True, error_model="numpy")
def box_mean(image: Array, reach: int, out: Array) -> None:
    """Mean over the window of ``2 reach + 1`` pixels along x, borders repeated: (H, W, C) to (W, H, C), transposed."""
    height, width, channels = image.shape
    scale = np.float32(1.0 / (2 * reach + 1))
    for y in range(height):
        for ch in range(channels):
            running = np.float32(0.0)
            for x in range(-reach, reach + 1):
                running += image[y, min(max(x, 0), width - 1), ch]
            for x in range(width):
                out[x, y, ch] = running * scale
                running += image[y, min(x + reach + 1, width - 1), ch] - image[y, max(x - reach, 0), ch]


@njit(cache=True, nogil=True, error_model="numpy")
def project_texels(
    start: int,
    stop: int,
    triangle: Array,
    barycentric: Array,
    triangles: Array,
    screen: Array,
    slope: Array,
    weight: Array,
    gain: Array,
    lift: float,
    depth: Array,
    confidence: Array,
    map_scale: float,
    tolerance: float,
    photo: Array,
    tone: Array,
    photo_scale: float,
    total: Array,
) -> None:
    """Add one photo's colours to the texels that it sees.

    Parameters
    ----------
    start, stop : int
        The range of texels to do.
    triangle : (N,) int32
        Triangle of each texel.
    barycentric : (N, 3) float32
    triangles : (F, 3) int32
    screen : (V, 3) float32
        Pixels of the crop and depth in mm (or relative depth).
    slope : (V,) float32
        Extra depth tolerance where the surface turns away, mm.
    weight : (V,) float32
        Weight of the photo at each vertex; nothing is sampled where it interpolates to zero.
    gain : (V, 3) float32
        Factor on colour plus ``lift``.
    lift : float
    depth, confidence : (h, w) float32
        Depth buffer and per-pixel weight, at ``map_scale`` times the crop's resolution.
    map_scale, photo_scale : float
        Resolution of the maps and of ``photo`` relative to the crop.
    tolerance : float
        Depth tolerance, mm.
    photo : (H, W, 3) uint8
    tone : (256, 3) float32
        Value of each code of ``photo``.
    total : (N, 4) float32
        Weighted colour and weight are added.
    """
    map_height, map_width = depth.shape
    height, width = photo.shape[0], photo.shape[1]
    for n in range(start, stop):
        f = triangle[n]
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        a, b, c = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        w = a * weight[i] + b * weight[j] + c * weight[k]
        if w < np.float32(1e-4):
            continue
        az, bz, cz = a * screen[i, 2], b * screen[j, 2], c * screen[k, 2]
        z = az + bz + cz
        x = (az * screen[i, 0] + bz * screen[j, 0] + cz * screen[k, 0]) / z
        y = (az * screen[i, 1] + bz * screen[j, 1] + cz * screen[k, 1]) / z
        mx, my = (x + 0.5) * map_scale - 0.5, (y + 0.5) * map_scale - 0.5
        if mx < 0.0 or my < 0.0 or mx > map_width - 1 or my > map_height - 1:
            continue
        column, row = int(mx + 0.5), int(my + 0.5)
        if z > depth[row, column] + tolerance + a * slope[i] + b * slope[j] + c * slope[k]:
            continue
        # bilinear, so that the edge of the confident area is soft
        x0, y0 = int(mx), int(my)
        x1, y1 = min(x0 + 1, map_width - 1), min(y0 + 1, map_height - 1)
        u, v = mx - x0, my - y0
        w *= (confidence[y0, x0] * (1 - u) + confidence[y0, x1] * u) * (1 - v) + (
            confidence[y1, x0] * (1 - u) + confidence[y1, x1] * u
        ) * v
        if w < 1e-4:
            continue
        px = min(max((x + 0.5) * photo_scale - 0.5, 0.0), width - 1.0)
        py = min(max((y + 0.5) * photo_scale - 0.5, 0.0), height - 1.0)
        x0, y0 = int(px), int(py)
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        u, v = px - x0, py - y0
        for ch in range(3):
            value = (tone[photo[y0, x0, ch], ch] * (1 - u) + tone[photo[y0, x1, ch], ch] * u) * (1 - v) + (
                tone[photo[y1, x0, ch], ch] * (1 - u) + tone[photo[y1, x1, ch], ch] * u
            ) * v
            factor = a * gain[i, ch] + b * gain[j, ch] + c * gain[k, ch]
            total[n, ch] += w * ((value + lift) * factor - lift)
        total[n, 3] += w


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _tiled(tile: Array, x: float, y: float) -> Any:
    """Bilinear value of a periodic (P, P) tile, P a power of two."""
    fx, fy = np.floor(x), np.floor(y)
    last = tile.shape[0] - 1
    x0, y0 = np.int64(fx) & last, np.int64(fy) & last
    x1, y1 = (x0 + 1) & last, (y0 + 1) & last
    u, v = x - fx, y - fy
    return (tile[y0, x0] * (1 - u) + tile[y0, x1] * u) * (1 - v) + (tile[y1, x0] * (1 - u) + tile[y1, x1] * u) * v


@njit(cache=True, nogil=True, error_model="numpy")
def compose_texels(
    start: int,
    stop: int,
    texel: Array,
    triangle: Array,
    barycentric: Array,
    triangles: Array,
    mirror: Array,
    total: Array,
    base: Array,
    mirror_gain: Array,
    lift: float,
    mirror_weight: float,
    base_weight: float,
    grain: Array,
    strand: Array,
    roughness: Array,
    out: Array,
) -> None:
    """Blend photo, mirror side and base colour at every texel.

    Parameters
    ----------
    start, stop, triangle, barycentric, triangles, total, lift
        As in :func:`project_texels`.
    texel : (N,) int32
        Flat index of each texel in the texture.
    mirror : (N,) int32
        The texel on the other side of the head, -1 where there is none.
    base : (V, 3) float32
        The colour that everything tends to.
    mirror_gain : (V, 3) float32
        Factor from the mirror side's colour (plus ``lift``) to this side's.
    mirror_weight, base_weight : float
        Weights relative to a photo's.
    grain : (2, P, P) float32
        Tiles of the fine variation of skin, by texels of a 1024 texture, and of hair, by ``strand``.
    strand : (V, 2) float32
        Where each vertex lies across and along the hair, in pixels of the tile.
    roughness : (V, 2) float32
        Its amplitude in the base colour at each vertex.
    out : (S, S, 3) float32
        Written at the texels.
    """
    size = out.shape[1]
    value = np.empty(3)
    for n in range(start, stop):
        f = triangle[n]
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        a, b, c = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        # where a photo is sure the others have no say
        doubt = max(0.0, 1.0 - total[n, 3] * 3.0)
        plain = base_weight * doubt * doubt + 1e-5
        weight = total[n, 3] + plain
        row, column = texel[n] // size, texel[n] % size
        fine = plain
        if plain > 1e-4:
            skin = a * roughness[i, 0] + b * roughness[j, 0] + c * roughness[k, 0]
            hair = a * roughness[i, 1] + b * roughness[j, 1] + c * roughness[k, 1]
            if skin > 0.0:
                fine += plain * skin * _tiled(grain[0], column * 1024.0 / size, row * 1024.0 / size)
            if hair > 0.0:
                across = a * strand[i, 0] + b * strand[j, 0] + c * strand[k, 0]
                along = a * strand[i, 1] + b * strand[j, 1] + c * strand[k, 1]
                fine += plain * hair * _tiled(grain[1], across, along)
        for ch in range(3):
            value[ch] = total[n, ch] + fine * (a * base[i, ch] + b * base[j, ch] + c * base[k, ch])
        m = mirror[n]
        if m >= 0 and doubt > 0.0 and total[m, 3] > 0.0:
            share = mirror_weight * doubt
            weight += share * total[m, 3]
            for ch in range(3):
                factor = a * mirror_gain[i, ch] + b * mirror_gain[j, ch] + c * mirror_gain[k, ch]
                value[ch] += share * ((total[m, ch] + lift * total[m, 3]) * factor - lift * total[m, 3])
        for ch in range(3):
            out[row, column, ch] = value[ch] / weight


@njit(cache=True, nogil=True, error_model="numpy")
def pull(fine: Array, known: Array, coarse: Array, coarse_known: Array) -> None:
    """Halve a picture: the mean of the known pixels of each 2 x 2 block."""
    height, width, channels = coarse.shape
    for y in range(height):
        for x in range(width):
            count = 0
            for ch in range(channels):
                coarse[y, x, ch] = 0.0
            for corner in range(4):
                fy, fx = 2 * y + (corner >> 1), 2 * x + (corner & 1)
                if fy < fine.shape[0] and fx < fine.shape[1] and known[fy, fx]:
                    count += 1
                    for ch in range(channels):
                        coarse[y, x, ch] += fine[fy, fx, ch]
            coarse_known[y, x] = count > 0
            if count:
                for ch in range(channels):
                    coarse[y, x, ch] /= count


@njit(cache=True, nogil=True, error_model="numpy")
def push(coarse: Array, fine: Array, known: Array) -> None:
    """Fill the unknown pixels of a picture from its half, bilinearly."""
    height, width, channels = fine.shape
    last_y, last_x = coarse.shape[0] - 1, coarse.shape[1] - 1
    for y in range(height):
        y0 = (y - 1) // 2
        v = np.float32(0.25) if y % 2 else np.float32(0.75)
        ya, yb = max(y0, 0), min(y0 + 1, last_y)
        for x in range(width):
            if known[y, x]:
                continue
            x0 = (x - 1) // 2
            u = np.float32(0.25) if x % 2 else np.float32(0.75)
            xa, xb = max(x0, 0), min(x0 + 1, last_x)
            for ch in range(channels):
                upper = coarse[ya, xa, ch] * (1 - u) + coarse[ya, xb, ch] * u
                lower = coarse[yb, xa, ch] * (1 - u) + coarse[yb, xb, ch] * u
                fine[y, x, ch] = upper * (1 - v) + lower * v


@njit(cache=True, nogil=True, error_model="numpy")
def round_to_bytes(start: int, stop: int, picture: Array, out: Array) -> None:
    """Round rows ``start`` to ``stop`` of a (H, W, 3) float32 picture, 0-1, into ``out``, uint8."""
    for y in range(start, stop):
        for x in range(picture.shape[1]):
            for ch in range(3):
                out[y, x, ch] = np.uint8(min(max(picture[y, x, ch] * np.float32(255) + np.float32(0.5), 0.0), 255.0))

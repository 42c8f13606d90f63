"""Compiled drawing of one picture in one pass, and its gradient, for CPU tensors.

The covered pixels are taken a block at a time through all steps of `kernels`, so that what is known of a pixel between
two steps never leaves the processor's cache; the backward pass takes the steps again instead of having kept them.
What is not given is an empty array.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from facefuse.learning.rendering import kernels, outline_kernels

Array = Any

_BLOCK = 256


class Seen(NamedTuple):
    """What has no gradient.

    Attributes
    ----------
    triangle : (H, W) int32
        -1 where there is none.
    depth : (H, W) float32
    triangles, neighbours, uv_triangles : (F, 3) int64
    uv : (U, 2) float
    perspective, cull_back, antialias : bool
    """

    triangle: Array
    depth: Array
    triangles: Array
    neighbours: Array
    uv_triangles: Array
    uv: Array
    perspective: bool
    cull_back: bool
    antialias: bool


class Inputs(NamedTuple):
    """What has a gradient, or the gradients themselves: those that are not wanted are empty.

    Attributes
    ----------
    screen : (V, 3) float
    texture : (S, T, 3) float
    albedo : (V, 3) float
    normals : (V, 3) float
        Of any length.
    light : (9, 3) float
    attributes : (V, C) float
    background : (3, H, W) float
    """

    screen: Array
    texture: Array
    albedo: Array
    normals: Array
    light: Array
    attributes: Array
    background: Array


class Planes(NamedTuple):
    """The picture, or its gradient: colour (3, H, W), mask (1, H, W), attributes (C, H, W)."""

    colour: Array
    mask: Array
    attributes: Array


class Outline(NamedTuple):
    """Crossings (N, 6), their weights (N,), and the steps (N, channels) of the planes there."""

    crossings: Array
    weights: Array
    colour: Array
    mask: Array
    attributes: Array


class _Block(NamedTuple):
    """What is known of some covered pixels: column and row, triangle and its vertices, and the results of the steps.

    Colour is the product of ``sampled``, ``albedo`` and ``shading``; what is not given is one.
    """

    where: Array
    triangle: Array
    corners: Array
    uv_corners: Array
    weights: Array
    uv: Array
    texels: Array
    shares: Array
    sampled: Array
    albedo: Array
    normals: Array
    scale: Array
    shading: Array


@njit(cache=True, nogil=True, error_model="numpy")
def _new_block(like: Array) -> _Block:
    kind = like.dtype
    return _Block(
        np.empty((2, _BLOCK), np.int64),
        np.empty(_BLOCK, np.int64),
        np.empty((3, _BLOCK), np.int64),
        np.empty((3, _BLOCK), np.int64),
        np.empty((3, _BLOCK), kind),
        np.empty((2, _BLOCK), kind),
        np.empty((3, _BLOCK), np.uint64),
        np.empty((2, _BLOCK), kind),
        np.ones((3, _BLOCK), kind),
        np.ones((3, _BLOCK), kind),
        np.empty((3, _BLOCK), kind),
        np.empty(_BLOCK, kind),
        np.ones((3, _BLOCK), kind),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _next_pixels(triangle: Array, start: int, block: _Block) -> tuple[int, int]:
    """Find covered pixels from ``start`` on, counted row by row: how many, and where to go on."""
    height, width = triangle.shape
    y, x = start // width, start % width
    count = 0
    while y < height:
        while x < width:
            if triangle[y, x] >= 0:
                if count == _BLOCK:
                    return count, y * width + x
                block.where[0, count], block.where[1, count], block.triangle[count] = x, y, triangle[y, x]
                count += 1
            x += 1
        y, x = y + 1, 0
    return count, y * width


@njit(cache=True, nogil=True, error_model="numpy")
def _corners(triangles: Array, block: _Block, count: int, out: Array) -> None:
    for p in range(count):
        f = block.triangle[p]
        out[0, p], out[1, p], out[2, p] = triangles[f, 0], triangles[f, 1], triangles[f, 2]


@njit(cache=True, nogil=True, error_model="numpy")
def _take_steps(seen: Seen, given: Inputs, light: Array, block: _Block, count: int) -> None:
    """Take pixels through the steps that lead to their colour."""
    _corners(seen.triangles, block, count, block.corners)
    kernels.barycentric(given.screen, block.corners, block.where, seen.perspective, count, block.weights)
    if len(given.texture):
        _corners(seen.uv_triangles, block, count, block.uv_corners)
        kernels.interpolate(block.weights, block.uv_corners, seen.uv, count, block.uv)
        kernels.find_texels(given.texture, block.uv, count, block.texels, block.shares)
        kernels.sample_texture(given.texture, block.texels, block.shares, count, block.sampled)
    if len(given.albedo):
        kernels.interpolate(block.weights, block.corners, given.albedo, count, block.albedo)
    if len(given.light):
        kernels.interpolate(block.weights, block.corners, given.normals, count, block.normals)
        kernels.unit(block.normals, count, block.scale)
        kernels.shade(block.normals, light, count, block.shading)


@njit(cache=True, nogil=True, error_model="numpy")
def _polynomial_light(light: Array) -> Array:
    out = np.empty_like(light)
    if len(light):
        kernels.polynomial_light(light, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _read(planes: Array, where: Array, count: int, out: Array) -> None:
    """Values of planes (C, H, W) at pixels, to ``out`` (C, N)."""
    for c in range(len(planes)):
        for p in range(count):
            out[c, p] = planes[c, where[1, p], where[0, p]]


@njit(cache=True, nogil=True, error_model="numpy")
def draw(seen: Seen, given: Inputs, out: Planes) -> Outline:
    """Draw a picture to ``out``, and return what was blended."""
    out.colour[:] = 0
    if len(given.background):
        out.colour[:] = given.background
    out.mask[:] = 0
    out.attributes[:] = 0
    light = _polynomial_light(given.light)
    block = _new_block(given.screen)
    values = np.empty((len(out.attributes), _BLOCK), given.screen.dtype)
    start, end = 0, seen.triangle.size
    while start < end:
        count, start = _next_pixels(seen.triangle, start, block)
        _take_steps(seen, given, light, block, count)
        where = block.where
        for c in range(3):
            for p in range(count):
                colour = block.sampled[c, p] * block.albedo[c, p] * block.shading[c, p]
                out.colour[c, where[1, p], where[0, p]] = colour
        for p in range(count):
            out.mask[0, where[1, p], where[0, p]] = 1
        kernels.interpolate(block.weights, block.corners, given.attributes, count, values)
        for c in range(len(values)):
            for p in range(count):
                out.attributes[c, where[1, p], where[0, p]] = values[c, p]
    crossings = np.empty((0, 6), np.int64)
    if seen.antialias:
        crossings = outline_kernels.visible_crossings(
            given.screen, seen.triangles, seen.neighbours, seen.depth, seen.perspective, seen.cull_back
        )
    weights = outline_kernels.crossing_weights(given.screen, crossings)
    return Outline(
        crossings,
        weights,
        outline_kernels.blend(crossings, weights, out.colour),
        outline_kernels.blend(crossings, weights, out.mask),
        outline_kernels.blend(crossings, weights, out.attributes),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def draw_backward(seen: Seen, given: Inputs, outline: Outline, grad_out: Planes, grad: Inputs) -> None:
    """Add the gradients of :func:`draw` to ``grad``; ``grad_out`` is worked in."""
    grad_weights = np.zeros_like(outline.weights)
    outline_kernels.blend_backward(outline.crossings, outline.weights, outline.colour, grad_out.colour, grad_weights)
    outline_kernels.blend_backward(outline.crossings, outline.weights, outline.mask, grad_out.mask, grad_weights)
    outline_kernels.blend_backward(
        outline.crossings, outline.weights, outline.attributes, grad_out.attributes, grad_weights
    )
    outline_kernels.crossing_weights_backward(given.screen, outline.crossings, grad_weights, grad.screen)
    light = _polynomial_light(given.light)
    grad_light = np.zeros_like(light)
    block = _new_block(given.screen)
    kind = given.screen.dtype
    grad_colour, grad_factor = np.empty((3, _BLOCK), kind), np.empty((3, _BLOCK), kind)
    grad_barycentric, grad_normals = np.empty((3, _BLOCK), kind), np.empty((3, _BLOCK), kind)
    grad_uv = np.empty((2, _BLOCK), kind)
    grad_values = np.empty((len(grad_out.attributes), _BLOCK), kind)
    no_gradient = np.empty((0, 2), kind)
    start, end = 0, seen.triangle.size
    while start < end:
        count, start = _next_pixels(seen.triangle, start, block)
        _take_steps(seen, given, light, block, count)
        _read(grad_out.colour, block.where, count, grad_colour)
        grad_barycentric[:] = 0
        if len(given.texture):
            grad_factor[:] = grad_colour * block.albedo * block.shading
            kernels.sample_texture_backward(
                given.texture, block.texels, block.shares, count, grad_factor, grad_uv, grad.texture
            )
            kernels.interpolate_backward(
                block.weights, block.uv_corners, seen.uv, count, grad_uv, grad_barycentric, no_gradient
            )
        if len(given.albedo):
            grad_factor[:] = grad_colour * block.sampled * block.shading
            kernels.interpolate_backward(
                block.weights, block.corners, given.albedo, count, grad_factor, grad_barycentric, grad.albedo
            )
        if len(given.light):
            grad_factor[:] = grad_colour * block.sampled * block.albedo
            kernels.shade_backward(block.normals, block.scale, light, count, grad_factor, grad_normals, grad_light)
            kernels.interpolate_backward(
                block.weights, block.corners, given.normals, count, grad_normals, grad_barycentric, grad.normals
            )
        _read(grad_out.attributes, block.where, count, grad_values)
        kernels.interpolate_backward(
            block.weights, block.corners, given.attributes, count, grad_values, grad_barycentric, grad.attributes
        )
        kernels.barycentric_backward(
            given.screen,
            block.corners,
            block.where,
            seen.perspective,
            count,
            block.weights,
            grad_barycentric,
            grad.screen,
        )
    if len(grad.light):
        kernels.polynomial_light_backward(grad_light, grad.light)
    if len(grad.background):
        for y in range(seen.triangle.shape[0]):
            for x in range(seen.triangle.shape[1]):
                if seen.triangle[y, x] < 0:
                    for c in range(3):
                        grad.background[c, y, x] += grad_out.colour[c, y, x]

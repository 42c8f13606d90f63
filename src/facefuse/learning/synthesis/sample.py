"""A synthetic photo and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.morphable.registry import load_model

OTHER_PARTS = ("hair", "clothing", "hat", "glasses", "hand", "object")
"""What may be seen besides the regions of the face model."""


def part_names() -> tuple[str, ...]:
    """Names of the labels in `SyntheticPhoto.parts`: background, the model's regions, `OTHER_PARTS`."""
    return ("background", *load_model("base").region_names, *OTHER_PARTS)


@dataclass(frozen=True)
class SyntheticPhoto:
    """A photo of a face of which everything is known.

    Pixels have the centre of the top-left one at (0, 0); ``V``, ``K`` and ``E`` are those of the base model.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
        sRGB.
    identity : (K,) float32
        Identity coefficients of the base model; the least-squares ones where the person comes from another model.
    expression : (E,) float32
        Weights of the base model's expressions, [0, 1]; they are exact.
    vertices : (V, 3) float32
        The true head with its expression, mm, model frame.
    camera : PinholeCamera
        Model frame to pixels.
    landmarks68 : (68, 2) float32
        iBUG points in pixels; the jaw's lie on the true three-dimensional jaw line.
    visible68 : (68,) bool
        Inside the photo and hidden by nothing: neither by the head itself nor by an occluder.
    mesh : (468, 2) float32
        MediaPipe's mesh points in pixels, and
    mesh_visible : (468,) bool
        which of them are visible.
    parts : (H, W) uint8
        What is seen at each pixel, an index into `part_names`.
    occluder : (H, W) bool
        Where something else hides the head: hair over it, glasses, hat, hand, object, clothing.
    depth : (H, W) float32
        Depth of the bare head along the optical axis, mm, also behind occluders; inf beside it.
    light : (9, 3) float32
        Second-order spherical harmonics of all light on the face (shadows left out), as `sh_shade` takes them, for
        normals in the model frame.
    seed : tuple of int
        What the photo was drawn with: seed, person, view.
    """

    pixels: NDArray[np.uint8]
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    vertices: NDArray[np.float32]
    camera: PinholeCamera
    landmarks68: NDArray[np.float32]
    visible68: NDArray[np.bool_]
    mesh: NDArray[np.float32]
    mesh_visible: NDArray[np.bool_]
    parts: NDArray[np.uint8]
    occluder: NDArray[np.bool_]
    depth: NDArray[np.float32]
    light: NDArray[np.float32]
    seed: tuple[int, int, int]


SyntheticRig = tuple[SyntheticPhoto, ...]
"""Photos of one person: all share ``identity``."""

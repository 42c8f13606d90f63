"""Maps of the head, per photo, as PNG files. See docs/maps.md."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facefuse.detection.parts import PARTS
from facefuse.export.png import write_png
from facefuse.reconstruction import PARSING, Reconstruction

MAP_SIZE = 2048
"""Longest side of a map in pixels: those of larger photos are drawn at this size."""
DEPTH_UNIT_MM = 0.1
"""One step of a depth map, unless the head is so far away that 16 bits do not reach."""

Map = npt.NDArray[Any]


@dataclass(frozen=True)
class MapFiles:
    """The maps of one photo as files.

    Attributes
    ----------
    contents : dict of str to bytes
        PNG files by file name.
    entry : dict
        What ``reconstruction.json`` says about them.
    """

    contents: dict[str, bytes]
    entry: dict[str, Any]


def map_files(reconstruction: Reconstruction, index: int, names: Sequence[str]) -> MapFiles:
    """Draw and encode the maps of one photo.

    Parameters
    ----------
    reconstruction : Reconstruction
    index : int
        Of the photo, from 0.
    names : sequence of str
        Of `facefuse.reconstruction.ALL_MAPS`, at least one.

    Returns
    -------
    MapFiles

    Raises
    ------
    UsageError
        If there is no such photo or map.
    """
    drawn = reconstruction.maps(index, names, longest=MAP_SIZE)
    height, width = next(iter(drawn.values())).shape[:2]
    entry: dict[str, Any] = {"width": width, "height": height, "files": {}}
    contents = {}
    for name, values in drawn.items():
        file = f"{name}_{index + 1:02d}.png"
        entry["files"][name] = file
        if name == "depth":
            entry["depth_unit_mm"] = unit = depth_unit(float(values.max()))
            contents[file] = encode_depth(values, unit)
        else:
            contents[file] = _ENCODE[name](values)
    return MapFiles(contents, entry)


def depth_unit(farthest: float) -> float:
    """Millimetres of one step of a depth map: 0.1, or the next of 0.2, 0.5, 1, 2, 5, … that reaches ``farthest``."""
    least = farthest / 65535
    if least <= DEPTH_UNIT_MM:
        return DEPTH_UNIT_MM
    exponent = math.floor(math.log10(least))
    return next(step for lead in (1, 2, 5, 10) if (step := round(lead * 10.0**exponent, 9)) >= least)


def encode_depth(depth: Map, unit: float) -> bytes:
    """Encode (H, W) depth in mm as a 16-bit grey PNG: depth over ``unit``, 0 where the head is not."""
    what = f"depth along the optical axis: value x {unit:g} mm; 0: no head"
    return write_png(np.rint(depth / unit).astype(np.uint16)[..., None], what)


def encode_normals(normals: Map) -> bytes:
    """Encode (H, W, 3) normals, camera axes, as an 8-bit RGB PNG: right, up, towards the camera; black: no head."""
    here = normals.any(axis=-1, keepdims=True)
    codes = np.rint(127.5 + 127.5 * normals * np.array([1, -1, -1], np.float32))
    what = "normal: red right, green up, blue towards the camera; (value - 127.5) / 127.5; black: no head"
    return _png8(Image.fromarray((codes * here).astype(np.uint8)), what)


def encode_pncc(pncc: Map) -> bytes:
    """Encode (H, W, 3) PNCC as an 8-bit RGB PNG: code times 255."""
    return _png8(Image.fromarray(np.rint(255 * pncc).astype(np.uint8)), "projected normalised coordinate code x 255")


def encode_uv(uv: Map) -> bytes:
    """Encode (H, W, 2) texture coordinates as a 16-bit RGB PNG: u, v, and full blue where the head is."""
    here = uv.any(axis=-1, keepdims=True)
    codes = np.rint(65535 * np.concatenate([uv, here], axis=-1)).astype(np.uint16)
    return write_png(codes, "texture coordinate: red u, green v (up) x 65535; blue: head")


def encode_parts(parts: Map) -> bytes:
    """Encode (H, W) labels as a PNG with a palette: its indices are the labels."""
    image = Image.fromarray(parts)
    image.putpalette(part_palette().tobytes())
    return _png8(image, "part labels: 0 none, k + 1 region k of the face model")


def encode_parsing(parsing: Map) -> bytes:
    """Encode (H, W) labels of what the photo shows as a PNG with a palette: its indices are the labels."""
    image = Image.fromarray(parsing)
    image.putpalette(part_palette().tobytes())
    return _png8(image, f"parts seen in the photo: {', '.join(f'{k} {name}' for k, name in enumerate(PARTS))}")


def encode_visibility(visibility: Map) -> bytes:
    """Encode (H, W) visibility as an 8-bit grey PNG: times 255, at least 1 where the head is."""
    codes = np.rint(255 * visibility).astype(np.uint8)
    return _png8(Image.fromarray(codes), "cosine of the viewing angle x 255; 0: no head")


def preview(name: str, values: Map) -> npt.NDArray[np.uint8]:
    """Return a map as a picture for people, (H, W, 3) sRGB: depth from near, bright, to far; labels in colours."""
    if name in ("parts", PARSING):
        return part_palette()[values]
    if name == "normals":
        return np.asarray(Image.open(io.BytesIO(encode_normals(values))))
    if name == "uv":
        values = np.concatenate([values, 0.5 * values.any(axis=-1, keepdims=True)], axis=-1)
    if name == "depth" and values.any():
        near, far = values[values > 0].min(), values.max()
        values = np.where(values > 0, 1 - 0.85 * (values - near) / max(float(far - near), 1e-6), 0)
    codes = np.rint(255 * values).astype(np.uint8)
    return np.repeat(codes[..., None], 3, axis=2) if codes.ndim == 2 else codes


def part_palette() -> npt.NDArray[np.uint8]:
    """Colours of the part labels, (256, 3): black for none, then hues far apart."""
    hue = (np.arange(256) * 0.61803399) % 1.0  # the golden ratio keeps neighbours in the list apart
    tone = np.clip(np.abs((hue[:, None] * 6 + [0, 4, 2]) % 6 - 3) - 1, 0, 1)
    value = np.where(np.arange(256) % 2, 0.95, 0.75)[:, None]
    palette: npt.NDArray[np.uint8] = np.rint(255 * value * (1 - 0.65 * (1 - tone))).astype(np.uint8)
    palette[0] = 0
    return palette


_ENCODE = {
    "normals": encode_normals,
    "pncc": encode_pncc,
    "uv": encode_uv,
    "parts": encode_parts,
    PARSING: encode_parsing,
    "visibility": encode_visibility,
}


def _png8(image: Image.Image, what: str) -> bytes:
    note = PngInfo()
    note.add_text("Description", what)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1, pnginfo=note)
    return out.getvalue()

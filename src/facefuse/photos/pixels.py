"""Any pixel mode into 8-bit sRGB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as in most viewers."""

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image of any mode to 8-bit sRGB, mode ``RGB``.

    Parameters
    ----------
    image : PIL.Image.Image
        Bilevel, grey, palette, RGB, CMYK, YCbCr, L*a*b* or HSV, with or without alpha; 8, 12 or 16 bits, 32-bit
        integers and floats (see `scale_to_bytes`). An embedded ICC profile is applied. Transparent pixels are
        blended over white.

    Returns
    -------
    PIL.Image.Image
        Mode ``RGB``, same size.

    Raises
    ------
    ValueError
        If the pixel values have no plain meaning (floats beyond 65535, nothing finite).
    """
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith(("I", "F")):
        image = _integers_or_floats(image)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")

    if profile:
        image = _through_profile(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        background = Image.new("RGB", image.size, BACKGROUND)
        background.paste(image, mask=alpha)
        image = background
    return image


def pixels_of(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Copy an image of mode ``RGB`` into a writable (H, W, 3) array, strip by strip (Pillow would copy it twice)."""
    out = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for top in range(0, image.height, 512):
        bottom = min(top + 512, image.height)
        out[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return out


def scale_to_bytes(values: npt.NDArray[Any], white: float) -> npt.NDArray[np.uint8]:
    """Scale 0..``white`` to 0..255, rounded and clipped, row by row block so that little extra memory is needed."""
    out = np.empty(values.shape, dtype=np.uint8)
    step = max(1, 4_000_000 // max(1, int(np.prod(values.shape[1:]))))
    for start in range(0, len(values), step):
        block = values[start : start + step].astype(np.float32)
        block = np.nan_to_num(block, copy=False, nan=0.0) * np.float32(255.0 / white)
        out[start : start + step] = np.clip(np.rint(block), 0, 255)
    return out


def _integers_or_floats(image: Image.Image) -> Image.Image:
    """Grey images of more than 8 bits to mode L."""
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode == "F":
        white = _white_of_floats(values)
    elif image.mode == "I":  # 16 bits in 32 (PGM), or 32 bits (TIFF)
        white = 65535.0 if values.max(initial=0) <= 65535 else 2.0**31 - 1
    else:
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        white = 2.0 ** (bits if 8 < bits < 16 else 16) - 1
    grey = scale_to_bytes(values, white)
    if tags.get(_PHOTOMETRIC) == 0:  # "white is zero"; Pillow inverts this for 8 bits and fewer only
        grey = 255 - grey
    return Image.fromarray(grey)


def _white_of_floats(values: npt.NDArray[Any]) -> float:
    """Which value is white in a float image: 1, 255 or 65535, the first that is not exceeded."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ValueError("none of its float values is a finite number")
    top = float(finite.max())
    for white in (1.0, 255.0, 65535.0):
        if top <= white * 1.01:  # resampling overshoots a little
            return white
    raise ValueError(f"its float values reach {top:g}; expected 0-1, 0-255 or 0-65535")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply an ICC profile; the image as it was where the profile is sRGB, unreadable or of another colour space."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image

"""What EXIF says about a photo: which way is up, and the focal length."""

from __future__ import annotations

import math
from typing import Any

from PIL import ExifTags, Image

FILM_DIAGONAL = 43.2666
"""Diagonal of 36 x 24 mm film in millimetres, to which the "35 mm equivalent" focal length refers."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns each EXIF orientation upright; 1 and unknown values stay as they are."""

_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: inch, centimetre, millimetre, micrometre."""


def read_tags(image: Image.Image) -> dict[int, Any]:
    """Return the EXIF tags of an image by number, those of the Exif sub-directory included.

    Empty where there are none, or they are damaged: a photo is usable without them.
    """
    try:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # Pillow's parser raises many kinds of error on damaged EXIF
        return {}


def turn_upright(image: Image.Image, tags: dict[int, Any]) -> Image.Image:
    """Return the image turned or mirrored as the EXIF orientation says."""
    orientation = tags.get(ExifTags.Base.Orientation)
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def focal_length_px(tags: dict[int, Any], width: int, height: int) -> float | None:
    """Focal length in pixels from EXIF.

    ``FocalLengthIn35mmFilm`` f35 gives ``f35 / 43.27 mm * diagonal of the image in pixels`` (the equivalence is that
    of the diagonal angle of view, CIPA DCG-001). Without it, ``FocalLength * FocalPlaneXResolution`` gives pixels of
    the original file, scaled to this one's size. Where the size in EXIF has another aspect ratio the photo has been
    cropped since, by an unknown factor, and nothing is returned.

    Parameters
    ----------
    tags : dict of int to value
        From `read_tags`.
    width, height : int
        Size of the image as stored, before or after turning upright.

    Returns
    -------
    float or None
        None where EXIF says nothing, or nothing a camera could have (outside 0.4 to 20 times the longer side, which
        is 14 to 720 mm on film).
    """
    long, short = max(width, height), min(width, height)
    original = [_number(tags.get(tag)) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    long0, short0 = (max(original), min(original)) if min(original) > 0 else (long, short)
    if abs(math.log((long0 / short0) / (long / short))) > 0.02:
        return None

    film = _number(tags.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if film > 0:
        focal = film / FILM_DIAGONAL * math.hypot(width, height)
    else:
        unit = _MILLIMETRES.get(int(_number(tags.get(ExifTags.Base.FocalPlaneResolutionUnit))) or 2, 0.0)
        per_mm = _number(tags.get(ExifTags.Base.FocalPlaneXResolution)) / unit if unit else 0.0
        focal = _number(tags.get(ExifTags.Base.FocalLength)) * per_mm * long / long0
    return focal if 0.4 * long <= focal <= 20 * long else None


def _number(value: Any) -> float:
    """Return an EXIF number as a float; 0 where it is absent, not a number or a fraction over zero."""
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return 0.0
    return number if math.isfinite(number) else 0.0

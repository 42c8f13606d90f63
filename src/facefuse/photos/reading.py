"""Reading photos safely: files, arrays and PIL images, each either an upright sRGB photo or a clear refusal."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError, features

from facefuse.errors import ImageReadError
from facefuse.photos.exif import focal_length_px, read_tags, turn_upright
from facefuse.photos.photo import Photo
from facefuse.photos.pixels import pixels_of, scale_to_bytes, to_srgb

MAX_PIXELS = 120_000_000
"""More pixels than this are refused before anything is decoded (a decompression bomb is a small file that claims an
enormous picture)."""

MAX_ASPECT = 50
"""No photo is this many times longer than it is wide."""

# Formats with a known header, decoded by Pillow itself (MPO opens as JPEG). Not listed, so never tried: formats that
# start other programs (EPS starts Ghostscript) or that have no signature (TGA).
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
_FORMAT_HINT = "readable are JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP, GIF, PPM and JPEG 2000"
_RAW = frozenset([".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"])
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


def read_photo(source: str | os.PathLike[str] | npt.NDArray[Any] | Image.Image | Photo) -> Photo:
    """Read any image into upright sRGB.

    Parameters
    ----------
    source : path, array, PIL.Image.Image or Photo
        A file: JPEG, PNG, WebP, AVIF, HEIC (extra ``heif``), TIFF, BMP, GIF, PPM or JPEG 2000, of any mode and bit
        depth; EXIF orientation and an embedded ICC profile are applied, transparency is blended over white, the first
        frame of an animation is taken. An array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), sRGB, uint8, uint16 or
        float in 0-1. A photo is returned as it is.

    Returns
    -------
    Photo
        With the focal length in pixels where EXIF tells it.

    Raises
    ------
    ImageReadError
        If it cannot be read; the reason says what is wrong and what to do.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, np.ndarray):
        return Photo(_array_pixels(source))
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "")
        return _from_image(source, name or "image", name or None)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(os.fspath(source))
    raise ImageReadError(
        type(source).__name__, "is not a photo; give a path, a NumPy array (H, W, 3), a PIL image or a facefuse.Photo"
    )


def _from_file(path: str) -> Photo:
    header = _header(path)
    formats = list(_FORMATS)
    if Path(path).suffix.lower() in _RAW:
        raise ImageReadError(path, "is a camera raw file; develop it to JPEG or TIFF first")
    if header[4:8] == b"ftyp":
        formats = [_boxed_format(path, header)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warnings on size and metadata: size is checked below
            with Image.open(path, formats=formats) as image:
                return _from_image(image, path, path)
    except UnidentifiedImageError:
        raise ImageReadError(
            path, f"is not an image, or its beginning is damaged; {_FORMAT_HINT}: convert it or export it again"
        ) from None
    except Image.DecompressionBombError:
        raise ImageReadError(path, _too_many("more than")) from None
    except (ImageReadError, MemoryError):
        raise
    except Exception as error:  # damaged headers raise anything
        raise ImageReadError(path, f"is damaged ({error}); export it again") from None


def _from_image(image: Image.Image, name: str, path: str | None) -> Photo:
    _check_size(name, *image.size)
    try:
        image = _loaded(image, name)
        tags = read_tags(image)  # after loading: Pillow turns TIFF upright itself then, and clears the tag
        pixels = pixels_of(turn_upright(to_srgb(image), tags))
    except MemoryError:
        raise ImageReadError(name, f"does not fit into memory ({image.width} x {image.height}); shrink it") from None
    except ValueError as error:
        raise ImageReadError(name, f"cannot be converted to colours ({error}); convert it to 8-bit RGB") from None
    return Photo(pixels, path, focal_length_px(tags, *image.size))


def _loaded(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # the decoders raise whatever they stumble on in a damaged file
        reason = "is cut short or damaged" if "truncat" in str(error).lower() else "is damaged"
        if image.format == "TIFF":
            reason += f", or its compression ({image.info.get('compression')}) is unknown here"
        raise ImageReadError(name, f"{reason} ({error}); copy, download or export it again") from None
    return image


def _header(path: str) -> bytes:
    """Return the first bytes of a regular, readable, non-empty file."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ImageReadError(path, "is a directory; name the photos in it (such as folder/*.jpg)")
        if not stat.S_ISREG(mode):
            raise ImageReadError(path, "is not a regular file; save the photo to a file first")
        with open(path, "rb") as file:
            header = file.read(64)
    except (FileNotFoundError, NotADirectoryError):
        hint = "download the photo first" if "://" in path else "check the spelling and the folder"
        raise ImageReadError(path, f"no such file; {hint}") from None
    except PermissionError:
        raise ImageReadError(path, "permission denied; make the file readable (chmod u+r) or copy it") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ImageReadError(path, f"cannot be opened ({error}); check the path") from None
    if not header:
        raise ImageReadError(path, "is empty (0 bytes); copy or download it again")
    return header


def _boxed_format(path: str, header: bytes) -> str:
    """Tell AVIF, HEIF and video apart, which share one container; make sure there is a decoder."""
    size = max(12, min(int.from_bytes(header[:4], "big"), len(header)))
    brands = {header[8:12], *(header[k : k + 4] for k in range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        if not features.check("avif"):
            raise ImageReadError(path, "is AVIF, which this Pillow cannot read; pip install --upgrade pillow")
        return "AVIF"
    if brands & _HEIF_BRANDS:
        try:
            from pillow_heif import register_heif_opener  # optional: the extra "heif"
        except ImportError:
            raise ImageReadError(
                path, 'is HEIC/HEIF, which needs one more package: pip install "facefuse[heif]"; or export it as JPEG'
            ) from None
        register_heif_opener()
        return "HEIF"
    raise ImageReadError(path, "is a video or another media file; save a frame of it as JPEG or PNG")


def _check_size(name: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageReadError(name, f"has no pixels ({width} x {height}); export it again")
    if width * height > MAX_PIXELS:
        raise ImageReadError(name, _too_many(f"{width} x {height}, more than"))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageReadError(
            name, f"is {width} x {height} pixels, no shape of a photo (at most {MAX_ASPECT}:1); crop it to the face"
        )


def _too_many(what: str) -> str:
    return f"has too many pixels ({what} {MAX_PIXELS // 1_000_000} megapixels); shrink it or crop it to the face"


def _array_pixels(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    name = f"array {array.shape} {array.dtype}"
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = (
            "; move the channels last: np.moveaxis(a, 0, -1)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        )
        raise ImageReadError(name, f"is no image; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}")
    _check_size(name, array.shape[1], array.shape[0])
    if array.dtype == np.uint16:
        array = scale_to_bytes(array, 65535.0)
    elif array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= -0.01 and high <= 1.01):  # also true for NaN; resampling overshoots a little
            raise ImageReadError(
                name, f"has float values from {low:g} to {high:g}; expected 0 to 1, or convert 0-255 to uint8"
            )
        array = scale_to_bytes(array, 1.0)
    elif array.dtype != np.uint8:
        raise ImageReadError(name, "has an unsupported dtype; expected uint8, uint16 or float in 0-1")
    if array.shape[2] == 4:
        return pixels_of(to_srgb(Image.fromarray(array)))
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array)

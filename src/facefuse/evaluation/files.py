"""The files of a folder or a zip archive, listed and read within bounds."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.errors import ImageReadError, UnusableInput
from facefuse.photos import read_photo

MAX_FILES = 200_000
MAX_FILE_BYTES = 64_000_000
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


class FileCollection:
    """Files of a folder, or of a zip archive that is never unpacked to disk.

    Parameters
    ----------
    path : str or Path
        A folder (searched with its subfolders) or a zip file.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Sorted names relative to ``path``, with forward slashes.

    Raises
    ------
    UnusableInput
        If it is neither a folder nor a zip file, is damaged, encrypted, or holds more files than are read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise UnusableInput(f"{path}: no such file or folder; give a folder or a zip file")
        self._members: dict[str, zipfile.ZipInfo] = {}
        if self.path.is_dir():
            names = [p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file()]
        else:
            names = self._open_zip()
        if len(names) > MAX_FILES:
            raise UnusableInput(f"{path}: holds {len(names)} files, more than the {MAX_FILES} that are read")
        self.names = tuple(sorted(names))

    def read(self, name: str) -> bytes:
        """Return the content of a file of at most 64 MB.

        Raises
        ------
        UnusableInput
            If it is larger or cannot be read.
        """
        try:
            if not self._members:
                with (self.path / name).open("rb") as file:
                    content = file.read(MAX_FILE_BYTES + 1)
            else:
                with self._archive.open(self._members[name]) as file:
                    content = file.read(MAX_FILE_BYTES + 1)  # never more, whatever the archive's directory says
        except (
            OSError,
            KeyError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise UnusableInput(f"{self.path}: {name} cannot be read ({error}); download it again") from error
        if len(content) > MAX_FILE_BYTES:
            raise UnusableInput(f"{self.path}: {name} is larger than the {MAX_FILE_BYTES} bytes that are read")
        return content

    def photos(self) -> tuple[str, ...]:
        """Return the names of the photos."""
        return tuple(name for name in self.names if name.lower().endswith(PHOTO_SUFFIXES))

    def read_pixels(self, name: str) -> npt.NDArray[np.uint8]:
        """Return a photo as (H, W, 3) sRGB.

        Raises
        ------
        UnusableInput
            If it cannot be read.
        """
        try:
            with Image.open(io.BytesIO(self.read(name)), formats=_PHOTO_FORMATS) as image:
                return read_photo(image).pixels
        except (ImageReadError, OSError, Image.DecompressionBombError) as error:
            raise UnusableInput(f"{self.path}: {name} is no readable photo ({error})") from error

    def _open_zip(self) -> list[str]:
        try:
            self._archive = zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UnusableInput(f"{self.path}: neither a folder nor a readable zip file ({error})") from error
        for member in self._archive.infolist():
            if not member.is_dir():
                if member.flag_bits & 0x1:
                    raise UnusableInput(f"{self.path}: {member.filename} is encrypted; unpack the archive first")
                self._members[member.filename] = member
        return list(self._members)

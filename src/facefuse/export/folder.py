"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from facefuse.errors import UnusableInput, UsageError


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write several files into a folder: all of them or none.

    The folder and its parents are made where missing. Files of the same names are replaced, others stay untouched.
    Everything is written into a temporary folder on the same file system first and then renamed into place; after an
    error the earlier state is restored.

    Parameters
    ----------
    folder : Path
    contents : mapping of str to bytes
        File names (no folders) and what they hold.

    Returns
    -------
    list of Path
        The files, in the order given.

    Raises
    ------
    UsageError
        If the folder is a file, or a folder stands where a file should go.
    UnusableInput
        If the folder cannot be written.
    """
    check_folder(folder)
    blocked = [name for name in contents if os.path.isdir(folder / name)]
    if blocked:
        raise UsageError(f"{folder / blocked[0]} is a folder, but a file of that name is to be written; choose another")
    ancestor = folder
    while not os.path.exists(ancestor):
        ancestor = ancestor.parent
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".facefuse-", dir=ancestor))
        try:
            _write_through(scratch, folder, contents)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise UnusableInput(
            f"cannot write in {folder}: {error.strerror or error}; choose a folder with room that you may write in"
        ) from error
    return [folder / name for name in contents]


def check_folder(folder: Path) -> None:
    """Raise UsageError if the outputs cannot go into ``folder`` because it, or a parent of it, is a file."""
    for path in (folder, *folder.parents):
        if os.path.exists(path) and not os.path.isdir(path):
            raise UsageError(f"the output folder {folder} cannot be made: {path} is a file; give a folder")


def _write_through(scratch: Path, folder: Path, contents: Mapping[str, bytes]) -> None:
    fresh, old = scratch / "new", scratch / "old"
    fresh.mkdir()
    old.mkdir()
    for name, data in contents.items():
        (fresh / name).write_bytes(data)
    made = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    moved: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in contents:
            if os.path.lexists(folder / name):
                os.replace(folder / name, old / name)
            moved.append(name)
            os.replace(fresh / name, folder / name)
    except BaseException:  # an interrupt must not leave half of the files either
        for name in reversed(moved):
            (folder / name).unlink(missing_ok=True)
            if os.path.lexists(old / name):
                os.replace(old / name, folder / name)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise

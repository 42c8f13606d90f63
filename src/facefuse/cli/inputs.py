"""Words of the command line into values."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from typing import Literal

from facefuse.errors import UsageError


def expand_photos(words: Sequence[str]) -> list[str]:
    """Expand patterns that the shell left alone (Windows never expands them), in sorted order.

    Raises
    ------
    UsageError
        If no photo is named.
    """
    if not words:
        raise UsageError("no photo given; name one or more photos of one person")
    photos: list[str] = []
    for word in words:
        matches = [] if os.path.lexists(word) or not glob.has_magic(word) else sorted(glob.glob(word, recursive=True))
        photos += matches or [word]  # a pattern without a match is reported as the missing file it is
    return photos


def parse_face(word: str) -> Literal["largest"] | int:
    """Parse ``largest`` or a number.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if word == "largest":
        return "largest"
    if word.isascii() and word.isdigit():
        return int(word)
    raise UsageError(f"--face {word}: expected 'largest', or 0 for the largest face, 1 for the next, …")


def parse_names(option: str, words: str, known: Iterable[str]) -> tuple[str, ...]:
    """Parse the comma-separated names given to an option, each once, in the order given.

    Raises
    ------
    UsageError
        If one is unknown, or none is named.
    """
    names = tuple(dict.fromkeys(word.strip().lower() for word in words.split(",") if word.strip()))
    choices = tuple(known)
    if not names or any(name not in choices for name in names):
        raise UsageError(f"{option} {words}: expected a comma-separated list of {', '.join(choices)}")
    return names

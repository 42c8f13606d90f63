"""Typed errors: each message says what was found, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path


class FacefuseError(Exception):
    """Base class of every error this package raises on purpose."""


class UsageError(FacefuseError):
    """The call itself is wrong: an option out of range, no photo given (exit code 2)."""


class UnusableInput(FacefuseError):
    """An input cannot be used: which one, why, and what to do (exit code 3)."""


class ImageReadError(UnusableInput):
    """A photo could not be read.

    Parameters
    ----------
    path : str or Path
        What was asked for.
    reason : str
        Why it cannot be read and what would help.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class NoFaceFound(UnusableInput):
    """No face was found in a photo, or in any of the photos."""


class AssetError(FacefuseError):
    """A model file is missing, damaged or of another format; the message names the mending command."""

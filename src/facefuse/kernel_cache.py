"""Where compiled kernels are kept between runs."""

from __future__ import annotations

import os
import stat


def ensure_kernel_cache() -> None:
    """Make sure that Numba finds a place to keep compiled kernels; has to run before Numba is imported.

    Numba keeps them beside the package, or else in the user's cache folder, and refuses to work where neither can be
    written: a read-only installation, run by a user without a home. There, a private temporary folder is used.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~")
    if not any(os.access(folder, os.W_OK | os.X_OK) for folder in (os.path.dirname(__file__), home)):
        os.environ["NUMBA_CACHE_DIR"] = _private_folder()


def _private_folder() -> str:
    """Return a folder that only this user can write: what lies in it is executed."""
    import tempfile  # late: needed almost never, and "import facefuse" is to be quick

    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = os.path.join(tempfile.gettempdir(), f"facefuse-kernels-{user}")
    try:
        if not os.path.lexists(folder):
            os.mkdir(folder, mode=0o700)
        found = os.lstat(folder)
        if stat.S_ISDIR(found.st_mode) and not (hasattr(os, "getuid") and _open_to_others(found)):
            return folder
    except OSError:
        pass  # somebody else's file stands there
    return tempfile.mkdtemp(prefix="facefuse-kernels-")


def _open_to_others(found: os.stat_result) -> bool:
    return found.st_uid != os.getuid() or bool(found.st_mode & 0o077)

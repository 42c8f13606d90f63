"""Telling people about the one-time compilation of the numerical kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facefuse.cli.terminal import note


@contextmanager
def compilation_announced(quiet: bool = False) -> Iterator[None]:
    """Say on stderr, once, if kernels are compiled within the block: on the first run, and after an update.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    """
    from numba.core import event  # late: takes a while to import

    from facefuse.cli.late_kernels import compile_late_kernels_apart

    class Announcement(event.Listener):  # type: ignore[misc]
        told = False

        def on_start(self, event: Any) -> None:
            if not self.told:
                self.told = True
                compile_late_kernels_apart()
                if not quiet:
                    note("first run: compiling the numerical kernels, once (some seconds) …")

        def on_end(self, event: Any) -> None:
            """Say nothing."""

    with event.install_listener("numba:compile", Announcement()):
        yield

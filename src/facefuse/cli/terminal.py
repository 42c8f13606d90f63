"""What the commands say: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Tell(Protocol):
    """Told the stage that begins and the fraction of the work done, 0-1."""

    def __call__(self, stage: str, fraction: float) -> None:
        """Report progress."""
        ...


def result(text: str) -> None:
    """Print a result on stdout; what its encoding cannot express (odd file names) is escaped."""
    print(_printable(text, sys.stdout.encoding))


def result_json(value: Any) -> None:
    """Print a value as JSON on stdout; numbers that are not finite become null."""
    print(json.dumps(_finite(value), indent=1, allow_nan=False))


def note(text: str) -> None:
    """Print what a person should know on stderr."""
    print(_printable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Show a progress bar on stderr while the block runs: on a terminal only, and not where ``quiet``."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from rich.console import Console  # late: --help need not wait for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)


def _printable(text: str, encoding: str | None) -> str:
    return text.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not (abs(value) <= sys.float_info.max):
        return None
    return value

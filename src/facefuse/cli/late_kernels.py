"""``python -m facefuse.cli.late_kernels``: compile the kernels that a first run needs last, beside the first run.

Numba compiles one kernel at a time; a second process halves the wait. What it has finished lies in the common cache
when the first run comes to it. A signature that no longer fits costs nothing but time.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any, Literal

from numba import types

_flag, _byte, _index, _long = types.boolean, types.uint8, types.int32, types.int64
_single, _double = types.float32, types.float64


def _array(kind: Any, dimensions: int, layout: Literal["A", "C"] = "C", readonly: bool = False) -> Any:
    return types.Array(kind, dimensions, layout, readonly=readonly)


def late_kernels() -> list[tuple[Any, tuple[Any, ...]]]:
    """Return kernels with the types they are called with, the last one of a run first."""
    from facefuse.export.kernels import turn_normals
    from facefuse.rendering.paint import paint
    from facefuse.texturing.kernels import compose_texels, project_texels, pull, push, round_to_bytes, trust_colours

    flags2 = _array(_flag, 2)
    index1, index2 = _array(_index, 1), _array(_index, 2)
    single1, single2, single3 = (_array(_single, n) for n in (1, 2, 3))
    double1, double2 = _array(_double, 1), _array(_double, 2)
    starts, chosen = _array(_long, 1), _array(_long, 1, "A")
    pixels, photo = _array(_byte, 3), _array(_byte, 3, readonly=True)
    return [
        (turn_normals, (single2, index2, single3, flags2, chosen, starts, chosen, starts, single2)),
        (paint, (index2, single3, index2, single2, single2, index2, pixels, single1, _long, single3)),
        (round_to_bytes, (_long, _long, single3, pixels)),
        (push, (single3, single3, flags2)),
        (pull, (single3, flags2, single3, flags2)),
        (
            compose_texels,
            (
                *(_long, _long, index1, index1, single2, index2, index1, single2, single2, single2),
                *(_double, _double, _double, single3, single2, single2, single3),
            ),
        ),
        (
            project_texels,
            (
                *(_long, _long, index1, single2, index2, single2, single1, single1, single2),
                *(_double, single2, single2, _double, _double, photo, single2, _double, single2),
            ),
        ),
        (trust_colours, (single3, single3, index2, double2, double1, double2, double1, double1, single2, single2)),
    ]


def compile_late_kernels_apart() -> None:
    """Start a process that compiles them; nobody waits for it."""
    with suppress(OSError):  # then this process compiles everything
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    for kernel, signature in late_kernels():
        kernel.compile(signature)

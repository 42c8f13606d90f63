"""The kernels that are compiled ahead are those that a reconstruction needs, with the types it uses."""

from __future__ import annotations

from pathlib import Path

from skimage import data

import facefuse
from facefuse.cli.late_kernels import late_kernels


def test_a_reconstruction_uses_these_kernels_with_these_types(tmp_path: Path) -> None:
    facefuse.reconstruct(data.astronaut()).save(tmp_path / "out")
    for kernel, signature in late_kernels():
        assert signature in kernel.signatures, (kernel.__name__, kernel.signatures)

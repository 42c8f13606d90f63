from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from facefuse.geometry.arrays import array_namespace


def test_arrays_of_one_library_give_its_functions() -> None:
    xp = array_namespace(np.zeros(2), np.ones((1, 2)))
    np.testing.assert_array_equal(xp.concat((np.zeros(1), xp.astype(np.ones(1, int), float))), [0, 1])
    torch = pytest.importorskip("torch")
    assert isinstance(array_namespace(torch.zeros(1)).concat((torch.zeros(1), torch.ones(1))), torch.Tensor)
    with pytest.raises(TypeError):
        array_namespace(np.zeros(1), torch.zeros(1))


def test_numpy_alone_does_not_import_its_development_tools() -> None:
    code = (
        "import sys, numpy as np; from facefuse.geometry.rotations import rotvec_to_rotmat;"
        "rotvec_to_rotmat(np.zeros(3)); sys.exit('numpy.f2py' in sys.modules and hasattr(np, 'cumulative_sum'))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

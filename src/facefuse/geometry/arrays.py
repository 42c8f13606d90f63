"""One mathematics for NumPy and PyTorch: the functions that belong to some arrays."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

_STANDARD = hasattr(np, "astype") and hasattr(np, "cumulative_sum")


def array_namespace(*arrays: Any) -> Any:
    """Return the array API namespace (https://data-apis.org/array-api) of some arrays.

    NumPy from version 2.1 is its own: going through `array_api_compat` would import the whole of NumPy, its test and
    Fortran tools included, and take a tenth of a second.
    """
    if _STANDARD and all(isinstance(array, np.ndarray) for array in arrays):
        return np
    return array_api_compat.array_namespace(*arrays)

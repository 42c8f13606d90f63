"""What every test of the learning rooms leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def full_float_range() -> Iterator[None]:
    """Training rounds denormal numbers to zero in the whole process; later tests count on them."""
    yield
    torch.set_flush_denormal(False)

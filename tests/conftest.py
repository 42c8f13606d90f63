"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FACEFUSE_DATA", default))
    if not folder.is_dir():
        pytest.skip("the real test data are not on this machine (set FACEFUSE_DATA)")
    return folder

"""Compiled kernels always find a place."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from facefuse.kernel_cache import ensure_kernel_cache


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither the package nor the home can be written."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return tmp_path


def test_nothing_is_changed_where_numba_finds_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ensure_kernel_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_chosen_place_is_kept(nowhere: Path) -> None:
    os.environ["NUMBA_CACHE_DIR"] = "chosen"
    ensure_kernel_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == "chosen"


def test_a_private_folder_is_used_again(nowhere: Path) -> None:
    ensure_kernel_cache()
    folder = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    assert folder.parent == nowhere
    assert os.name == "nt" or stat.S_IMODE(folder.stat().st_mode) == 0o700
    ensure_kernel_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_open_to_others_is_not_trusted(nowhere: Path) -> None:
    ensure_kernel_cache()
    folder = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    folder.chmod(0o777)
    ensure_kernel_cache()
    other = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    assert other != folder
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    folder.chmod(0o700)
    folder.rmdir()
    folder.symlink_to(other)
    ensure_kernel_cache()
    assert os.environ["NUMBA_CACHE_DIR"] != str(folder)

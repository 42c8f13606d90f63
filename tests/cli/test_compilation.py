"""The one-time compilation is announced, and only when there is one."""

from __future__ import annotations

import numba
import pytest

from facefuse.cli.compilation import compilation_announced


def test_compiling_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    one = numba.njit(lambda x: x + 1)
    two = numba.njit(lambda x: x + 2)
    with compilation_announced():
        assert one(1) + two(1) == 5
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("compiling") == 1
    with compilation_announced():
        assert one(2) == 3
    assert capsys.readouterr().err == ""


def test_quiet_runs_compile_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    three = numba.njit(lambda x: x + 3)
    with compilation_announced(quiet=True):
        assert three(1) == 4
    assert capsys.readouterr().err == ""

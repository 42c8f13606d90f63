"""Results on stdout, the rest on stderr."""

from __future__ import annotations

import json

import pytest

from facefuse.cli import terminal


def test_json_is_valid_whatever_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.result_json({"a": [1.5, float("nan"), float("inf")], "b": ("ä", None, True)})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": [1.5, None, None], "b": ["ä", None, True]}
    assert captured.err == ""


def test_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.note("careful")
    assert capsys.readouterr() == ("", "careful\n")


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    with terminal.progress(quiet) as tell:
        tell("reading", 0.5)
    assert capsys.readouterr() == ("", "")


def test_progress_shows_the_stage_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress(quiet=False) as tell:
        tell("reading photos", 0.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading photos" in captured.err


def test_odd_file_names_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.result("face\udcff.jpg")
    terminal.note("face\udcff.jpg")
    assert capsys.readouterr() == ("face\\udcff.jpg\n", "face\\udcff.jpg\n")

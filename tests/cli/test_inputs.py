"""Words of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from facefuse.cli.inputs import expand_photos, parse_face, parse_names
from facefuse.errors import UsageError


def test_patterns_are_expanded_in_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "c.png"):
        (tmp_path / name).touch()
    assert expand_photos([str(tmp_path / "*.jpg")]) == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]


def test_names_with_brackets_are_files_first(tmp_path: Path) -> None:
    odd = tmp_path / "me[1].jpg"
    odd.touch()
    (tmp_path / "me1.jpg").touch()
    assert expand_photos([str(odd)]) == [str(odd)]


def test_a_pattern_without_a_match_stays() -> None:
    assert expand_photos(["nothing-here-*.jpg"]) == ["nothing-here-*.jpg"]


def test_no_photo_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no photo given"):
        expand_photos([])


def test_face() -> None:
    assert parse_face("largest") == "largest"
    assert parse_face("0") == 0
    assert parse_face("12") == 12


@pytest.mark.parametrize("word", ["", "-1", "1.5", "big", "²"])
def test_other_faces_are_wrong_usage(word: str) -> None:
    with pytest.raises(UsageError, match="--face"):
        parse_face(word)


def test_formats() -> None:
    known = ("glb", "obj", "ply")
    assert parse_names("--formats", "glb", known) == ("glb",)
    assert parse_names("--formats", "PLY, glb,ply", known) == ("ply", "glb")


@pytest.mark.parametrize("words", ["", ",", "fbx", "glb,fbx"])
def test_other_formats_are_wrong_usage(words: str) -> None:
    with pytest.raises(UsageError, match=r"--formats.*glb, obj, ply"):
        parse_names("--formats", words, ("glb", "obj", "ply"))

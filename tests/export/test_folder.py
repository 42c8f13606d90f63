"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facefuse.errors import UnusableInput, UsageError
from facefuse.export.folder import write_files


def state(folder):
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_makes_the_folder_and_its_parents(tmp_path):
    folder = tmp_path / "a" / "b"
    written = write_files(folder, {"one.txt": b"1", "two.bin": b"\0\1"})
    assert written == [folder / "one.txt", folder / "two.bin"]
    assert state(tmp_path) == {"a": None, "a/b": None, "a/b/one.txt": b"1", "a/b/two.bin": b"\0\1"}


def test_replaces_files_of_the_same_name_only(tmp_path):
    (tmp_path / "head.glb").write_bytes(b"old")
    (tmp_path / "diary.txt").write_bytes(b"mine")
    (tmp_path / "sub").mkdir()
    write_files(tmp_path, {"head.glb": b"new"})
    assert state(tmp_path) == {"head.glb": b"new", "diary.txt": b"mine", "sub": None}


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("fail_at", [0, 1, 2, 3])
def test_an_error_while_moving_restores_everything(tmp_path, monkeypatch, error, fail_at):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a").write_bytes(b"old a")
    (folder / "other").write_bytes(b"other")
    before = state(tmp_path)
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == fail_at + 1:
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises((UnusableInput, KeyboardInterrupt)):
        write_files(folder, {"a": b"new a", "b": b"new b", "c": b"new c"})
    assert state(tmp_path) == before


def test_an_error_while_writing_leaves_no_folder(tmp_path, monkeypatch):
    real = Path.write_bytes

    def write_bytes(path, data):
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(UnusableInput, match="No space left on device"):
        write_files(tmp_path / "x" / "y", {"a": b"1", "b": b"2"})
    assert state(tmp_path) == {}


def test_a_file_in_the_way_is_a_usage_error(tmp_path):
    (tmp_path / "out").write_bytes(b"a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(UsageError, match="is a file"):
            write_files(folder, {"a": b"1"})
    assert state(tmp_path) == {"out": b"a file"}


def test_a_folder_in_the_way_of_a_file_is_a_usage_error(tmp_path):
    (tmp_path / "head.glb").mkdir()
    with pytest.raises(UsageError, match=r"head\.glb is a folder"):
        write_files(tmp_path, {"a": b"1", "head.glb": b"2"})
    assert state(tmp_path) == {"head.glb": None}


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a file system nobody can write in")
def test_a_folder_that_cannot_be_written_says_so():
    with pytest.raises(UnusableInput, match=r"cannot write in /proc/facefuse: .*; choose a folder"):
        write_files(Path("/proc/facefuse"), {"a": b"1"})


def test_the_folder_is_as_open_as_any_other(tmp_path):
    write_files(tmp_path / "out", {"a": b"1"})
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode

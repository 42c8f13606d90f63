import zipfile

import numpy as np
import pytest
from PIL import Image

from facefuse.errors import UnusableInput
from facefuse.evaluation.files import FileCollection


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "data" / "b"
    inner.mkdir(parents=True)
    (inner.parent / "notes.txt").write_text("hello")
    Image.new("RGB", (6, 4), (255, 0, 0)).save(inner / "red.png")
    (inner / "broken.jpg").write_bytes(b"no photo")
    return inner.parent


def zipped(folder):
    path = folder.parent / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def test_folder_and_zip_read_alike(folder):
    for files in (FileCollection(folder), FileCollection(zipped(folder))):
        assert files.names == ("b/broken.jpg", "b/red.png", "notes.txt")
        assert files.photos() == ("b/broken.jpg", "b/red.png")
        assert files.read("notes.txt") == b"hello"
        np.testing.assert_array_equal(files.read_pixels("b/red.png"), np.full((4, 6, 3), [255, 0, 0]))
        with pytest.raises(UnusableInput, match=r"broken\.jpg is no readable photo"):
            files.read_pixels("b/broken.jpg")


def test_what_is_no_collection_says_so(folder):
    with pytest.raises(UnusableInput, match="no such file or folder"):
        FileCollection(folder / "nothing")
    with pytest.raises(UnusableInput, match="neither a folder nor a readable zip"):
        FileCollection(folder / "notes.txt")


def test_bounds_hold_whatever_the_archive_claims(folder, monkeypatch):
    path = zipped(folder)
    monkeypatch.setattr("facefuse.evaluation.files.MAX_FILE_BYTES", 4)
    for source in (folder, path):
        with pytest.raises(UnusableInput, match="larger than"):
            FileCollection(source).read("notes.txt")
    monkeypatch.setattr("facefuse.evaluation.files.MAX_FILES", 2)
    with pytest.raises(UnusableInput, match="holds 3 files"):
        FileCollection(path)


def test_a_damaged_member_says_so(folder):
    path = folder.parent / "stored.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello hello")
    path.write_bytes(path.read_bytes().replace(b"hello hello", b"hellO hello", 1))
    with pytest.raises(UnusableInput, match=r"a\.txt cannot be read"):
        FileCollection(path).read("a.txt")


def test_an_encrypted_archive_says_so(folder):
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    for at in range(len(content) - 10):
        if content[at : at + 4] == b"PK\x01\x02":
            content[at + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UnusableInput, match="encrypted"):
        FileCollection(path)

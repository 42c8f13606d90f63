"""Whatever people hand over: a result, or an exit code, a reason, a way out, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from facefuse.cli.main import main
from facefuse.detection.find import find_faces
from facefuse.photos import read_photo

data = pytest.importorskip("skimage.data", reason="the portrait comes with scikit-image")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str
    files: set[str]


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    """A real, public-domain portrait: the head of the astronaut, 256 x 256."""
    return Image.fromarray(data.astronaut()).crop((96, 0, 352, 256))


@pytest.fixture
def wall() -> Image.Image:
    """A photo without a face."""
    return Image.fromarray(data.brick()).convert("RGB")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run ``facefuse reconstruct`` quickly; tell what happened and what was written."""

    def call(*photos: Path | str, options: tuple[str, ...] = ()) -> Outcome:
        words = ["reconstruct", *map(str, photos), "--out", str(tmp_path / "out"), "--texture-size", "64"]
        code = main([*words, "--formats", "ply", *options])
        said = capsys.readouterr()
        left_over = [path for path in tmp_path.rglob("*") if path.name.startswith((".facefuse", ".tmp"))]
        assert left_over == []
        out = tmp_path / "out"
        return Outcome(code, said.out, said.err, {path.name for path in out.iterdir()} if out.is_dir() else set())

    return call


def assert_refused(outcome: Outcome, *says: str) -> None:
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.files == set()
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    for text in says:
        assert text in outcome.err


def assert_done(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err
    assert {"head.ply", "reconstruction.json", "report.html", "overlay_01.png"} <= outcome.files


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


# --- photos that work -------------------------------------------------------------------------------------------------

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def landmarks_of(paths: list[Path], capsys: pytest.CaptureFixture[str]) -> dict[str, np.ndarray]:
    """The landmarks of the first face of every photo, by file name, through ``facefuse detect``."""
    assert main(["detect", "--json", *map(str, paths)]) == 0
    found = json.loads(capsys.readouterr().out)
    return {Path(photo["path"]).name: np.array(photo["faces"][0]["landmarks68"]) for photo in found}


def test_exif_orientations_give_the_same_landmarks(
    portrait: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for orientation, stored in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = portrait if stored is None else portrait.transpose(stored)
        paths.append(saved(image, tmp_path / f"{orientation}.png", exif=exif))
    found = landmarks_of(paths, capsys)
    assert len(found) == 8
    for name, landmarks in found.items():
        assert np.abs(landmarks - found["1.png"]).max() < 0.1, name


def formats(portrait: Image.Image) -> dict[str, tuple[Image.Image, dict[str, object]]]:
    grey = np.asarray(portrait.convert("L"))
    return {
        "grey.jpg": (portrait.convert("L"), {}),
        "palette.png": (portrait.quantize(256), {}),
        "palette.gif": (portrait.quantize(256), {}),
        "alpha.png": (portrait.convert("RGBA"), {}),
        "cmyk.jpg": (portrait.convert("CMYK"), {}),
        "cmyk.tif": (portrait.convert("CMYK"), {}),
        "sixteen.png": (Image.fromarray(grey.astype(np.uint16) * 257), {}),
        "sixteen.tif": (Image.fromarray(grey.astype(np.uint16) * 257), {}),
        "sixteen.pgm": (Image.fromarray(grey.astype(np.int32) * 257), {}),
        "float.tif": (Image.fromarray(grey.astype(np.float32) / 255), {}),
        "photo.webp": (portrait, {"quality": 90}),
        "photo.avif": (portrait, {"quality": 90}),
        "photo.bmp": (portrait, {}),
        "photo.jp2": (portrait, {}),
    }


def test_every_kind_of_file_gives_the_same_landmarks(
    portrait: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"reference.png": (portrait, {}), **formats(portrait)}
    if not features.check("avif"):
        del files["photo.avif"]
    found = landmarks_of([saved(image, tmp_path / name, **how) for name, (image, how) in files.items()], capsys)
    assert set(found) == set(files)
    for name, landmarks in found.items():
        assert np.abs(landmarks - found["reference.png"]).mean() < 2.5, name


def test_a_grey_photo_makes_a_head(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    assert_done(run(saved(portrait.convert("LA"), tmp_path / "grey.png")))


def test_heic(portrait: Image.Image, tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 90)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert_refused(run(path), "photo.heic", 'pip install "facefuse[heif]"')


def test_heic_with_its_package(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    assert_done(run(saved(portrait, tmp_path / "photo.heic")))


def test_a_face_in_a_hundred_megapixels(portrait: Image.Image) -> None:
    small = find_faces(read_photo(portrait))[0][1].points68
    large = find_faces(read_photo(portrait.resize((10_000, 10_000))))[0][1].points68
    assert np.abs((large + 0.5) * portrait.width / 10_000 - 0.5 - small).mean() < 2.5


@pytest.mark.slow
def test_a_hundred_megapixels(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    assert_done(run(saved(portrait.resize((10_000, 10_000)), tmp_path / "large.jpg", quality=85)))
    assert document(tmp_path)["photos"][0]["width"] == 10_000


# --- photos that do not -----------------------------------------------------------------------------------------------


def test_no_face(wall: Image.Image, tmp_path: Path, run: Callable) -> None:
    assert_refused(run(saved(wall, tmp_path / "wall.jpg")), "wall.jpg", "no face found", "use a photo")


def test_ten_pixels(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    path = saved(portrait.resize((10, 10)), tmp_path / "tiny.png")
    assert_refused(run(path), "tiny.png", "10 x 10 pixels", "use the original photo")


def test_files_that_are_no_photos(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    whole = saved(portrait, tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "folder").mkdir()
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0"
    bomb += zlib.crc32(bomb[12:29]).to_bytes(4, "big") + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
    cases = {
        "truncated.jpg": (whole[: len(whole) // 2], "cut short"),
        "empty.jpg": (b"", "is empty"),
        "letter.jpg": (b"Dear Sir or Madam,\n" * 40, "is not an image"),
        "bomb.png": (bomb, "too many pixels"),
        "folder": (None, "is a directory"),
        "missing.jpg": (None, "no such file"),
    }
    for name, (content, says) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert_refused(run(tmp_path / name), name, says)


def test_all_of_several_photos_are_named(wall: Image.Image, tmp_path: Path, run: Callable) -> None:
    (tmp_path / "empty.jpg").touch()
    outcome = run(saved(wall, tmp_path / "wall.jpg"), tmp_path / "empty.jpg", tmp_path / "missing.jpg")
    assert_refused(outcome, "none of the photos", "wall.jpg: no face", "empty.jpg: is empty", "missing.jpg: no such")


def test_earlier_results_survive_a_failure(
    portrait: Image.Image, wall: Image.Image, tmp_path: Path, run: Callable
) -> None:
    assert_done(run(saved(portrait, tmp_path / "face.png")))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert run(saved(wall, tmp_path / "wall.jpg")).code == 3
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_result_folder_that_is_a_file(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    (tmp_path / "out").write_text("my notes")
    outcome = run(saved(portrait, tmp_path / "face.png"))
    assert outcome.code == 2
    assert "is a file" in outcome.err
    assert (tmp_path / "out").read_text() == "my notes"


# --- photos that do not belong together -------------------------------------------------------------------------------


def document(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "reconstruction.json").read_text())


def test_several_faces(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    both = Image.new("RGB", (640, 280), (90, 110, 100))
    both.paste(portrait, (10, 10))
    both.paste(portrait.resize((150, 150)), (400, 60))
    path = saved(both, tmp_path / "both.png")
    outcome = run(path)
    assert_done(outcome)
    assert "both.png: 2 faces; the largest is used (--face INDEX" in outcome.err
    assert document(tmp_path)["photos"][0]["box"][0] < 280
    assert_done(run(path, options=("--face", "1")))
    assert document(tmp_path)["photos"][0]["box"][0] > 380
    shutil.rmtree(tmp_path / "out")
    assert_refused(run(path, options=("--face", "2")), "both.png", "no face 2: 2 found")


def test_the_same_photo_twice(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    one, two = saved(portrait, tmp_path / "one.png"), saved(portrait, tmp_path / "two.jpg", quality=80)
    outcome = run(one, two)
    assert_done(outcome)
    assert f"warning: {two}: is the same picture as {one}; used once" in outcome.err
    assert len(document(tmp_path)["photos"]) == 1
    assert document(tmp_path)["warnings"]


def test_one_unusable_photo_among_good_ones(
    portrait: Image.Image, wall: Image.Image, tmp_path: Path, run: Callable
) -> None:
    good = saved(portrait, tmp_path / "good.png")
    mirrored = saved(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT), tmp_path / "mirrored.png")
    (tmp_path / "empty.jpg").touch()
    outcome = run(good, tmp_path / "empty.jpg", saved(wall, tmp_path / "wall.jpg"), mirrored)
    assert_done(outcome)
    assert f"not used: {tmp_path / 'empty.jpg'}: is empty" in outcome.err
    assert f"not used: {tmp_path / 'wall.jpg'}: no face found" in outcome.err
    assert [Path(photo["path"]).name for photo in document(tmp_path)["photos"]] == ["good.png", "mirrored.png"]
    assert [Path(photo["path"]).name for photo in document(tmp_path)["skipped"]] == ["empty.jpg", "wall.jpg"]


def test_two_different_people(shared_data: Path, tmp_path: Path, run: Callable) -> None:
    folder = shared_data / "london"
    one, other = ([folder / f"{person}_{view}.jpg" for view in ("03", "08")] for person in ("001", "004"))
    outcome = run(*one, *other)
    assert_done(outcome)
    assert "the photos seem to show 2 different people" in outcome.err
    assert "001_03.jpg" in outcome.err
    assert_done(run(*one))


# --- streams ----------------------------------------------------------------------------------------------------------


def test_json_is_all_there_is_on_stdout(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    outcome = run(saved(portrait, tmp_path / "face.png"), tmp_path / "missing.jpg", options=("--json",))
    assert_done(outcome)
    found = json.loads(outcome.out)
    assert found["skipped"][0]["path"].endswith("missing.jpg")
    assert {Path(path).name for path in found["files"]} == outcome.files


def test_quiet_prints_nothing_but_warnings(portrait: Image.Image, tmp_path: Path, run: Callable) -> None:
    path = saved(portrait, tmp_path / "face.png")
    run(path)  # compiles
    outcome = run(path, options=("--quiet",))
    assert_done(outcome)
    assert (outcome.out, outcome.err) == ("", "")
    assert "missing.jpg" in run(path, tmp_path / "missing.jpg", options=("--quiet",)).err


def test_detect(portrait: Image.Image, wall: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face, bare = saved(portrait, tmp_path / "face.png"), saved(wall, tmp_path / "wall.jpg")
    assert main(["detect", "--json", str(face), str(bare)]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [len(photo["faces"]) for photo in found] == [1, 0]
    assert np.array(found[0]["faces"][0]["landmarks68"]).shape == (68, 2)
    assert main(["detect", str(face), str(tmp_path / "missing.jpg"), str(bare)]) == 3
    said = capsys.readouterr()
    assert said.out.splitlines()[0].startswith(f"{face}  face 0  box ")
    assert said.out.splitlines()[1] == f"{bare}  no face"
    assert "missing.jpg: no such file" in said.err


def test_a_process_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam,\n")
    done = subprocess.run(
        [sys.executable, "-m", "facefuse", "reconstruct", "letter.jpg", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("error: letter.jpg: is not an image")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.jpg"]


def test_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out" / "head.glb") in capsys.readouterr().out.splitlines()
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert main(["demo", "--out", str(tmp_path / "none")]) == 3
    assert 'pip install "facefuse[demo]"' in capsys.readouterr().err
    assert not (tmp_path / "none").exists()

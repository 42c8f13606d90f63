"""Any image becomes upright sRGB, or a refusal that says why and what to do."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from facefuse.errors import ImageReadError
from facefuse.photos import MAX_PIXELS, Photo, read_photo, same_photo
from facefuse.photos.exif import focal_length_px
from facefuse.photos.pixels import BACKGROUND, scale_to_bytes

CORNERS = {"red": (0, 0), "green": (0, -1), "blue": (-1, 0), "white": (-1, -1)}
COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250), "white": (250, 250, 250)}


def landmark_picture(width: int = 48, height: int = 32) -> Image.Image:
    """A picture whose four quarters tell which way is up."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = COLOURS["red"]
    pixels[: height // 2, width // 2 :] = COLOURS["green"]
    pixels[height // 2 :, : width // 2] = COLOURS["blue"]
    pixels[height // 2 :, width // 2 :] = COLOURS["white"]
    return Image.fromarray(pixels)


def smooth_picture(width: int = 160, height: int = 120, seed: int = 0) -> np.ndarray:
    """A photo-like picture: smooth random colours."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def assert_upright(photo: Photo, tolerance: int) -> None:
    assert photo.pixels.shape == (32, 48, 3)
    for name, (row, column) in CORNERS.items():
        found = photo.pixels[3 if row == 0 else -4, 3 if column == 0 else -4].astype(int)
        assert np.abs(found - COLOURS[name]).max() <= tolerance, name


# What has to be stored for the photo to look upright once the orientation is applied.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_every_exif_orientation_becomes_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    stored = np.ascontiguousarray(STORED[orientation](np.asarray(landmark_picture())))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, **({"quality": 95} if suffix != "png" else {}))
    assert_upright(read_photo(path), tolerance=40)


@pytest.mark.parametrize("value", [0, 9, 255, "6"])
def test_an_unknown_orientation_is_ignored(tmp_path: Path, value: object) -> None:
    image = landmark_picture()
    image.getexif()[0x0112] = value
    assert_upright(read_photo(image), tolerance=0)


def test_damaged_exif_does_not_stop_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    landmark_picture().save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\x12" * 40)
    assert_upright(read_photo(path), tolerance=40)


def grey_ramp() -> np.ndarray:
    return np.tile(np.linspace(0, 255, 48).round().astype(np.uint8), (32, 1))


def modes() -> dict[str, tuple[Image.Image, np.ndarray]]:
    """An image of each mode, and the RGB it stands for."""
    rgb = np.asarray(landmark_picture())
    grey = grey_ramp()
    grey3 = np.repeat(grey[..., None], 3, axis=2)
    half = np.full(grey.shape, 128, dtype=np.uint8)
    over_white = np.rint(rgb * (128 / 255) + 255 * (127 / 255))
    palette = landmark_picture().quantize(4)
    mixed = np.where(grey3 >= 128, 255, 0)
    return {
        "L": (Image.fromarray(grey), grey3),
        "1": (Image.fromarray(grey).convert("1", dither=Image.Dither.NONE), mixed),
        "P": (palette, rgb),
        "RGB": (landmark_picture(), rgb),
        "RGBA": (Image.fromarray(np.dstack([rgb, half])), over_white),
        "RGBX": (landmark_picture().convert("RGBX"), rgb),
        "LA": (Image.merge("LA", [Image.fromarray(grey), Image.fromarray(half)]), np.rint(grey3 * (128 / 255) + 127)),
        "PA": (palette.convert("RGBA").convert("PA"), rgb),
        "CMYK": (landmark_picture().convert("CMYK"), rgb),
        "YCbCr": (landmark_picture().convert("YCbCr"), rgb),
        "HSV": (landmark_picture().convert("HSV"), rgb),
        "I;16": (Image.fromarray(grey.astype(np.uint16) * 257), grey3),
        "I": (Image.fromarray(grey.astype(np.int32) * 257), grey3),
        "I 32 bits": (Image.fromarray((grey / 255 * (2**31 - 1)).astype(np.int32)), grey3),
        "F 0-1": (Image.fromarray((grey / 255).astype(np.float32)), grey3),
        "F 0-255": (Image.fromarray(grey.astype(np.float32)), grey3),
        "F 0-65535": (Image.fromarray(grey.astype(np.float32) * 257), grey3),
    }


@pytest.mark.parametrize("mode", modes())
def test_every_mode_becomes_rgb(mode: str) -> None:
    image, expected = modes()[mode]
    pixels = read_photo(image).pixels
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 4


@pytest.mark.parametrize(
    ("suffix", "mode", "tolerance"),
    [
        ("png", "I;16", 1),
        ("tif", "I;16", 1),
        ("pgm", "I", 1),
        ("tif", "I", 1),
        ("tif", "F 0-1", 1),
        ("tif", "1", 0),
        ("png", "1", 0),
        ("png", "LA", 1),
        ("tif", "CMYK", 2),
        ("jpg", "CMYK", 40),
        ("gif", "P", 4),
        ("bmp", "P", 4),
        ("png", "PA", 4),
        ("webp", "RGBA", 2),
        ("tif", "YCbCr", 4),
        ("jp2", "RGB", 4),
    ],
)
def test_modes_survive_files(tmp_path: Path, suffix: str, mode: str, tolerance: int) -> None:
    image, expected = modes()[mode]
    if mode == "PA":
        image = image.convert("RGBA").quantize(4)
    path = tmp_path / f"photo.{suffix}"
    image.save(path, lossless=True)
    found = read_photo(str(path))
    assert np.abs(found.pixels.astype(int) - expected).max() <= tolerance
    assert found.path == str(path)


def test_twelve_bits_are_scaled_by_twelve_bits(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    Image.fromarray(np.full((8, 8), 4095, dtype=np.uint16)).save(path)
    data = bytearray(path.read_bytes())
    with Image.open(path) as image:  # say that 12 of the 16 bits are used, as a scanner would
        image.load()
        image.tag_v2[258] = (12,)
        assert read_photo(image).pixels.min() == 255
    assert read_photo(path).pixels.max() == 16, len(data)


def test_transparent_pixels_are_blended_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:, 4:] = (10, 20, 30, 255)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    found = read_photo(path).pixels
    assert tuple(found[0, 0]) == BACKGROUND
    assert tuple(found[0, -1]) == (10, 20, 30)


def test_a_transparent_colour_is_blended_over_white(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    landmark_picture().save(path, transparency=COLOURS["red"])
    found = read_photo(path).pixels
    assert tuple(found[0, 0]) == BACKGROUND
    assert tuple(found[0, -1]) == COLOURS["green"]


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "photo.gif"
    landmark_picture().save(path, save_all=True, append_images=[Image.new("RGB", (48, 32), (9, 9, 9))])
    assert_upright(read_photo(path), tolerance=4)


def test_an_icc_profile_is_applied(tmp_path: Path) -> None:
    pixels = smooth_picture()
    linear = tmp_path / "photo.png"
    # L*a*b* is the only profile Pillow makes besides sRGB and XYZ: convert there and let the reader find the way back
    lab = ImageCms.profileToProfile(
        Image.fromarray(pixels), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    found = read_photo(lab).pixels
    assert np.abs(found.astype(int) - pixels).mean() < 2
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile"):
        Image.fromarray(pixels).save(linear, icc_profile=profile)
        assert np.array_equal(read_photo(linear).pixels, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_arrays(dtype: str, channels: int | None) -> None:
    grey = grey_ramp()
    array = grey if channels is None else np.repeat(grey[..., None], channels, axis=2)
    expected = np.repeat(grey[..., None], 3, axis=2).astype(int)
    if channels == 4:
        alpha = expected[..., :1] / 255
        expected = np.rint(expected * alpha + 255 * (1 - alpha))
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    photo = read_photo((array * (white / 255)).astype(dtype))
    assert np.abs(photo.pixels.astype(int) - expected).max() <= 1
    assert photo.path is None
    assert photo.focal_px is None


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((5, 5, 2), np.uint8), r"expected \(H, W\)"),
        (np.zeros((3, 50, 60), np.uint8), "moveaxis"),
        (np.zeros((1, 5, 5, 3), np.uint8), r"expected \(H, W\)"),
        (np.zeros(7, np.uint8), r"expected \(H, W\)"),
        (np.zeros((5, 5, 3), np.int64), "uint8, uint16 or float"),
        (np.zeros((5, 5, 3), bool), "uint8, uint16 or float"),
        (np.full((5, 5, 3), 200.0), "expected 0 to 1"),
        (np.full((5, 5, 3), -3.0), "expected 0 to 1"),
        (np.full((5, 5, 3), np.nan), "expected 0 to 1"),
        (np.zeros((5, 5, 3), complex), "uint8, uint16 or float"),
        (np.zeros((2, 500, 3), np.uint8), "shape of a photo"),
        (np.broadcast_to(np.uint8(0), (11_000, 11_000, 3)), "megapixels"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(ImageReadError, match=says):
        read_photo(array)


@pytest.mark.parametrize("source", [None, 7, b"photo.jpg", ["a.jpg"]])
def test_other_types_are_refused(source: object) -> None:
    with pytest.raises(ImageReadError, match="give a path"):
        read_photo(source)  # type: ignore[arg-type]


def test_a_photo_comes_back_as_it_is() -> None:
    photo = Photo(smooth_picture())
    assert read_photo(photo) is photo


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + bytes([8, 2, 0, 0, 0]))
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"this is a letter, not a picture\n" * 9, "is not an image"),
        ("page.png", b"<!doctype html><html></html>", "is not an image"),
        ("figure.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is not an image"),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"\0" * 90, "save a frame"),
        ("raw.dng", b"II*\0\x08\0\0\0" + b"\0" * 90, "camera raw"),
        ("bomb.png", png_header(30_000, 30_000), "too many pixels"),
        ("bomb2.png", png_header(12_000, 12_000), "too many pixels"),
        ("strip.png", png_header(20_000, 10), "shape of a photo"),
        ("nothing.png", png_header(0, 10), "export it again"),
        ("hollow.png", png_header(100, 100), "copy, download or export"),
        ("nothing.ppm", b"P6 0 0 255\n", "export it again"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=says) as caught:
        read_photo(path)
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(str(path))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(12_000, 12_000))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("the bomb was decoded"))
    with pytest.raises(ImageReadError, match=f"{MAX_PIXELS // 1_000_000} megapixels"):
        read_photo(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp", "jp2", "avif"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(smooth_picture()).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])
    with pytest.raises(ImageReadError, match="again"):
        read_photo(path)


def test_missing_directory_and_odd_paths(tmp_path: Path) -> None:
    for path, says in {
        tmp_path / "nobody.jpg": "no such file",
        tmp_path: "is a directory",
        "https://example.org/face.jpg": "download the photo first",
        "bad\0name.jpg": "check the path",
        tmp_path / ("n" * 5000): "check the path",
    }.items():
        with pytest.raises(ImageReadError, match=says):
            read_photo(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageReadError, match="regular file"):
        read_photo(tmp_path / "pipe.jpg")


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    landmark_picture().save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):  # an administrator may read everything: let the system refuse

        def refuse(*_: object) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("facefuse.photos.reading.os.stat", refuse)
    with pytest.raises(ImageReadError, match="permission denied"):
        read_photo(path)


def test_heic_without_its_package_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 90)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageReadError, match=r'pip install "facefuse\[heif\]"'):
        read_photo(path)


def test_avif_without_its_decoder_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.avif"
    path.write_bytes(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif" + b"\0" * 90)
    monkeypatch.setattr("facefuse.photos.reading.features", SimpleNamespace(check=lambda _: False))
    with pytest.raises(ImageReadError, match="pip install --upgrade pillow"):
        read_photo(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["jpg", "png", "webp", "tif", "gif", "bmp", "ppm", "jp2"]),
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_files_give_a_photo_or_a_typed_error(
    tmp_path: Path, suffix: str, places: list[tuple[int, int]]
) -> None:
    path = tmp_path / f"photo.{suffix}"
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix)
    Image.fromarray(smooth_picture(40, 30)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for place, value in places:
        content[place % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(ImageReadError):  # anything else fails the test
        assert read_photo(path).pixels.shape[2] == 3


# --- focal length -----------------------------------------------------------------------------------------------------

FOCAL, FILM, X_RESOLUTION, UNIT, EXIF_WIDTH, EXIF_HEIGHT = 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002, 0xA003


def test_35_mm_equivalent_is_that_of_the_diagonal() -> None:
    # a 3:2 frame is film itself: 50 mm on 36 mm is 50/36 of the width
    assert focal_length_px({FILM: 50}, 3600, 2400) == pytest.approx(5000, rel=1e-4)
    assert focal_length_px({FILM: 26}, 3024, 4032) == pytest.approx(26 / 43.2666 * 5040)


def test_focal_plane_resolution() -> None:
    tags = {FOCAL: 50.0, X_RESOLUTION: 100.0, UNIT: 4}
    assert focal_length_px(tags, 3600, 2400) == pytest.approx(5000)
    assert focal_length_px({**tags, X_RESOLUTION: 1000.0, UNIT: 3}, 3600, 2400) == pytest.approx(5000)
    halved = {**tags, EXIF_WIDTH: 3600, EXIF_HEIGHT: 2400}
    assert focal_length_px(halved, 1800, 1200) == pytest.approx(2500)
    assert focal_length_px(halved, 1200, 1800) == pytest.approx(2500)  # turned upright since


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {FILM: 0},
        {FILM: 3},
        {FILM: 65535},
        {FILM: "wide"},
        {FILM: float("nan")},
        {FOCAL: 4.2},
        {FOCAL: 50.0, X_RESOLUTION: 0.0},
        {FOCAL: 50.0, X_RESOLUTION: 100.0, UNIT: 77},
        {FILM: 50, EXIF_WIDTH: 3600, EXIF_HEIGHT: 3600},  # cropped since
    ],
)
def test_senseless_focal_lengths_are_ignored(tags: dict[int, object]) -> None:
    assert focal_length_px(tags, 3600, 2400) is None


def test_the_focal_length_of_a_file_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[FILM] = 36
    Image.new("RGB", (480, 320)).save(path, exif=exif)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (320, 480)
    assert photo.focal_px == pytest.approx(480, rel=1e-4)


# --- the same picture twice -------------------------------------------------------------------------------------------


def test_copies_are_the_same_photo() -> None:
    pixels = smooth_picture(320, 240)
    photo = Photo(pixels)
    assert same_photo(photo, Photo(pixels.copy()))
    for size in ((320, 240), (160, 120)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize(size).save(buffer, "JPEG", quality=60)
        assert same_photo(photo, read_photo(Image.open(buffer)))


def test_other_pictures_are_not_the_same_photo() -> None:
    pixels = smooth_picture(320, 240)
    photo = Photo(pixels)
    others = [pixels[:, ::-1], pixels[::-1], pixels[:, :200], smooth_picture(320, 240, seed=1), np.roll(pixels, 12, 1)]
    for other in others:
        assert not same_photo(photo, Photo(np.ascontiguousarray(other)))


def test_scale_to_bytes_rounds_and_clips() -> None:
    values = np.array([[-5.0, 0.0, 0.5, 1.0, 2.0, np.nan]])
    assert scale_to_bytes(values, 1.0).tolist() == [[0, 0, 128, 255, 255, 0]]


# --- real files -------------------------------------------------------------------------------------------------------

REFUSED = {
    "broken.png": "is not an image",
    "truncated_image.png": "cut short",
    "hopper_webp.tif": None,  # reads where libtiff knows WebP
    "hopper.heif": None,  # reads where pillow-heif is installed
}


def test_real_files_of_every_format(shared_data: Path) -> None:
    folder = shared_data / "photos" / "formats"
    reference = read_photo(folder / "hopper.png").pixels.astype(float)
    seen = 0
    for path in sorted(folder.iterdir()):
        refusal = None
        try:
            pixels = read_photo(path).pixels.astype(float)
        except ImageReadError as error:
            refusal = str(error)
        if refusal is not None:
            assert path.name in REFUSED, refusal
            assert (REFUSED[path.name] or "") in refusal
            continue
        assert REFUSED.get(path.name) is None, path.name
        if path.name.startswith("hopper") and path.stem not in ("hopper-XYZ", "hopper_idat_after_image_end"):
            if path.stem in ("hopper_gray", "hopper_16bit"):
                expected = np.repeat((reference @ (0.299, 0.587, 0.114))[..., None], 3, axis=2)
            else:
                expected = reference
            assert np.abs(pixels - expected).mean() < 8, path.name
            seen += 1
    assert seen >= 24


def test_real_photos_of_one_person_are_not_the_same_photo(shared_data: Path) -> None:
    photos = [read_photo(path) for path in sorted((shared_data / "multiview" / "zoom").glob("*.jpg"))]
    assert len(photos) >= 4
    assert not any(same_photo(a, b) for a in photos for b in photos if a is not b)


def test_file_modes_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    landmark_picture().save(path)
    before = (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns, path.read_bytes())
    read_photo(path)
    assert before == (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns, path.read_bytes())

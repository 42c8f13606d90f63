"""Maps as files: what is read back is what was drawn."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from schema_check import problems

from facefuse.detection.crop import Square
from facefuse.detection.parts import OCCLUDER, PARTS, FaceParts
from facefuse.errors import UsageError
from facefuse.export import maps, save
from facefuse.export.document import document_to_json, reconstruction_document
from facefuse.export.maps import depth_unit, encode_depth, encode_uv, map_files, part_palette, preview
from facefuse.photos import Photo
from facefuse.rendering.maps import MAPS


def read(data: bytes) -> tuple[np.ndarray, Image.Image]:
    image = Image.open(io.BytesIO(data))
    return np.asarray(image), image


def read_16bit_rgb(data: bytes) -> np.ndarray:
    """Pillow reads 16-bit colour with 8 bits, so the rows (each the difference to the one above) are read here."""
    assert data[24:26] == bytes([16, 2])
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    rows = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()
    values = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    return np.ascontiguousarray(values).view(">u2").reshape(height, width, 3).astype(int)


def test_what_the_photo_shows(reconstruction):
    """The face parser's labels are read back in the photo's size; photos that were not parsed have none."""
    probability = np.zeros((len(PARTS), 32, 32), np.float32)
    probability[1, :16], probability[OCCLUDER, 16:] = 1, 1
    parts = FaceParts(probability, Square(np.array([200.0, 150.0]), 64.0))
    photos = tuple(replace(photo, parts=parts) for photo in reconstruction.photos)
    found = map_files(replace(reconstruction, photos=photos), 1, ["parsing", "depth"])
    labels, image = read(found.contents["parsing_02.png"])
    assert "occluder" in image.text["Description"]
    assert labels.shape == (300, 400)
    assert (labels[120:147, 170:230] == 1).all()
    assert (labels[153:180, 170:230] == OCCLUDER).all()
    assert not labels[:115].any()
    assert preview("parsing", labels).shape == (300, 400, 3)
    with pytest.raises(UsageError, match="not parsed"):
        map_files(reconstruction, 1, ["parsing"])


def test_files_hold_what_was_drawn(reconstruction):
    drawn = reconstruction.maps(1)
    found = map_files(reconstruction, 1, MAPS)
    assert found.entry["files"] == {name: f"{name}_02.png" for name in MAPS}
    assert (found.entry["width"], found.entry["height"]) == (400, 300)
    here = drawn["depth"] > 0
    assert here.mean() > 0.1
    values = {name: read(found.contents[f"{name}_02.png"])[0] for name in MAPS}
    unit = found.entry["depth_unit_mm"]
    assert unit == 0.1
    np.testing.assert_allclose(values["depth"] * unit, drawn["depth"], atol=0.051)
    normals = (values["normals"] - 127.5) / 127.5 * [1, -1, -1]
    np.testing.assert_allclose(normals[here], drawn["normals"][here], atol=0.005)
    assert not values["normals"][~here].any()
    np.testing.assert_allclose(values["pncc"] / 255, drawn["pncc"], atol=0.002)
    np.testing.assert_array_equal(values["parts"], drawn["parts"])
    np.testing.assert_allclose(values["visibility"] / 255, drawn["visibility"], atol=0.002)
    np.testing.assert_array_equal(values["visibility"] > 0, here)
    uv = read_16bit_rgb(found.contents["uv_02.png"])
    np.testing.assert_allclose(uv[..., :2] / 65535, drawn["uv"], atol=1e-5)
    np.testing.assert_array_equal(uv[..., 2] == 65535, here)
    np.testing.assert_allclose(values["uv"], uv // 256, atol=1)  # as an independent reader sees it


def test_every_file_says_what_it_is(reconstruction):
    for data in map_files(reconstruction, 0, MAPS).contents.values():
        assert len(read(data)[1].text["Description"]) > 20


def test_sixteen_bits_survive():
    rng = np.random.default_rng(0)
    depth = rng.uniform(400, 6000, (37, 53)).astype(np.float32)
    values, image = read(encode_depth(depth, 0.1))
    assert image.mode.startswith("I;16")
    np.testing.assert_array_equal(values, np.rint(depth / 0.1))
    uv = rng.uniform(0.01, 1, (20, 30, 2)).astype(np.float32)
    np.testing.assert_allclose(read_16bit_rgb(encode_uv(uv))[..., :2] / 65535, uv, atol=1e-5)


@pytest.mark.parametrize(
    ("farthest", "unit"), [(0.0, 0.1), (600.0, 0.1), (6553.5, 0.1), (6554.0, 0.2), (20_000.0, 0.5), (65_000.0, 1.0)]
)
def test_depth_unit_reaches_the_farthest_point(farthest, unit):
    assert depth_unit(farthest) == pytest.approx(unit)


def test_any_distance_fits_into_16_bits():
    for farthest in np.geomspace(1, 1e7, 200):
        assert farthest / 65535 <= depth_unit(farthest) * (1 + 1e-9)


def test_part_colours_can_be_told_apart():
    palette = part_palette()[:26].astype(int)
    apart = np.abs(palette[:, None] - palette[None]).sum(-1) + 999 * np.eye(26, dtype=int)
    assert apart.min() > 15
    assert not palette[0].any()


def test_previews_are_pictures(reconstruction):
    for name, values in reconstruction.maps(0).items():
        picture = preview(name, values)
        assert picture.shape == (*values.shape[:2], 3)
        assert picture.dtype == np.uint8
        assert picture.max() > 150
    empty = preview("depth", np.zeros((4, 5), np.float32))
    assert not empty.any()


def test_large_photos_are_bounded_and_small_ones_are_not_enlarged(reconstruction, monkeypatch):
    full = reconstruction.maps(0, ["depth"])["depth"]
    assert full.shape == (300, 400)
    half = reconstruction.maps(0, ["depth"], longest=200)["depth"]
    assert half.shape == (150, 200)
    # the samples of the half-size map lie between four pixels of the full one
    inside = (full.reshape(150, 2, 200, 2) > 0).all((1, 3))
    mean = full.reshape(150, 2, 200, 2).mean((1, 3))
    off = np.abs(half[inside] - mean[inside])
    assert np.median(off) < 0.02
    assert np.quantile(off, 0.95) < 0.3  # the rest lies across the outline of the nearer parts
    monkeypatch.setattr(maps, "MAP_SIZE", 100)
    assert map_files(reconstruction, 0, ["parts"]).entry["height"] == 75


def test_api_errors(reconstruction):
    with pytest.raises(UsageError, match="there is no map 'curvature'; choose from depth"):
        reconstruction.maps(0, ["curvature"])
    for index in (-1, 3):
        with pytest.raises(UsageError, match=f"no photo {index}"):
            reconstruction.maps(index)


def test_saving_with_maps(reconstruction, tmp_path):
    save(reconstruction, tmp_path, formats=(), maps=("depth", "parts"))
    document = json.loads((tmp_path / "reconstruction.json").read_text(encoding="utf-8"))
    for number, photo in enumerate(document["photos"], 1):
        assert photo["maps"]["files"] == {name: f"{name}_{number:02d}.png" for name in ("depth", "parts")}
        for name in photo["maps"]["files"].values():
            assert Image.open(tmp_path / name).size == (photo["maps"]["width"], photo["maps"]["height"])
    assert document["model"]["regions"] == list(reconstruction.model.region_names)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('class="maps"') == 3
    assert page.count('alt="depth of photo') == 3


def test_the_document_without_maps_says_nothing_of_them(reconstruction, tmp_path):
    save(reconstruction, tmp_path, formats=(), report=False)
    document = json.loads((tmp_path / "reconstruction.json").read_text(encoding="utf-8"))
    assert not any("maps" in photo for photo in document["photos"])
    assert not list(tmp_path.glob("depth_*"))


def test_document_with_maps_fits_the_schema(reconstruction):
    schema = json.loads((files("facefuse.export") / "reconstruction.schema.json").read_text(encoding="utf-8"))
    entries = [map_files(reconstruction, index, ("depth", "uv")).entry for index in range(3)]
    document = json.loads(document_to_json(reconstruction_document(reconstruction, entries)))
    assert problems(document, schema) == []
    del document["photos"][0]["maps"]["files"]
    assert len(problems(document, schema)) == 1


def test_depth_and_camera_of_the_document_give_points_of_the_head(reconstruction, tmp_path):
    """The recipe of docs/maps.md."""
    large = replace(reconstruction.photos[0], photo=Photo(np.zeros((3000, 4000, 3), np.uint8)))
    large = replace(large, camera=large.camera.resized(10.0))
    head = replace(reconstruction, photos=(large,))
    save(head, tmp_path, formats=(), report=False, maps=("depth",))
    photo = json.loads((tmp_path / "reconstruction.json").read_text(encoding="utf-8"))["photos"][0]
    assert photo["maps"]["width"] == 2048
    depth = np.asarray(Image.open(tmp_path / "depth_01.png")) * photo["maps"]["depth_unit_mm"]
    K, R, t = (np.array(photo["camera"][key]) for key in ("K", "R", "t"))
    y, x = np.nonzero(depth)
    scale = photo["width"] / photo["maps"]["width"]
    pixels = np.stack([(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, np.ones(len(x))])
    points = (R.T @ (np.linalg.inv(K) @ pixels * depth[y, x] - t[:, None])).T
    vertices = head.posed_mesh(0).vertices
    assert (points.min(0) > vertices.min(0) - 0.2).all()
    assert (points.max(0) < vertices.max(0) + 0.2).all()
    top = points[np.argmax(points[:, 1]), 1]
    assert abs(top - vertices[:, 1].max()) < 2  # the pole is seen at a grazing angle


def test_nothing_is_written_when_a_map_is_unknown(reconstruction, tmp_path):
    with pytest.raises(UsageError, match="shadow"):
        save(reconstruction, tmp_path / "out", maps=("depth", "shadow"))
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_when_drawing_fails(reconstruction, tmp_path, monkeypatch):
    monkeypatch.setitem(maps._ENCODE, "parts", lambda values: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(reconstruction, tmp_path / "out", formats=(), report=False, maps=("depth", "parts"))
    assert not (tmp_path / "out").exists()

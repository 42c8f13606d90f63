"""reconstruction.json: its schema, and whether its numbers mean what the documentation says."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from schema_check import problems

from facefuse.export.document import document_to_json, readable, reconstruction_document
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.rendering.shading import sh_shade

DOCS = Path(__file__).parents[2] / "docs" / "reconstruction-json.md"


@pytest.fixture(scope="module")
def schema():
    return json.loads((files("facefuse.export") / "reconstruction.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def document(reconstruction):
    return json.loads(document_to_json(reconstruction_document(reconstruction)))


def test_document_fits_the_schema(document, schema):
    assert problems(document, schema) == []


def test_jsonschema_agrees(document, schema):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(document, schema)


def damage_landmarks(document):
    document["landmarks68_mm"].pop()


def damage_camera(document):
    document["photos"][0]["camera"]["K"][0][0] = "700"


def damage_score(document):
    document["photos"][0]["score"] = 1.5


def damage_extra(document):
    document["surprise"] = 1


def damage_unit(document):
    document["unit"] = "cm"


def damage_missing(document):
    del document["photos"][1]["landmarks68_posed_mm"]


@pytest.mark.parametrize(
    "damage", [damage_landmarks, damage_camera, damage_score, damage_extra, damage_unit, damage_missing]
)
def test_schema_check_finds_damage(document, schema, damage):
    damaged = copy.deepcopy(document)
    damage(damaged)
    assert len(problems(damaged, schema)) == 1


def test_every_key_is_documented(schema):
    text = DOCS.read_text(encoding="utf-8")
    keys = [*schema["properties"], *schema["$defs"]["photo"]["properties"]]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_posed_landmarks_project_onto_the_photo(document, reconstruction):
    for photo, result in zip(document["photos"], reconstruction.photos, strict=True):
        camera = {key: np.array(photo["camera"][key]) for key in ("K", "R", "t")}
        points = (np.array(photo["landmarks68_posed_mm"]) @ camera["R"].T + camera["t"]) @ camera["K"].T
        pixels = points[:, :2] / points[:, 2:]
        np.testing.assert_allclose(pixels, result.landmarks.points68, atol=5e-3)
        np.testing.assert_allclose(pixels, photo["landmarks68_px"], atol=5e-3)


def test_angles_are_those_of_the_rotation(document):
    for photo in document["photos"]:
        angles = (np.asarray(photo[f"{name}_deg"]) for name in ("yaw", "pitch", "roll"))
        np.testing.assert_allclose(euler_to_rotmat(*angles), photo["camera"]["R"], atol=1e-4)
    assert document["photos"][1]["yaw_deg"] == pytest.approx(-35, abs=1e-2)


def test_light_shades_as_the_photo_says(document, reconstruction):
    normals = np.array([[0.0, 0.0, 1.0], [0.6, 0.0, 0.8], [0.0, -1.0, 0.0]])
    for photo, result in zip(document["photos"], reconstruction.photos, strict=True):
        np.testing.assert_allclose(
            sh_shade(normals, np.array(photo["light"])), sh_shade(normals, result.light), atol=1e-3
        )


def test_expression_by_name(document):
    assert document["photos"][0]["expression"]["jawOpen"] == 0.5
    assert document["photos"][1]["expression"] == {
        "jawOpen": 0.0,
        "mouthSmileLeft": 1.0,
        "mouthSmileRight": 0.5,
        "eyeBlinkLeft": 0.0,
        "browInnerUp": 0.0,
        "tongueOut": 0.0,
    }


def test_names_of_files_survive(document):
    assert [photo["path"] for photo in document["photos"]] == [
        "photos/front.jpg",
        'photos/<script>alert(1)</script>&".jpg',
        None,
    ]
    assert document["skipped"] == [{"path": "photos/<b>cat</b>.jpg", "reason": "no face was found"}]


def test_a_path_that_is_no_text_is_written_with_replacement_characters():
    assert readable("caf\udce9.jpg") == "caf\ufffd.jpg"
    assert readable("Zoë.jpg") == "Zoë.jpg"


def test_unknown_deviations_become_null(reconstruction):
    first = reconstruction.photos[0]
    sigma = np.ones(68)
    sigma[3] = np.inf
    photo = replace(first, landmarks=replace(first.landmarks, sigma68=sigma))
    document = reconstruction_document(replace(reconstruction, photos=(photo,)))
    assert json.loads(document_to_json(document))["photos"][0]["landmarks68_sigma_px"][2:5] == [1, None, 1]


def test_points_stand_on_one_line(reconstruction):
    text = document_to_json(reconstruction_document(reconstruction)).decode()
    assert len(text.splitlines()) < 1000
    assert json.loads('{"a": [1,  2]}') == json.loads(document_to_json({"a": [1, 2]}))
    tricky = {"path": "a[ 1,  2 ] {\n}", "empty": [], "nothing": {}, "nested": [[], [1], {"x": [None, True]}]}
    assert json.loads(document_to_json(tricky)) == tricky

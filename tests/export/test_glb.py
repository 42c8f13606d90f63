"""head.glb: what is in it, and whether strict readers take it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from glb_reader import Glb
from PIL import Image

from facefuse.errors import UsageError
from facefuse.export.glb import head_to_glb
from facefuse.export.parts import split_parts
from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable import load_model
from facefuse.reconstruction import Reconstruction


@pytest.fixture(scope="module")
def data(reconstruction):
    return head_to_glb(reconstruction)


@pytest.fixture(scope="module")
def glb(data):
    return Glb(data)


def pieces(glb):
    """Yield each part of the model with its primitive."""
    (mesh,) = glb.json["meshes"]
    for primitive in mesh["primitives"]:
        name = glb.json["materials"][primitive["material"]]["name"]
        yield name, {key: glb.array(index) for key, index in primitive["attributes"].items()}, primitive


def test_geometry_is_the_neutral_head_in_metres(glb, reconstruction):
    model, vertices = reconstruction.model, reconstruction.mesh.vertices
    normals = vertex_normals(vertices, model.triangles)
    parts = {part.name: part for part in split_parts(model)}
    assert {name for name, _, _ in pieces(glb)} == {"skin", "eyes", "mouth"}
    for name, attributes, primitive in pieces(glb):
        part = parts[name]
        np.testing.assert_allclose(attributes["POSITION"], vertices[part.vertex] / 1000, atol=1e-7)
        np.testing.assert_allclose(attributes["NORMAL"], normals[part.vertex], atol=1e-6)
        np.testing.assert_allclose(attributes["TEXCOORD_0"][:, 0], model.uv[part.uv][:, 0], atol=1e-6)
        np.testing.assert_allclose(attributes["TEXCOORD_0"][:, 1], 1 - model.uv[part.uv][:, 1], atol=1e-6)
        indices = glb.array(primitive["indices"])
        assert (indices.reshape(-1, 3) == part.triangles).all()
        assert indices.max() < len(attributes["POSITION"])
        np.testing.assert_allclose(np.linalg.norm(attributes["NORMAL"], axis=1), 1, atol=1e-5)


def test_targets_are_the_expressions_by_name(glb, reconstruction):
    model = reconstruction.model
    (mesh,) = glb.json["meshes"]
    assert mesh["extras"]["targetNames"] == list(model.expression_names)
    assert mesh["weights"] == [0.0] * model.expression_count
    parts = {part.name: part for part in split_parts(model)}
    for name, attributes, primitive in pieces(glb):
        assert len(primitive["targets"]) == model.expression_count
        for k, target in enumerate(primitive["targets"]):
            moved = glb.array(target["POSITION"])
            assert moved.shape == attributes["POSITION"].shape
            np.testing.assert_allclose(moved * 1000, model.expression[k][parts[name].vertex], atol=0.011)
            assert glb.array(target["NORMAL"]).shape == attributes["NORMAL"].shape


def test_still_vertices_cost_nothing(reconstruction, data):
    model = reconstruction.model
    still = replace(reconstruction, model=replace(model, expression=np.zeros_like(model.expression), _flat={}))
    dense = model.expression_count * 2 * 12 * sum(len(part.vertex) for part in split_parts(model))
    assert len(data) - len(head_to_glb(still)) < dense / 3


def test_photographed_expression_as_default(reconstruction):
    weights = reconstruction.photos[0].expression
    document = Glb(head_to_glb(reconstruction, weights)).json
    np.testing.assert_allclose(document["meshes"][0]["weights"], weights, atol=1e-6)


@pytest.mark.parametrize("weights", [np.zeros(2), np.full(6, np.nan)])
def test_wrong_weights_are_refused(reconstruction, weights):
    with pytest.raises(UsageError, match="6 finite expression weights"):
        head_to_glb(reconstruction, weights)


def test_a_model_without_expressions(reconstruction):
    model = reconstruction.model
    rigid = replace(model, expression=np.zeros((0, model.vertex_count, 3)), expression_names=(), _flat={})
    (mesh,) = Glb(head_to_glb(replace(reconstruction, model=rigid))).json["meshes"]
    assert "weights" not in mesh
    assert all("targets" not in primitive for primitive in mesh["primitives"])


def test_texture_and_materials(glb, reconstruction):
    (image,) = glb.json["images"]
    picture = np.asarray(Image.open(io.BytesIO(glb.view_bytes(image["bufferView"]))), dtype=float)
    assert picture.shape == reconstruction.texture.shape
    assert np.abs(picture - reconstruction.texture).mean() < 8
    for material in glb.json["materials"]:
        look = material["pbrMetallicRoughness"]
        assert look["metallicFactor"] == 0
        assert 0.1 <= look["roughnessFactor"] <= 1
        assert look["baseColorTexture"] == {"index": 0}


def test_says_who_made_it_and_whose_work_it_holds(glb, reconstruction):
    asset = glb.json["asset"]
    assert asset["generator"].startswith("facefuse ")
    assert asset["extras"]["licence"] == reconstruction.model.licence
    assert asset["extras"]["credit"] == reconstruction.model.credit


def test_trimesh_reads_it(data, reconstruction):
    scene = trimesh.load(io.BytesIO(data), file_type="glb")
    np.testing.assert_allclose(
        scene.bounds, np.stack([f(reconstruction.mesh.vertices, axis=0) for f in (np.min, np.max)]) / 1000, atol=1e-6
    )
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == len(reconstruction.model.triangles)
    for mesh in scene.geometry.values():
        assert mesh.visual.material.baseColorTexture.size == reconstruction.texture.shape[:2]


VALIDATE = """
const validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(require("fs").readFileSync(process.argv[1])))
  .then((report) => console.log(JSON.stringify(report)));
"""


@pytest.fixture(scope="module")
def base_head():
    """The base model's head of a made-up person."""
    model = load_model("base")
    identity = np.random.default_rng(3).normal(size=model.identity_count)
    return Reconstruction(model, identity, np.full((64, 64, 3), 180, np.uint8), ())


def test_the_base_models_head(base_head):
    data = head_to_glb(base_head)
    glb = Glb(data)
    (mesh,) = glb.json["meshes"]
    assert {"jawOpen", "eyeBlinkLeft", "mouthSmileRight", "browInnerUp"} <= set(mesh["extras"]["targetNames"])
    assert [name for name, _, _ in pieces(glb)] == ["skin", "eyes", "mouth"]
    positions = np.concatenate([attributes["POSITION"] for _, attributes, _ in pieces(glb)])
    size = np.ptp(positions, axis=0)
    assert 0.2 < size[1] < 0.4, "a head in metres, upright"
    assert len(data) < 8e6


@pytest.mark.parametrize("case", ["neutral", "photographed", "base model"])
def test_khronos_validator_finds_nothing(reconstruction, base_head, tmp_path, case):
    """Needs node and the npm package gltf-validator, in NODE_PATH or a node_modules folder at or above this one."""
    node = shutil.which("node")
    probe = [str(node), "-e", 'require("gltf-validator")']
    if node is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("node with gltf-validator is not available")
    path = tmp_path / "head.glb"
    weights = reconstruction.photos[0].expression if case == "photographed" else None
    path.write_bytes(head_to_glb(base_head if case == "base model" else reconstruction, weights))
    run = subprocess.run([node, "-e", VALIDATE, os.fspath(path)], capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    assert report["issues"]["messages"] == []
    assert report["info"]["hasMorphTargets"]

"""The report's scripts, run in node where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import as_file, files

import numpy as np
import pytest

from facefuse.export.glb import head_to_glb
from facefuse.export.parts import split_parts
from facefuse.geometry.mesh import unique_edges


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run JavaScript beside the viewer's files; it prints JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not available")

    def call(code, *arguments):
        with as_file(files("facefuse.export") / "viewer") as folder:
            run = subprocess.run(
                [node, "-e", code, *map(str, arguments)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    return call


READ = """
const {parseGlb, morphHead, uniqueEdges} = require("./glb.js");
const file = require("fs").readFileSync(process.argv[1]);
const head = parseGlb(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
const positions = new Float32Array(head.positions.length), normals = new Float32Array(head.normals.length);
morphHead(head, JSON.parse(process.argv[2]), positions, normals);
console.log(JSON.stringify({
  positions: [...positions], normals: [...normals], uvs: [...head.uvs], indices: [...head.indices],
  parts: head.parts, names: head.targets.map((target) => target.name), weights: head.weights,
  image: [head.image.type, head.image.bytes.length], edges: [...uniqueEdges(head.indices, positions.length / 3)],
}));
"""


def test_the_page_reads_its_glb_as_numpy_does(run, reconstruction, tmp_path):
    model, weights = reconstruction.model, np.array([0.5, 1, 0, 0.25, 0, 0.75])
    path = tmp_path / "head.glb"
    path.write_bytes(head_to_glb(reconstruction, weights))
    head = run(READ, path, json.dumps(weights.tolist()))
    parts = split_parts(model)
    vertex = np.concatenate([part.vertex for part in parts])
    posed = model.vertices(reconstruction.identity, weights)
    np.testing.assert_allclose(np.reshape(head["positions"], (-1, 3)) * 1000, posed[vertex], atol=0.03)
    uv = np.concatenate([part.uv for part in parts])
    np.testing.assert_allclose(np.reshape(head["uvs"], (-1, 2)), model.uv[uv] * [1, -1] + [0, 1], atol=1e-6)
    corners = np.reshape(head["indices"], (-1, 3))
    order = np.concatenate([part.faces for part in parts])
    assert (vertex[corners] == model.triangles[order]).all()
    assert head["names"] == list(model.expression_names)
    np.testing.assert_allclose(head["weights"], weights)
    assert [part["name"] for part in head["parts"]] == ["skin", "eyes", "mouth"]
    assert sum(part["count"] for part in head["parts"]) == corners.size
    assert head["image"][0] == "image/jpeg"
    assert head["image"][1] > 100
    edges = np.sort(np.reshape(head["edges"], (-1, 2)), axis=1)
    assert (np.unique(edges, axis=0) == unique_edges(corners)).all()
    assert len(edges) == len(unique_edges(corners))


NAMES = """
const {groupExpressions, expressionLabel, partnerOf, readAddress} = require("./expressions.js");
const names = JSON.parse(process.argv[1]);
console.log(JSON.stringify({
  groups: groupExpressions(names), labels: names.map(expressionLabel), partners: names.map((n) => partnerOf(n, names)),
  address: readAddress("#expression=jawOpen:0.5,mouthSmileLeft:7,browInnerUp,bad:x&yaw=30&look=clay&idle=0&photo=two"),
}));
"""


def test_expressions_are_grouped_and_paired(run):
    names = ["eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "jawLeft", "jawRight", "mouthSmileLeft", "mouthSmileRight"]
    names += ["mouthLeft", "mouthRight", "browInnerUp", "cheekPuff", "tongueOut", "eyeLookInLeft", "eyeLookOutRight"]
    names += ["other"]
    found = run(NAMES, json.dumps(names))
    groups = {title: [names[k] for k in members] for title, members in found["groups"]}
    assert groups["Jaw"] == ["jawOpen", "jawLeft", "jawRight"]
    assert groups["Eyes"] == ["eyeBlinkLeft", "eyeBlinkRight", "eyeLookInLeft", "eyeLookOutRight"]
    assert groups["Others"] == ["other"]
    assert sorted(name for members in groups.values() for name in members) == sorted(names)
    labels = dict(zip(names, found["labels"], strict=True))
    assert labels["mouthSmileLeft"] == "Smile left"
    assert labels["cheekPuff"] == "Cheek puff"
    partners = dict(zip(names, found["partners"], strict=True))
    assert partners["eyeBlinkLeft"] == "eyeBlinkRight"
    assert partners["eyeLookInLeft"] == "eyeLookOutRight", "eyes look aside together"
    assert partners["jawLeft"] is partners["mouthLeft"] is partners["browInnerUp"] is None


def test_the_address_sets_the_view(run):
    address = run(NAMES, json.dumps(["jawOpen"]))["address"]
    assert address["expression"] == {"jawOpen": 0.5, "mouthSmileLeft": 1, "browInnerUp": 1}
    assert (address["yaw"], address["clay"], address["idle"], address["photo"]) == (30, True, False, None)


IDLE = """
const {IdleMotion, addIdle} = require("./motion.js");
let seed = 1;
const idle = new IdleMotion(() => (seed = (seed * 16807) % 2147483647) / 2147483647);
const names = ["eyeBlinkLeft", "eyeLookInLeft", "eyeLookOutLeft", "jawOpen"];
const out = [];
for (let frame = 0; frame < 60 * 30; frame++) out.push(addIdle(names, [0, 0, 0, 0.4], idle.at(frame / 60).weights));
console.log(JSON.stringify(out));
"""


def test_an_idle_head_blinks_and_leaves_the_rest(run):
    frames = np.array(run(IDLE))
    assert frames.min() >= 0
    assert frames.max() <= 1
    blink = frames[:, 0]
    starts = np.flatnonzero((blink[1:] > 0) & (blink[:-1] == 0))
    assert 4 <= len(starts) <= 14, "thirty seconds"
    assert blink.max() == 1
    assert (blink == 0).mean() > 0.8
    assert (frames[:, 3] == 0.4).all()
    assert (np.minimum(frames[:, 1], frames[:, 2]) == 0).all(), "an eye looks to one side"

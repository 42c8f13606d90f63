"""Splitting heads into parts and seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.export.parts import part_names, split_parts


def test_every_corner_keeps_its_vertex_and_texture_coordinate(model):
    parts = split_parts(model)
    assert [part.name for part in parts] == ["skin", "eyes", "mouth"]
    for part in parts:
        assert (part.vertex[part.triangles] == model.triangles[part.faces]).all()
        assert (part.uv[part.triangles] == model.uv_triangles[part.faces]).all()
    faces = np.sort(np.concatenate([part.faces for part in parts]))
    assert (faces == np.arange(len(model.triangles))).all()


def test_vertices_are_doubled_only_at_seams(model):
    for part in split_parts(model):
        pairs = np.stack([part.vertex, part.uv], 1)
        assert len(np.unique(pairs, axis=0)) == len(pairs)
    skin = split_parts(model)[0]
    assert len(skin.vertex) > len(np.unique(skin.vertex)), "the fixture has a seam"


@pytest.mark.parametrize(
    ("region", "part"),
    [
        ("face", "skin"),
        ("eyelids", "skin"),
        ("eye_region", "skin"),
        ("lips", "skin"),
        ("mouth_region", "skin"),
        ("eyeball_left", "eyes"),
        ("iris_right", "eyes"),
        ("eye_left", "eyes"),
        ("teeth", "mouth"),
        ("upper_teeth", "mouth"),
        ("mouth_interior", "mouth"),
        ("tongue", "mouth"),
    ],
)
def test_region_names_tell_the_part(model, region, part):
    assert part_names(replace(model, region_names=(region,))).tolist() == [part]

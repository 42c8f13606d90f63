import json

import numpy as np
import pytest
from PIL import Image

from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_mesh
from facefuse.evaluation.people import find_people
from facefuse.learning.df_mvr.multiview_set import SEED, neutral_head, view_order, write_set
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.identity import IdentitySource, base_identities
from facefuse.morphable.registry import load_model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("set")
    base = base_identities()
    twice = IdentitySource(base.modes * 1.5, base.to_base * 1.5)  # people that the shipped source does not draw
    settings = Settings(64, ict_share=1.0)
    write_set(out, settings, twice, people=1, views=3)
    before = (out / "synchronous" / "person_000" / "scan.ply").stat().st_mtime_ns
    write_set(out, settings, twice, people=2, views=3)
    assert (out / "synchronous" / "person_000" / "scan.ply").stat().st_mtime_ns == before
    return out, settings, twice


def test_it_is_a_data_set_for_the_evaluator(written):
    out, _, _ = written
    for kind in ("synchronous", "asynchronous"):
        people = find_people(out / kind)
        assert [one.name for one in people] == ["person_000", "person_001"]
        for person in people:
            assert [p.name for p in person.photos] == ["00.png", "01.png", "02.png"]
            assert Image.open(person.photos[0]).size == (64, 64)
            assert person.read_scan().landmarks.shape == (7, 3)
    assert json.loads((out / "set.json").read_text())["people"] == 2


def test_the_truth_is_that_of_the_photos_without_expression(written):
    out, settings, source = written
    model = load_model()
    rig = Synthesizer(settings, source).rig(SEED, 1, 3, synchronous=False)
    heads = [neutral_head(model, photo) for photo in rig]
    for other in heads[1:]:
        np.testing.assert_allclose(other, heads[0], atol=2e-3)
    assert np.abs(rig[0].vertices - heads[0]).max() > 0.1
    folder = out / "asynchronous" / "person_001"
    whole = read_mesh(folder / "head.ply")
    np.testing.assert_allclose(whole.vertices, heads[0], atol=2e-3)
    scan = read_mesh(folder / "scan.ply")
    np.testing.assert_allclose(scan.vertices, heads[0][model.face_mask][::3], atol=2e-3)
    assert len(scan.triangles) == 0
    landmarks = np.loadtxt(folder / "scan_landmarks7.txt")
    np.testing.assert_allclose(landmarks, model.landmarks(heads[0])[list(NOW_LANDMARKS)], atol=2e-3)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "photos" / "02.png")), rig[2].pixels)


def test_both_halves_show_the_same_people(written):
    out, _, _ = written
    heads = [
        [read_mesh(out / kind / f"person_00{k}" / "head.ply").vertices for kind in ("synchronous", "asynchronous")]
        for k in range(2)
    ]
    np.testing.assert_allclose(heads[0][0], heads[0][1], atol=2e-3)
    assert np.abs(heads[0][0] - heads[1][0]).max() > 1


def test_the_first_views_look_from_as_many_sides_as_they_can():
    assert view_order(5) == [2, 0, 4, 1, 3]
    assert view_order(1) == [0]
    assert view_order(2) == [0, 1]
    assert sorted(view_order(8)) == list(range(8))

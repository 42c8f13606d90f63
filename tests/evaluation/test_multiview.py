import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projected_faces import camera, observe

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import NoFaceFound, UnusableInput, UsageError
from facefuse.evaluation import multiview
from facefuse.evaluation.mesh_files import NOW_LANDMARKS
from facefuse.evaluation.multiview import AVERAGE, BEST_SINGLE, JOINT, MEAN_FACE, compare_rows, evaluate_multiview
from facefuse.evaluation.people import Scan
from facefuse.geometry.mesh import Mesh
from facefuse.methods import SeenFace
from facefuse.morphable.registry import load_model
from facefuse.photos import Photo

MODEL = load_model()
YAWS = (5.0, 40.0, -35.0)


def true_head(name):
    rng = np.random.default_rng(sum(name.encode()))
    return rng.normal(size=MODEL.identity_count) * 0.8


def projected(path):
    """The face of a photo named after its view: PERSON/photos/NUMBER.png."""
    path = Path(path)
    if path.stem == "empty":
        raise NoFaceFound(f"{path}: no face found")
    rng = np.random.default_rng(int(path.stem))
    neutral = np.zeros(MODEL.expression_count)
    seen = observe(MODEL, true_head(path.parents[1].name), neutral, camera(YAWS[int(path.stem)]), rng, noise_mm=1.0)
    landmarks = FaceLandmarks(seen.points68, seen.sigma68, seen.mesh, seen.mesh_sigma, seen.mesh_indices, 1.0)
    photo = Photo(np.zeros((seen.size[1], seen.size[0], 3), np.uint8), str(path))
    return SeenFace(str(path), photo, DetectedFace(np.zeros(4), np.zeros((5, 2)), 1.0), landmarks)


def write_person(folder, photos=("0", "1", "2"), scan=True):
    (folder / "photos").mkdir(parents=True)
    for name in photos:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "photos" / f"{name}.png")
    if scan:
        vertices = MODEL.vertices(true_head(folder.name))
        face = np.flatnonzero(np.asarray(MODEL.face_mask))[::4]
        lines = [f"v {x} {y} {z}" for x, y, z in vertices[face]]
        (folder / "scan.obj").write_text("\n".join([*lines, "f 1 2 3"]))
        np.savetxt(folder / "scan_landmarks7.txt", MODEL.landmarks(vertices)[list(NOW_LANDMARKS)])


@pytest.fixture(autouse=True)
def _projected_faces(monkeypatch):
    monkeypatch.setattr(multiview, "see_face", projected)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    data = tmp_path_factory.mktemp("people")
    for name in ("ada", "bob", "eve"):
        write_person(data / name)
    write_person(data / "sam", photos=("0", "empty"))
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiview, "see_face", projected)
        found = evaluate_multiview(data, (3, 1), "fit", subsets=2, progress=lambda *step: told.append(step))
    assert [name for name, _ in told] == ["ada", "bob", "eve", "sam"]
    return found


def test_every_head_is_measured_on_everybody_who_has_the_photos(result):
    keys = [(row.views, row.head, len(row.people)) for row in result.rows]
    assert keys == [(0, MEAN_FACE, 4), (1, JOINT, 4), (3, BEST_SINGLE, 3), (3, AVERAGE, 3), (3, JOINT, 3)]
    assert result.skipped[0].endswith("empty.png: no face found")


def test_more_photos_are_better_and_the_mean_face_is_worst(result):
    mean, one, three = (result.row(*key).estimate().value for key in ((0, MEAN_FACE), (1, JOINT), (3, JOINT)))
    assert three < one < mean
    assert result.row(3, BEST_SINGLE).estimate().value <= one
    for row in result.rows:
        median, average, std, rms = (row.errors["similarity"][:, k] for k in range(4))
        assert (median > 0).all()
        # exact for one choice of photos, an inequality for the mean of several
        assert (rms**2 >= average**2 + std**2 - 1e-9).all()
    with pytest.raises(KeyError, match="7 views"):
        result.row(7)


def test_only_the_rigid_metric_sees_the_size_of_a_head():
    vertices = MODEL.vertices(true_head("ada"))
    scan = Scan(Mesh(vertices[::7], np.zeros((0, 3), int)), MODEL.landmarks(vertices)[list(NOW_LANDMARKS)])
    found = multiview.measure_head(MODEL, vertices * 1.1, scan)
    assert found["similarity"].rms < 0.05
    assert found["df_mvr_compat"].rms < 0.05
    assert found["rigid"].median > 1


def test_comparisons_pair_the_same_people(result):
    one, three = result.row(1), result.row(3)
    found = compare_rows(three, one).difference
    common = one.errors["similarity"][:3, 0]
    assert found.people == 3
    assert found.absolute.value == pytest.approx((three.errors["similarity"][:, 0] - common).mean())
    assert found.relative.value == pytest.approx(100 * found.absolute.value / common.mean())
    pairs = {(one.first, one.second) for one in result.comparisons()}
    assert ((3, JOINT), (3, AVERAGE)) in pairs
    assert ((3, JOINT), (1, JOINT)) in pairs
    assert ((1, JOINT), (0, MEAN_FACE)) in pairs


def test_heads_of_one_person_agree_better_than_those_of_two(result):
    agreement = result.agreement
    assert list(agreement.same) == ["ada", "bob", "eve"]
    assert max(agreement.same.values()) < agreement.nearest < agreement.different
    assert agreement.separation == 1


def test_everything_goes_into_json(result):
    plain = json.loads(json.dumps(result.to_dict()))
    row = plain["rows"][-1]
    assert (row["views"], row["head"], row["people"]) == (3, JOINT, ["ada", "bob", "eve"])
    assert row["rigid"]["mean"]["value"] == result.row(3).estimate("rigid", "mean").value
    assert len(row["similarity"]["medians"]) == 3
    assert plain["comparisons"][0]["difference_percent"]["interval"]


def test_without_scans_there_is_only_agreement(tmp_path):
    write_person(tmp_path / "ada", scan=False)
    found = evaluate_multiview(tmp_path, (1,), "fit")
    assert found.rows == ()
    assert np.isnan(found.agreement.different)


def test_nothing_to_measure(tmp_path):
    write_person(tmp_path / "ada", photos=("0", "empty"), scan=False)
    with pytest.raises(UnusableInput, match=r"nothing to measure[^$]*empty\.png"):
        evaluate_multiview(tmp_path)
    with pytest.raises(UsageError, match="above zero"):
        evaluate_multiview(tmp_path, ())
    with pytest.raises(UsageError, match="no method"):
        evaluate_multiview(tmp_path, method="magic")

import itertools

import numpy as np
import pytest
from PIL import Image

from facefuse.errors import NoFaceFound, UnusableInput
from facefuse.evaluation.people import choose_halves, choose_subsets, find_people, see_face


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path)
    return path


def test_people_with_and_without_scans(tmp_path):
    for name in ("b/photos/1.jpg", "b/photos/0.png", "a/x.jpg"):
        photo(tmp_path / name)
    (tmp_path / "b" / "scan.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    np.savetxt(tmp_path / "b" / "scan_landmarks7.txt", np.arange(21.0).reshape(7, 3))
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("not a person")
    first, second = find_people(tmp_path)
    assert (first.name, [p.name for p in first.photos], first.read_scan()) == ("a", ["x.jpg"], None)
    assert [p.name for p in second.photos] == ["0.png", "1.jpg"]
    scan = second.read_scan()
    assert scan.mesh.triangles.tolist() == [[0, 1, 2]]
    assert scan.landmarks[6].tolist() == [18, 19, 20]
    assert find_people(tmp_path / "b") == (second,)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UnusableInput, match="no such folder"):
        find_people(tmp_path / "nowhere")
    with pytest.raises(UnusableInput, match="no photos found"):
        find_people(tmp_path)
    photo(tmp_path / "a" / "photos" / "0.jpg")
    (tmp_path / "a" / "scan.ply").write_bytes(b"")
    with pytest.raises(UnusableInput, match=r"scan_landmarks7\.txt is missing"):
        find_people(tmp_path)


def test_a_photo_without_a_face(tmp_path):
    with pytest.raises(NoFaceFound, match="black"):
        see_face(photo(tmp_path / "black.png"))


def test_few_subsets_are_all_used_and_many_are_drawn():
    assert choose_subsets(4, 2, 6) == tuple(itertools.combinations(range(4), 2))
    drawn = choose_subsets(9, 3, 10)
    assert drawn == choose_subsets(9, 3, 10)
    assert len(set(drawn)) == 10
    assert drawn[0] == (0, 1, 2)
    assert all(len(set(one)) == 3 and list(one) == sorted(one) for one in drawn)
    assert choose_subsets(5, 5, 1) == ((0, 1, 2, 3, 4),)
    assert choose_subsets(30, 3, 1) == ((0, 1, 2),)


def test_halves_are_disjoint_and_distinct():
    assert choose_halves(3, 10) == (((0,), (1,)), ((0,), (2,)), ((1,), (2,)))
    assert choose_halves(2, 10) == (((0,), (1,)),)
    many = choose_halves(9, 12)
    assert len(set(many)) == 12
    for first, second in many:
        assert len(first) == len(second) == 4
        assert not set(first) & set(second)

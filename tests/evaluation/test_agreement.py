import numpy as np
import pytest

from facefuse.evaluation.agreement import agreement_of_people, mesh_agreement
from facefuse.geometry.alignment import Similarity
from facefuse.geometry.rotations import rotvec_to_rotmat

RNG = np.random.default_rng(3)
HEAD = RNG.normal(scale=60, size=(300, 3))


def test_pose_and_scale_do_not_count():
    moved = Similarity(0.8, np.asarray(rotvec_to_rotmat(np.array([0.1, 1.0, -0.4]))), np.array([5.0, 6, 7])).apply(HEAD)
    assert mesh_agreement(HEAD, moved).rms < 1e-9
    assert mesh_agreement(HEAD, moved, with_scale=False).rms > 5


def test_differences_outside_the_mask_do_not_count():
    other = HEAD.copy()
    other[200:] += 40
    mask = np.arange(300) < 200
    assert mesh_agreement(HEAD, other, mask).rms < 1e-9
    assert mesh_agreement(HEAD, other).rms > 5


def test_noise_is_measured_at_its_size():
    noise = RNG.normal(scale=0.5, size=HEAD.shape)
    assert mesh_agreement(HEAD, HEAD + noise).rms == pytest.approx(0.5 * np.sqrt(3), rel=0.05)


def test_other_topology_is_refused():
    with pytest.raises(ValueError, match="expected two"):
        mesh_agreement(HEAD, HEAD[:-1])


def test_people_are_told_apart_by_more_than_their_own_noise():
    rng = np.random.default_rng(0)
    people = {name: RNG.normal(scale=60, size=(300, 3)) for name in "abc"}
    people["b"] = people["a"] + rng.normal(scale=2, size=(300, 3))
    pairs = {
        name: [tuple(head + rng.normal(scale=0.5, size=head.shape) for _ in range(2)) for _ in range(3)]
        for name, head in people.items()
    }
    found = agreement_of_people(pairs)
    assert found.separation == 1
    assert all(rms == pytest.approx(0.5 * np.sqrt(6), rel=0.1) for rms in found.same.values())
    assert found.nearest == pytest.approx(np.sqrt(3) * np.sqrt(4 + 0.5), rel=0.1)
    assert found.different > 2 * found.nearest
    assert found.to_dict()["same"]["a"] == found.same["a"]


def test_one_person_alone_is_compared_with_nobody():
    found = agreement_of_people({"a": [(HEAD, HEAD + 1)]})
    assert found.same["a"] < 1e-9
    assert np.isnan([found.different, found.nearest, found.separation]).all()

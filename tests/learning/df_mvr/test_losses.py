import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facefuse.geometry.alignment import similarity_from_points  # noqa: E402
from facefuse.geometry.rotations import rotvec_to_rotmat  # noqa: E402
from facefuse.learning.df_mvr import losses  # noqa: E402
from facefuse.learning.df_mvr.alignment3d import similarity_aligned  # noqa: E402
from facefuse.learning.df_mvr.losses import LossWeights, published_landmark_weights  # noqa: E402

torch.manual_seed(0)


def test_published_landmark_weights():
    weights = published_landmark_weights()
    assert round(float(weights.mean()), 2) == 7.43
    assert int((weights == 20).sum()) == 23
    assert weights[30] == weights[36] == weights[67] == 20
    assert weights[31] == weights[48] == 1


def test_photometric_by_hand():
    photo = torch.zeros(1, 3, 2, 2)
    rendered = photo.clone()
    rendered[0, :, 0, 0] = torch.tensor([0.3, 0.0, 0.4])  # length 0.5
    weights = torch.tensor([[[2.0, 1.0], [1.0, 0.0]]])
    assert float(losses.photometric(rendered, photo, weights)) == pytest.approx(2 * 0.5 / 4, abs=1e-4)
    assert float(losses.photometric(rendered, photo, torch.zeros_like(weights))) == 0


def test_photometric_cannot_be_lowered_by_covering_less():
    rendered = torch.rand(1, 3, 4, 4, requires_grad=True)
    coverage = torch.rand(1, 4, 4, requires_grad=True)
    losses.photometric(rendered, torch.rand(1, 3, 4, 4), coverage).backward()
    assert coverage.grad is None
    assert (rendered.grad != 0).any()


def test_landmarks_are_distances_and_unknown_ones_do_not_count():
    truth = torch.zeros(2, 68, 2)
    points = truth.clone()
    points[0, 30] = torch.tensor([3.0, 4.0])
    weights = published_landmark_weights()
    assert float(losses.landmarks(points, truth, weights)) == pytest.approx(20 * 5 / (68 * 2), rel=1e-3)
    weights[30] = 0
    assert float(losses.landmarks(points, truth, weights)) < 0.001
    points.requires_grad_()
    losses.landmarks(points, truth, published_landmark_weights()).backward()
    assert torch.isfinite(points.grad).all()


def test_coefficient_prior_by_hand():
    prior = losses.coefficient_prior(torch.ones(2, 3), torch.full((2, 2), 2.0), torch.full((2, 1), 10.0), LossWeights())
    assert float(prior) == pytest.approx(3 + 0.8 * 8 + 0.017 * 100)


def test_white_light_is_free_and_coloured_light_is_not():
    white = torch.randn(2, 1, 9).expand(2, 3, 9)
    assert float(losses.light(white)) == pytest.approx(0, abs=1e-12)
    coloured = torch.tensor([3.0, 0.0, -3.0])[None, :, None].expand(1, 3, 9)
    assert float(losses.light(coloured)) == pytest.approx(6)


def test_even_skin_is_free_whatever_its_colour_and_the_rest_of_the_head():
    albedo = torch.rand(2, 1, 3).expand(2, 10, 3).clone()
    skin = (torch.arange(10) < 6).float()
    albedo[:, 7] = 0.9
    assert float(losses.reflectance(albedo, skin)) == pytest.approx(0, abs=1e-10)
    albedo[0, 0] += 0.6
    # one of six of one sample of two is 0.6 off in three colours: variance 0.36 · 5/36 · 3
    assert float(losses.reflectance(albedo, skin)) == pytest.approx(0.36 * 5 / 36 * 3 / 2, rel=1e-4)


def soft_disc(centre, size=24, radius=7.0):
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    inside = torch.sigmoid(radius - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + 1e-6).sqrt())
    return torch.stack([1 - inside, inside])[None]


@pytest.mark.parametrize("loss", [losses.mask_cross_entropy, losses.mask_overlap])
def test_mask_losses_pull_an_outline_to_where_it_is_seen(loss):
    centre = torch.tensor([10.0, 12.0], requires_grad=True)
    seen = soft_disc(torch.tensor([14.0, 12.0])).argmax(dim=1)
    weights = torch.ones(1, 24, 24)
    value = loss(soft_disc(centre), seen, weights)
    value.backward()
    assert centre.grad[0] < -1e-3  # towards larger x
    assert abs(float(centre.grad[1])) < 1e-3
    with torch.no_grad():
        assert loss(soft_disc(torch.tensor([14.0, 12.0])), seen, weights) < 0.5 * value
    step = 1e-3
    with torch.no_grad():
        ends = [loss(soft_disc(centre + torch.tensor([s, 0.0])), seen, weights) for s in (step, -step)]
    assert float(centre.grad[0]) == pytest.approx(float((ends[0] - ends[1]) / (2 * step)), rel=2e-2)


@pytest.mark.parametrize("loss", [losses.mask_cross_entropy, losses.mask_overlap])
def test_what_an_occluder_hides_does_not_count(loss):
    rendered = soft_disc(torch.tensor([12.0, 12.0]))
    seen = rendered.argmax(dim=1)
    weights = torch.ones(1, 24, 24)
    reference = loss(rendered, seen, weights)
    seen[0, :12], weights[0, :12] = 0, 0
    assert float(loss(rendered, seen, weights)) == pytest.approx(float(reference), abs=0.05)
    assert float(loss(rendered, seen, torch.ones(1, 24, 24))) > float(reference) + 0.05


def test_parts_that_are_nowhere_do_not_count():
    rendered = torch.zeros(1, 3, 8, 8)
    rendered[:, 0] = 1
    rendered[:, 0, :4], rendered[:, 1, :4] = 0, 1
    assert float(losses.mask_overlap(rendered, rendered.argmax(1), torch.ones(1, 8, 8))) == pytest.approx(0, abs=1e-6)


def test_similarity_of_batches_is_that_of_single_ones():
    rng = np.random.default_rng(0)
    points, target = rng.normal(size=(3, 20, 3)), rng.normal(size=(3, 20, 3))
    target[0] = points[0] * [-1, 1, 1]  # a reflection fits best, and must not be taken
    anchors = torch.tensor([0, 3, 4, 8, 11, 15])
    moved = similarity_aligned(torch.tensor(points), torch.tensor(target), anchors)
    for k in range(3):
        expected = similarity_from_points(points[k][anchors], target[k][anchors]).apply(points[k])
        np.testing.assert_allclose(moved[k], expected, atol=1e-9)


def test_3d_landmarks_ignore_pose_and_size_and_have_true_gradients():
    torch.manual_seed(2)
    truth = torch.randn(2, 12, 3, dtype=torch.float64) * 30
    rotation = torch.tensor(np.asarray(rotvec_to_rotmat(np.array([0.2, 0.7, -0.4]))))
    assert float(losses.landmarks3d(truth @ rotation.T * 1.7 + 5, truth)) < 1e-3
    points = (truth + torch.randn_like(truth)).requires_grad_()
    anchors = torch.arange(7)
    assert torch.autograd.gradcheck(lambda p: losses.landmarks3d(p, truth, anchors), (points,), atol=1e-5)

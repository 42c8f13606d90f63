from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import MESH, TINY, tiny_task  # noqa: E402

from facefuse.errors import AssetError, UsageError  # noqa: E402
from facefuse.learning.landmarks.network import LandmarkNet  # noqa: E402
from facefuse.learning.two_dasl.build import make_network, start_from_landmarks  # noqa: E402
from facefuse.learning.two_dasl.config import MapConfig, NetworkConfig  # noqa: E402
from facefuse.learning.two_dasl.critic import SelfCritic  # noqa: E402
from facefuse.learning.two_dasl.light import LightNet  # noqa: E402
from facefuse.learning.two_dasl.resnet import ResNet50  # noqa: E402
from facefuse.learning.two_dasl.two_pass import first_map, two_passes  # noqa: E402


class Space62(torch.nn.Module):
    size = 62

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        return raw


def crops(count: int = 4, size: int = 48) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_the_published_backbone_has_its_number_of_parameters() -> None:
    assert sum(p.numel() for p in ResNet50(Space62()).parameters()) == 23_638_206


def test_the_published_backbone_keeps_the_resolution_of_its_last_stage() -> None:
    network = ResNet50(Space62()).eval()
    sizes = []
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        stage.register_forward_hook(lambda _, __, out: sizes.append(out.shape[-1]))
    with torch.inference_mode():
        assert network(crops(1, 120)).values.shape == (1, 62)
    assert sizes == [30, 15, 8, 8]


def test_the_backbone_sees_the_map() -> None:
    network = ResNet50(Space62()).eval()
    with torch.inference_mode():
        empty, drawn = network(crops(1), None).values, network(crops(1), torch.ones(1, 48, 48)).values
    assert (empty - drawn).abs().max() > 1e-6


def test_the_light_network_is_light() -> None:
    config = replace(TINY, network=NetworkConfig(), identity_modes=64)
    task = tiny_task(config)
    assert sum(p.numel() for p in task.network.parameters()) < 4_000_000


def test_a_landmark_network_hands_over_its_points(tmp_path) -> None:  # type: ignore[no-untyped-def]
    trunk = TINY.network.trunk
    torch.manual_seed(5)
    landmarks = LandmarkNet(trunk, 68 + len(MESH) + 2).eval()  # two iris points, which are left out
    torch.save({"average": landmarks.state_dict()}, tmp_path / "checkpoint.pt")
    network = tiny_task().network
    assert isinstance(network, LightNet)
    start_from_landmarks(network, tmp_path / "checkpoint.pt", MESH)
    network.eval()
    with torch.inference_mode():
        points, log_sigma, _ = landmarks(crops())
        found = network(crops())
        mapped = network(crops(), torch.ones(4, 48, 48))
    assert torch.allclose(found.points, points[:, :-2], atol=1e-4)
    assert torch.allclose(found.log_sigma, log_sigma[:, :-2], atol=1e-4)
    assert torch.equal(mapped.points, found.points)  # the map's channel starts at zero


def test_a_landmark_network_of_another_size_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.save({"average": LandmarkNet(NetworkConfig().trunk, 71).state_dict()}, tmp_path / "checkpoint.pt")
    network = tiny_task().network
    with pytest.raises(AssetError, match="not a landmark network of this size"):
        start_from_landmarks(network, tmp_path / "checkpoint.pt", MESH)


def test_the_light_network_refuses_published_coefficients() -> None:
    with pytest.raises(UsageError, match="resnet50"):
        make_network(TINY, Space62(), MESH)  # type: ignore[arg-type]


def test_the_second_pass_takes_its_share_and_soft_maps_carry_gradients_back() -> None:
    task = tiny_task()
    network = task.network.eval()
    torch.nn.init.normal_(network.trunk.stem[0].weight[:, 3:], std=0.1)
    for kind, expected in (("soft", True), ("hard", False)):
        config = MapConfig(kind=kind, second_share=0.5)
        passes = two_passes(network, task.space, crops(), None, config)
        assert passes.chosen.tolist() == [0, 2]
        assert passes.second.values.shape == (2, task.space.size)
        first = passes.first.values
        gradient = torch.autograd.grad(passes.placed_again.points.sum(), first, allow_unused=True)[0]
        assert (gradient is not None and bool((gradient != 0).any())) == expected


def test_no_share_no_second_pass() -> None:
    task = tiny_task()
    passes = two_passes(task.network.eval(), task.space, crops(), None, MapConfig(second_share=0.0))
    assert passes.second is None
    assert len(passes.chosen) == 0


def test_first_maps_are_dropped_out_by_chance() -> None:
    config = MapConfig(kind="hard", first="landmarks", dropout=0.5)
    points, noise = torch.rand(3, 68, 2) * 100.0, torch.zeros(3, 18, 2)
    maps = first_map(points, noise, torch.tensor([0.4, 0.6, 0.9]), 60, config)
    assert (maps.flatten(1).sum(1) > 0).tolist() == [False, True, True]
    assert first_map(points, noise, torch.zeros(3), 60, MapConfig()) is None


def test_the_critic_learns_to_tell_truth_from_prediction() -> None:
    torch.manual_seed(0)
    critic = SelfCritic(5)
    photos = crops(16)
    has_truth = torch.tensor([1.0] * 8 + [0.0] * 8)
    values, truth = torch.randn(16, 5) + 2.0, torch.randn(16, 5) - 2.0
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    objectives = []
    for _ in range(40):
        cost, objective = critic.play(photos, values, truth, has_truth)
        objectives.append(float(objective.detach()))
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
    assert objectives[-1] < 0.5 * objectives[0]
    assert float(cost.detach()) > 1.0  # the regressor is being found out


def test_the_critics_objective_leaves_the_regressor_alone() -> None:
    critic = SelfCritic(3)
    values = torch.randn(4, 3, requires_grad=True)
    cost, objective = critic.play(crops(), values, torch.zeros(4, 3), torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert torch.autograd.grad(objective, values, allow_unused=True, retain_graph=True)[0] is None
    gradient = torch.autograd.grad(cost, values)[0]
    assert np.flatnonzero(gradient.abs().sum(1).numpy()).tolist() == [2, 3]  # set I only

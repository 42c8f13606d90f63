"""2DASL as a task of the engine: batches of both photo sets, the weighted sum of all losses, validation, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facefuse.learning.engine.task import Losses, Player
from facefuse.learning.synthesis.expressions import score_spread
from facefuse.learning.two_dasl import losses as terms
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.critic import SelfCritic
from facefuse.learning.two_dasl.data import Batch, Sample2D, joined
from facefuse.learning.two_dasl.flm import flm_points
from facefuse.learning.two_dasl.light import Prediction
from facefuse.learning.two_dasl.space import Placed
from facefuse.learning.two_dasl.two_pass import CoefficientSpace, Passes, first_map, two_passes
from facefuse.learning.two_dasl.validation import draw_faces, validate

IBUG = slice(0, 68)


class PhotoSet(Protocol):
    """Photos to draw batches from."""

    def draw(self, count: int, values: int, rng: np.random.Generator) -> Batch: ...


class TwoDaslTask:
    """Trains a regressor, and a critic where its loss has a weight.

    Parameters
    ----------
    config
        Of the run.
    network, space
        The regressor, ``network(crops, maps) -> Prediction``, and its coefficients.
    labelled_3d, labelled_2d
        The sets J and I; None where the batches have none of them.
    mesh_indices
        (M,) mesh points that follow the 68 landmarks in batches.
    held_out
        Photos of set I for validation; None to skip it.
    critic
        Needed where ``config.losses.critic`` is not zero.
    """

    averaged = "regressor"

    def __init__(
        self,
        config: TwoDaslConfig,
        network: nn.Module,
        space: CoefficientSpace,
        labelled_3d: PhotoSet | None,
        labelled_2d: PhotoSet | None,
        mesh_indices: NDArray[np.integer],
        held_out: Sample2D | None = None,
        critic: SelfCritic | None = None,
    ) -> None:
        self.config, self.network, self.space, self.mesh_indices = config, network, space, mesh_indices
        self._openings = terms.lids_and_lips(mesh_indices.tolist())
        self._spread = torch.from_numpy(score_spread(space.expression_names))
        self._sets = ((labelled_3d, config.data.labelled_3d), (labelled_2d, config.data.labelled_2d))
        self.held_out, self._critic = held_out, critic

    @property
    def players(self) -> Mapping[str, Player]:
        """The regressor and, where it plays, the critic."""
        players = {"regressor": Player(self.network, self.config.optim)}
        if self._critic is not None:
            players["critic"] = Player(self._critic, self.config.critic_optim)
        return players

    def batch(self, step: int, shards: Sequence[int]) -> Batch:
        """Some shards of the batch of a step."""
        engine = self.config.engine
        parts = []
        for shard in shards:
            rng = np.random.default_rng([engine.seed, step, shard])
            for photos, count in self._sets:
                if photos is not None and count:
                    parts.append(photos.draw(count // engine.shards, self.space.size, rng))
        return joined(parts)

    def losses(self, batch: Batch, step: int) -> Losses:
        """The weighted sum of all terms."""
        device = next(self.network.parameters()).device
        data = {name: torch.from_numpy(value).to(device, non_blocking=True) for name, value in batch.__dict__.items()}
        size = batch.crops.shape[1]
        maps = first_map(data["points"][:, IBUG], data["noise"], data["chance"], size, self.config.maps)
        passes = two_passes(self.network, self.space, data["crops"], maps, self.config.maps)
        parts = self._pass_terms(passes.first, passes.placed, data)
        if passes.second is not None and passes.placed_again is not None:
            some = {name: value[passes.chosen] for name, value in data.items()}
            again = self._pass_terms(passes.second, passes.placed_again, some)
            share = len(passes.chosen) / len(batch.crops)
            for name in again:
                parts[name] = (parts[name] + share * again[name]) / (1.0 + share)
            parts |= self._self_mapping(passes, data)
        objectives = {}
        if self._critic is not None:
            cost, objective = self._critic.play(data["crops"], passes.first.values, data["truth"], data["has_truth"])
            parts["critic"] = cost
            objectives["critic"] = objective
        weights = self.config.losses
        total = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
        return Losses({"regressor": total, **objectives}, parts)

    def validate(self, average: nn.Module) -> dict[str, float]:
        """Figures of the averaged network on the held-out photos."""
        if self.held_out is None:
            return {}
        return validate(average, self.space, self.held_out, self.config)

    def images(self, average: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Held-out photos with the landmarks of the predicted face."""
        if self.held_out is None:
            return {}
        return {"held_out": draw_faces(average, self.space, self.held_out, self.config)}

    def _pass_terms(self, found: Prediction, placed: Placed, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms that compare one pass with the labels; means over its samples."""
        weights = self.config.losses
        target, weight = data["points"], data["weight"]
        labelled = target.shape[1]
        parts: dict[str, Tensor] = {}
        if weights.landmarks:
            distance = terms.landmark_distance(placed.points[:, IBUG], target[:, IBUG], weight[:, IBUG])
            for values in found.earlier:
                coarse = self.space.place(values).points[:, IBUG]
                distance = distance + 0.3 * terms.landmark_distance(coarse, target[:, IBUG], weight[:, IBUG])
            parts["landmarks"] = distance.mean()
        if weights.mesh and labelled > 68:
            parts["mesh"] = terms.landmark_distance(
                placed.points[:, 68:labelled], target[:, 68:], weight[:, 68:]
            ).mean()
        if weights.gaps:
            parts["gaps"] = terms.gap_distance(placed.points[:, :labelled], target, weight, self._openings).mean()
            if found.points is not None:
                parts["gaps"] = parts["gaps"] + terms.gap_distance(found.points, target, weight, self._openings).mean()
        if found.points is not None and found.log_sigma is not None:
            sparse = terms.landmark_distance(found.points[:, IBUG], target[:, IBUG], weight[:, IBUG])
            dense = terms.landmark_distance(found.points[:, 68:], target[:, 68:], weight[:, 68:])
            parts["votes"] = (sparse + 0.5 * dense).mean()
            parts["sigma"] = terms.sigma_likelihood(found.log_sigma, found.points, target, weight).mean()
        if weights.blendshapes:
            distance = terms.blendshape_distance(placed.expression, data["scores"], self._spread.to(target.device))
            parts["blendshapes"] = (data["has_scores"] * distance).mean()
        if weights.wpdc or weights.vdc:
            parts |= self._truth_terms(found, placed, data)
        if weights.identity_prior:
            parts["identity_prior"] = terms.identity_prior(placed.identity).mean()
        if weights.expression_prior:
            parts["expression_prior"] = terms.expression_prior(placed.expression).mean()
        return parts

    def _truth_terms(self, found: Prediction, placed: Placed, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms that compare with the 3D truth; means over the samples that have it, zero where there are none."""
        has = data["has_truth"] > 0
        if not has.any():
            return {}
        values = data["truth"][has]
        parts = {}
        if self.config.losses.wpdc:
            parts["wpdc"] = terms.wpdc(found.values[has], values, self.space.impacts(values)).mean()
        if self.config.losses.vdc:
            true = self.space.place(values)
            # depth is known up to a shift
            both = [
                torch.cat([points, (depth - depth.mean(1, keepdim=True))[..., None]], dim=-1)
                for points, depth in ((placed.points[has], placed.depth[has]), (true.points, true.depth))
            ]
            parts["vdc"] = terms.vdc(*both).mean()
        return parts

    def _self_mapping(self, passes: Passes, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published self-mapping losses; means over the samples of the second pass."""
        assert passes.placed_again is not None
        weights = self.config.losses
        seen = flm_points(data["points"][passes.chosen][:, IBUG])
        once = passes.placed.points[passes.chosen][:, IBUG]
        twice = passes.placed_again.points[:, IBUG]
        parts: dict[str, Tensor] = {}
        if weights.consistency_2d:
            parts["consistency_2d"] = terms.consistency_2d(seen, flm_points(once)).mean()
        if weights.cycle:
            parts["cycle"] = terms.cycle(seen, flm_points(twice)).mean()
        if weights.consistency_3d:
            model = passes.placed.model[passes.chosen][:, IBUG]
            parts["consistency_3d"] = terms.consistency_3d(model, passes.placed_again.model[:, IBUG]).mean()
        return parts

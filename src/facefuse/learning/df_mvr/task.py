"""DF-MVR as a task of the engine: batches of rigs, the weighted sum of all losses, validation, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facefuse.evaluation.agreement import mesh_agreement
from facefuse.learning.df_mvr import losses as terms
from facefuse.learning.df_mvr.common import common_visibility
from facefuse.learning.df_mvr.config import DfMvrConfig
from facefuse.learning.df_mvr.faces import FaceDecoder, Faces, detached, scaled
from facefuse.learning.df_mvr.n_view import NViewOutput, voted_points
from facefuse.learning.df_mvr.parts import PARTS, part_table, photometric_weights
from facefuse.learning.df_mvr.rigs import UNKNOWN, Rig, RigBatch, Symmetry, draw, whole
from facefuse.learning.engine.task import Losses, Player
from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.learning.rendering import Rendering, RenderMesh, render
from facefuse.morphable.model import FaceModel
from facefuse.rendering.marks import draw_landmarks
from facefuse.rendering.shading import linear_to_srgb

REFERENCE = 224.0
"""Landmark distances are stated in pixels of a crop of this side, whatever the crop's: the weights are made for it."""
_SHOWN = 3


def vertex_parts(model: FaceModel) -> NDArray[np.float32]:
    """Weight of each of `parts.PARTS` at every vertex, (V, 10): the mean over its triangles; each row sums to one."""
    label = part_table(model.region_names)[np.asarray(model.region)]
    weights = np.zeros((model.vertex_count, len(PARTS)))
    for corner in range(3):
        np.add.at(weights, (np.asarray(model.triangles)[:, corner], label), 1.0)
    total = weights.sum(axis=1, keepdims=True)
    weights[:, 0] += total[:, 0] == 0
    return np.asarray(weights / np.maximum(total, 1.0), dtype=np.float32)


class MultiviewTask:
    """Trains a network for several views.

    Parameters
    ----------
    config
        Of the run.
    network
        ``NViewNet`` or ``DeepFusionNet``, as the settings say.
    model
        The face model that it predicts coefficients of.
    rigs
        People; the last ones are held out.
    device
    wild
        More people to train on, whose true faces are not known.
    """

    averaged = "regressor"

    def __init__(
        self,
        config: DfMvrConfig,
        network: nn.Module,
        model: FaceModel,
        rigs: list[Rig],
        device: str,
        wild: Sequence[Rig] = (),
    ) -> None:
        self.config, self.network, self.device = config, network, device
        held = min(config.data.held_out, len(rigs) - 1)
        self._rigs, self._held = rigs[: len(rigs) - held], rigs[len(rigs) - held :]
        self._wild = list(wild)
        self._symmetry = Symmetry.of(model) if config.data.mirror else None
        self._decoder = FaceDecoder(model, device)
        self._mesh = RenderMesh.of_model(model, device)
        self._mask = np.asarray(model.face_mask)
        self._parts = torch.as_tensor(vertex_parts(model), device=device)
        self._skin = (self._parts[:, PARTS.index("skin")] > 0.99).float()
        self._points = terms.published_landmark_weights().to(device)
        self._voted = torch.as_tensor(voted_points(model), device=device)

    @property
    def players(self) -> Mapping[str, Player]:
        """The regressor alone."""
        return {"regressor": Player(self.network, self.config.optim)}

    @property
    def _aligned(self) -> bool:
        return self.config.kind == "deep-fusion"

    def batch(self, step: int, shards: Sequence[int]) -> RigBatch:
        """Some shards of the batch of a step."""
        engine, data = self.config.engine, self.config.data
        views = data.views
        if not self._aligned:
            views = int(np.random.default_rng([engine.seed, step]).integers(data.least_views, data.views + 1))
        people = max(data.crops // engine.shards // views, 1)
        drawn = []
        for shard in shards:
            rng = np.random.default_rng([engine.seed, step, shard])
            wild = min(int(rng.binomial(people, data.wild)), people - 1) if self._wild else 0
            sources = (self._rigs, people - wild), (self._wild, wild)
            drawn += [
                draw(rigs, count, views, data, rng, aligned=self._aligned, symmetry=self._symmetry)
                for rigs, count in sources
                if count
            ]
        return RigBatch.joined(drawn)

    def losses(self, batch: RigBatch, step: int) -> Losses:
        """The weighted sum of all terms over the views there are."""
        weights = self.config.losses
        data = self._tensors(batch)
        faces, out, fewer = self._look(self.network, data, weights.fewer + weights.unseen > 0)
        there = data["present"].flatten()
        parts = self._point_terms(faces, data, there)
        if fewer is not None:
            parts |= self._fewer_terms(fewer, faces, data, there)
        parts["coefficients"] = terms.coefficient_prior(faces.identity, faces.expression[there], faces.albedo, weights)
        parts["light"] = terms.light(faces.light[there].transpose(1, 2))
        if out is not None:
            parts |= self._encoder_terms(out, data, there)
        if weights.photometric or (weights.mask and step >= self.config.mask_from):
            parts |= self._picture_terms(*self._some(faces, data), step)
        if weights.landmarks3d:
            known = data["face"].flatten(1).isfinite().all(dim=1)  # not of people in the wild
            heads = self._decoder.neutral(faces)[:, self._mask]
            parts["landmarks3d"] = terms.landmarks3d(heads[known], data["face"][known])
        if weights.reflectance and faces.albedo.shape[1]:
            parts["reflectance"] = terms.reflectance(self._decoder.model.colours(faces.albedo), self._skin)
        factors = {name: getattr(weights, "mask" if name == "found" else name) for name in parts}
        total = torch.stack([factors[name] * value for name, value in parts.items()]).sum()
        return Losses({"regressor": total}, parts)

    def validate(self, average: nn.Module) -> dict[str, float]:
        """Distance of held-out faces from the truth, mm RMS after a similarity, from one view and from all."""
        if not self._held:
            return {}
        counts = sorted({self.config.data.views} if self._aligned else {1, self.config.data.views})
        figures = {f"face_rms_{views}": float(self.held_out_errors(average, views).mean()) for views in counts}
        mean = self._decoder.model.mean[self._mask].cpu().numpy()
        figures["face_rms_mean"] = float(np.mean([mesh_agreement(mean, rig.face).rms for rig in self._held]))
        return figures

    def held_out_errors(self, network: nn.Module, views: int) -> NDArray[np.float64]:
        """Distance of each held-out face from the truth, from its first views: mm RMS after a similarity."""
        batch = whole(self._held, views, self.config.data, self._aligned)
        with torch.inference_mode():
            faces, _, _ = self._look(network, self._tensors(batch))
            heads = self._decoder.neutral(faces)[:, self._mask].cpu().numpy()
        return np.array([mesh_agreement(a, b).rms for a, b in zip(heads, batch.face, strict=True)])

    def images(self, average: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Held-out crops: as they are, with the landmarks of the predicted face, and rendered."""
        if not self._held:
            return {}
        batch = whole(self._held[:_SHOWN], self.config.data.views, self.config.data, self._aligned)
        size = self.config.data.size
        with torch.inference_mode():
            faces, _, _ = self._look(average, self._tensors(batch))
            points = scaled(faces.cameras, size).screen(self._decoder.points(faces))[:, :68, :2]
            drawn = linear_to_srgb(self._render(faces, size).colour.clamp(0, 1)).movedim(1, -1)
        rows = []
        rendered = (drawn.cpu().numpy() * 255).astype(np.uint8)
        for k, crop in enumerate(batch.crops.reshape(-1, size, size, 3)):
            rows.append(np.concatenate([crop, draw_landmarks(crop, points[k].cpu().numpy()), rendered[k]]))
        return {"held_out": np.concatenate(rows, axis=1)}

    def _look(
        self, network: nn.Module, data: Mapping[str, Tensor], fewer: bool = False
    ) -> tuple[Faces, NViewOutput | None, Faces | None]:
        """Faces; all that our network says of the crops; and, if wanted, its faces from some of the views."""
        if self.config.kind == "n-view":
            if not fewer:
                out = network(data["crops"], data["present"])
                return self._decoder.of_n_view(out), out, None
            seen = network.see(data["crops"].flatten(0, 1))
            out = network.fuse(seen, data["present"])
            return self._decoder.of_n_view(out), out, self._decoder.of_n_view(network.fuse(seen, data["some"]))
        views = data["crops"].movedim(-1, 2).float() / 127.5 - 1.0
        labels = data["parts"].float()
        with_masks = self.config.deep_fusion.masks
        masks = torch.where(labels == UNKNOWN, torch.zeros_like(labels), labels) if with_masks else None
        return self._decoder.of_deep_fusion(network(views, masks)), None, None

    def _tensors(self, batch: RigBatch) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self.device) for name, value in batch.__dict__.items()}

    def _point_terms(self, faces: Faces, data: Mapping[str, Tensor], there: Tensor) -> dict[str, Tensor]:
        """Landmarks and mesh points against theirs, pixels of a 224 crop."""
        size = self.config.data.size
        truth, known = data["points"].flatten(0, 1)[there], data["known"].flatten(0, 1)[there]
        seen = scaled(faces.cameras, size).screen(self._decoder.points(faces))[there][..., :2]
        zoom = REFERENCE / size
        parts = {"landmarks": terms.landmarks(seen[:, :68] * zoom, truth[:, :68] * zoom, self._points * known[:, :68])}
        if self.config.losses.mesh and seen.shape[1] > 68:
            parts["mesh"] = terms.landmarks(seen[:, 68:] * zoom, truth[:, 68:] * zoom, known[:, 68:])
        return parts

    def _fewer_terms(self, fewer: Faces, faces: Faces, data: Mapping[str, Tensor], there: Tensor) -> dict[str, Tensor]:
        """The faces of some of the views in these, and their identity in all the views, as all of them show it."""
        weights, size = self.config.losses, self.config.data.size
        own = self._point_terms(fewer, data, data["some"].flatten())
        prior = terms.coefficient_prior(fewer.identity, fewer.expression[data["some"].flatten()], fewer.albedo, weights)
        parts = [getattr(weights, name) * value for name, value in (*own.items(), ("coefficients", prior))]
        elsewhere = replace(faces, identity=fewer.identity, expression=faces.expression.detach())
        cameras = scaled(detached(faces.cameras), size)
        placed = cameras.screen(self._decoder.points(elsewhere))[there][..., :2]
        truth, known = data["points"].flatten(0, 1)[there], data["known"].flatten(0, 1)[there]
        zoom = REFERENCE / size
        return {
            "fewer": torch.stack(parts).sum(),
            "unseen": terms.landmarks(placed * zoom, truth * zoom, known),
        }

    def _encoder_terms(self, out: NViewOutput, data: Mapping[str, Tensor], there: Tensor) -> dict[str, Tensor]:
        """Parts and points that our network finds by itself, and its faces before each refinement."""
        weights, size = self.config.losses, self.config.data.size
        parts = {}
        if weights.mask:
            labels = data["parts"].flatten(0, 1)[there]
            logits = out.parts.flatten(0, 1)[there].float()
            wanted = functional.interpolate(labels[:, None].float(), logits.shape[-2:], mode="nearest")[:, 0].long()
            parts["found"] = functional.cross_entropy(logits, wanted, ignore_index=UNKNOWN)
        truth = (data["points"].flatten(0, 1)[there][:, self._voted] + 0.5) * (REFERENCE / size)
        known = data["known"].flatten(0, 1)[there][:, self._voted]
        found = out.points.flatten(0, 1)[there] * REFERENCE
        parts["votes"] = terms.landmarks(found, truth, known)
        unit = math.log(REFERENCE / CROP_SIZE)
        parts["sigma"] = terms.uncertainty(out.log_sigma.flatten(0, 1)[there] + unit, found, truth, known)
        before = torch.cat([out.earlier, out.voted[:, :, None]], dim=2).flatten(0, 1)[there] * REFERENCE
        parts["earlier"] = terms.landmarks(before, truth[:, None], known[:, None])
        return parts

    def _some(self, faces: Faces, data: Mapping[str, Tensor]) -> tuple[Faces, Mapping[str, Tensor]]:
        """As many of the people as are to be rendered."""
        views = data["present"].shape[1]
        people = max(self.config.data.pictured // views, 1)
        return faces.first(people, views), {name: value[:people] for name, value in data.items()}

    def _picture_terms(self, faces: Faces, data: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Photometric loss, and the mask loss once it has begun, on pictures of the size that is rendered."""
        side, there = self.config.data.rendered, data["present"].flatten()
        crops = data["crops"].flatten(0, 1)[there].movedim(-1, 1).float() / 255.0
        photo = functional.interpolate(crops, (side, side), mode="bilinear", antialias=True)
        labels = data["parts"].flatten(0, 1)[there]
        labels = functional.interpolate(labels[:, None].float(), (side, side), mode="nearest")[:, 0].to(torch.uint8)
        clear = (labels != UNKNOWN).float()
        drawn = self._render(faces, side)
        parts = {}
        if self.config.losses.photometric:
            weights = photometric_weights_of(labels) * clear * drawn.mask[there, 0]
            if self.config.common:
                weights = weights * common_visibility(drawn, self._mesh.triangles, data["present"])[there]
            colour = linear_to_srgb(drawn.colour[there].clamp(1e-4, 1.0))
            parts["photometric"] = terms.photometric(colour, photo, weights)
        if self.config.losses.mask and step >= self.config.mask_from:
            beside = 1 - drawn.mask[there]
            rendered = torch.cat([drawn.attributes[there, :1] + beside, drawn.attributes[there, 1:]], dim=1)
            wanted = torch.where(labels == UNKNOWN, torch.zeros_like(labels), labels)
            parts["mask"] = terms.mask_cross_entropy(rendered, wanted, clear) + terms.mask_overlap(
                rendered, wanted, clear
            )
        return parts

    def _render(self, faces: Faces, side: int) -> Rendering:
        model, vertices = self._decoder.model, self._decoder.vertices(faces)
        views = len(vertices) // len(faces.identity)
        colours = model.colours(faces.albedo) if faces.albedo.shape[1] else model.colours()[None]
        albedo: Any = colours.repeat_interleave(views, dim=0) if len(colours) > 1 else colours
        return render(
            vertices,
            scaled(faces.cameras, side),
            self._mesh,
            side,
            side,
            albedo=albedo,
            light=faces.light,
            light_frame="model",
            attributes=self._parts[None],
        )


def photometric_weights_of(labels: Tensor) -> Tensor:
    """`photometric_weights` of a batch of labels (B, H, W)."""
    return torch.stack(
        [torch.from_numpy(photometric_weights(np.where(one == UNKNOWN, 0, one))) for one in labels.cpu().numpy()]
    ).to(labels.device)

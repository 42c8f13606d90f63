"""Face parsing as a task of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facefuse.detection.parts import BACKGROUND, OCCLUDER
from facefuse.learning.df_mvr.losses import mask_overlap
from facefuse.learning.df_mvr.rigs import UNKNOWN
from facefuse.learning.engine.task import Losses, Player
from facefuse.learning.parsing.config import ParsingConfig
from facefuse.learning.parsing.faces import Batch, LabelledFaces, cover, draw, plain
from facefuse.learning.parsing.measure import confusion, intersection_over_union
from facefuse.learning.parsing.network import ParserNet, probabilities

PALETTE = np.array(
    [
        (0, 0, 0),
        (232, 190, 160),
        (110, 60, 20),
        (170, 100, 40),
        (50, 110, 255),
        (60, 210, 255),
        (255, 225, 110),
        (150, 0, 60),
        (255, 90, 130),
        (230, 0, 60),
        (40, 200, 60),
    ],
    np.uint8,
)
"""Colour of each part in pictures."""
_SHOWN = 8


class ParsingTask:
    """Trains a face parser.

    Parameters
    ----------
    config
        Of the run.
    network
    synthetic
        Photos with true labels; the last people are held out.
    wild, wild_held
        Real photos labelled by fitted models, to learn from and held out.
    device
    """

    averaged = "parser"

    def __init__(
        self,
        config: ParsingConfig,
        network: ParserNet,
        synthetic: LabelledFaces,
        wild: LabelledFaces | None = None,
        wild_held: LabelledFaces | None = None,
        device: str = "cpu",
    ) -> None:
        self.config, self.network, self.device = config, network, device
        held = synthetic.last_people(config.held_out)
        self._synthetic, self._wild = synthetic.subset(~held), wild
        self._held = {"synthetic": synthetic.subset(held)}
        if wild_held is not None:
            self._held["aflw"] = wild_held
        self._weights = torch.tensor(config.losses.class_weights, device=device)

    @property
    def players(self) -> Mapping[str, Player]:
        """The parser alone."""
        return {"parser": Player(self.network, self.config.optim)}

    def batch(self, step: int, shards: Sequence[int]) -> Batch:
        """Some shards of the batch of a step."""
        config = self.config
        count = config.faces // config.engine.shards
        share = config.wild_share if self._wild is not None and step >= config.wild_from else 0.0
        real = round(share * count)
        crops, labels, fitted = [], [], []
        for shard in shards:
            rng = np.random.default_rng([config.engine.seed, step, shard])
            drawn = [draw(self._synthetic, count - real, config.size, config.augment, rng)]
            if real:
                assert self._wild is not None
                drawn.append(draw(self._wild, real, config.size, config.augment, rng))
            pixels, parts = (np.concatenate(each) for each in zip(*drawn, strict=True))
            # what hides a face comes from synthetic ones, where it is known
            donors = np.where(
                rng.random(count) < config.covered, rng.integers(0, count - real, count), np.arange(count)
            )
            cover(pixels, parts, donors, rng)
            # the network's cells lie between pixels: one of the four about each is taken, another one in other steps
            row, column = rng.integers(0, 2, 2)
            crops.append(pixels)
            labels.append(parts[:, row::2, column::2])
            fitted.append(np.arange(count) >= count - real)
        return Batch(np.concatenate(crops), np.concatenate(labels), np.concatenate(fitted))

    def losses(self, batch: Batch, step: int) -> Losses:
        """Weighted cross-entropy and Dice loss of the pixels whose labels are known and believed."""
        found = self.network(torch.from_numpy(batch.crops).to(self.device)).float().softmax(dim=1)
        labels = torch.from_numpy(batch.labels).to(self.device)
        fitted = torch.from_numpy(batch.fitted).to(self.device)
        known = labels != UNKNOWN
        wanted = torch.where(known, labels, torch.zeros_like(labels)).long()
        beside = (found[:, BACKGROUND] + found[:, OCCLUDER]).detach()
        face = (wanted != BACKGROUND) & (wanted != OCCLUDER)
        known = known & ~(fitted[:, None, None] & face & (beside > self.config.losses.doubt))
        weight = self._weights[wanted] * known
        chance = found.gather(1, wanted[:, None])[:, 0].clamp(min=1e-6)
        entropy = -(weight * chance.log()).sum() / weight.sum().clamp(min=1.0)
        overlap = mask_overlap(found, wanted, known.float())
        total = entropy + self.config.losses.dice * overlap
        return Losses({"parser": total}, {"entropy": entropy, "overlap": overlap, "known": known.float().mean()})

    def validate(self, average: nn.Module) -> dict[str, float]:
        """Mean intersection over union of the parts, held-out faces."""
        figures = {}
        for name, faces in self._held.items():
            if len(faces):
                counts = confusion(lambda crops: self._labels(average, crops), faces, self.config.size)
                figures[f"iou_{name}"] = float(np.nanmean(intersection_over_union(counts)))
        return figures

    def images(self, average: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Held-out crops above the parts found in them."""
        pictures = {}
        for name, faces in self._held.items():
            if len(faces):
                crops, _ = plain(faces.subset(np.arange(min(_SHOWN, len(faces)))), self.config.size)
                found = PALETTE[self._labels(average, crops)]
                pictures[name] = np.concatenate([np.concatenate(list(rows), axis=1) for rows in (crops, found)])
        return pictures

    def _labels(self, network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            found: Any = probabilities(network(torch.from_numpy(crops).to(self.device)))
        return np.asarray(found.argmax(dim=1).to(torch.uint8).cpu().numpy())

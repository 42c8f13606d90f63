"""The published network on photos: for comparison, since only the N-view network is exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from facefuse.detection.crop import cut_square
from facefuse.detection.five_points import aligned_square, five_points
from facefuse.detection.parsing import ParserNetwork
from facefuse.detection.parts import OCCLUDER
from facefuse.errors import UsageError
from facefuse.learning.df_mvr.commands import make_network, read_run
from facefuse.learning.df_mvr.network import DeepFusionNet
from facefuse.learning.df_mvr.rigs import cut_labels
from facefuse.learning.engine.checkpoint import CHECKPOINT, averaged_weights
from facefuse.morphable.model import FaceModel


class PublishedNetwork:
    """A trained `DeepFusionNet` with the crops and, from the built-in parser, the masks that it takes.

    Parameters
    ----------
    run : Path
        Folder of its training run.
    model : FaceModel
        The face model it was trained with.

    Raises
    ------
    UsageError
        If it is no run, or one of another network.
    """

    def __init__(self, run: Path, model: FaceModel) -> None:
        settings, _, _ = read_run(run)
        network = make_network(settings, model)
        if not isinstance(network, DeepFusionNet):
            raise UsageError(f"{run}: expected a run of the published network (kind deep-fusion)")
        network.load_state_dict(averaged_weights(run / CHECKPOINT))
        self._network, self._size = network.eval(), settings.data.size
        self._parser = ParserNetwork(threads=1)

    def identity(
        self, views: Sequence[tuple[npt.NDArray[np.uint8], npt.NDArray[np.floating]]]
    ) -> npt.NDArray[np.float32]:
        """Identity coefficients (K,) of one person.

        Parameters
        ----------
        views
            Left, front and right photo, (H, W, 3) sRGB, each with its 68 landmarks (68, 2), pixels.
        """
        crops, masks = [], []
        for pixels, points in views:
            square = aligned_square(five_points(points))
            labels = self._parser.parse(pixels, points).labels_in(*pixels.shape[:2])
            cut = cut_labels(labels, square, self._size)
            crops.append(cut_square(pixels, square, self._size))
            masks.append(np.where(cut < OCCLUDER, cut, 0))
        seen = torch.from_numpy(np.stack(crops)).movedim(-1, 1).float() / 127.5 - 1.0
        with torch.inference_mode():
            out = self._network(
                seen[None], torch.from_numpy(np.stack(masks)).float()[None] if self._network.config.masks else None
            )
        return np.asarray(out.identity[0].numpy(), np.float32)

"""What a renderer has to know about a mesh besides where its vertices are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facefuse.morphable.model import FaceModel


@dataclass(frozen=True)
class RenderMesh:
    """Triangles and how they hang together.

    Attributes
    ----------
    triangles : (F, 3) int64
        Counter-clockwise seen from outside.
    neighbours : (F, 3) int64
        The triangle across the edge opposite each corner; -1 at a border, and where more than two triangles meet.
    uv : (U, 2) float, optional
        Texture coordinates, u right, v up, [0, 1].
    uv_triangles : (F, 3) int64, optional
        Indices into ``uv``.
    """

    triangles: Tensor
    neighbours: Tensor
    uv: Tensor | None = None
    uv_triangles: Tensor | None = None

    @classmethod
    def of_model(cls, model: FaceModel, device: torch.device | str = "cpu") -> RenderMesh:
        """Return the mesh of a face model."""
        mesh = cls.of_triangles(np.asarray(model.triangles))
        uv = torch.as_tensor(np.asarray(model.uv), dtype=torch.float32)
        corners = torch.as_tensor(np.asarray(model.uv_triangles), dtype=torch.int64)
        return replace(mesh, uv=uv, uv_triangles=corners).to(device)

    @classmethod
    def of_triangles(cls, triangles: npt.NDArray[np.integer[Any]] | Tensor) -> RenderMesh:
        """Return a mesh without texture coordinates: triangles (F, 3).

        Raises
        ------
        ValueError
            If the array has another shape.
        """
        corners = np.asarray(triangles.cpu() if isinstance(triangles, Tensor) else triangles)
        if corners.ndim != 2 or corners.shape[1] != 3:
            raise ValueError(f"expected (F, 3) triangles, found {corners.shape}")
        corners = corners.astype(np.int64)
        return cls(torch.from_numpy(corners), torch.from_numpy(triangle_neighbours(corners)))

    def to(self, device: torch.device | str) -> RenderMesh:
        """Return the mesh on a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return RenderMesh(**{name: None if value is None else value.to(device) for name, value in moved.items()})


def triangle_neighbours(triangles: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the triangle across the edge opposite each corner, -1 where there is not exactly one: (F, 3)."""
    edges = np.concatenate([triangles[:, [1, 2]], triangles[:, [2, 0]], triangles[:, [0, 1]]])
    owner = np.tile(np.arange(len(triangles)), 3)
    slot = np.repeat(np.arange(3), len(triangles))
    _, number, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    order = np.argsort(number, kind="stable")
    order = order[count[number[order]] == 2]
    first, second = order[0::2], order[1::2]
    out = np.full((len(triangles), 3), -1, np.int64)
    out[owner[first], slot[first]] = owner[second]
    out[owner[second], slot[second]] = owner[first]
    return out

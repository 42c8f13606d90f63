"""How far two reconstructions of the same person differ: meshes of one topology after similarity alignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.evaluation.scan import DistanceSummary
from facefuse.geometry.alignment import similarity_from_points

FloatArray = npt.NDArray[np.floating[Any]]

_MOST_OTHERS = 20


def mesh_agreement(
    first: FloatArray, second: FloatArray, mask: npt.NDArray[np.bool_] | None = None, with_scale: bool = True
) -> DistanceSummary:
    """Distance between corresponding vertices of two heads after the best similarity.

    Parameters
    ----------
    first, second : (V, 3) float
        Vertices of the same mesh, mm.
    mask : (V,) bool, optional
        The vertices that are aligned and measured, such as `FaceModel.face_mask`; all if absent.
    with_scale : bool
        Whether scale is free (photos without a known distance do not tell it).

    Returns
    -------
    DistanceSummary
        In the unit of ``second``.

    Raises
    ------
    ValueError
        If the meshes differ in their number of vertices.
    """
    chosen = slice(None) if mask is None else np.asarray(mask, dtype=bool)
    a, b = np.asarray(first, dtype=float)[chosen], np.asarray(second, dtype=float)[chosen]
    moved = similarity_from_points(a, b, with_scale=with_scale).apply(a)
    return DistanceSummary.of(np.linalg.norm(moved - b, axis=1))


@dataclass(frozen=True)
class PeopleAgreement:
    """Heads of one person from disjoint photos, against heads of different people.

    Attributes
    ----------
    same : dict of float
        By person: mean over the pairs of disjoint photos of the root mean square distance of the two heads, mm.
    different : float
        Mean of the same distance between different people; NaN for one person.
    nearest : float
        The smallest distance between heads of different people, mm; NaN for one person.
    separation : float
        Probability that two heads of one person are closer than two of different people, 0-1; 0.5 is chance. NaN for
        one person.
    """

    same: dict[str, float]
    different: float
    nearest: float
    separation: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return {"unit": "mm", **vars(self)}


def agreement_of_people(pairs: Mapping[str, Sequence[tuple[FloatArray, FloatArray]]]) -> PeopleAgreement:
    """Compare the heads of people: each person's with each other, and with those of up to twenty other people.

    Parameters
    ----------
    pairs : mapping of sequences of pairs of (N, 3) float
        By person, at least one: pairs of heads from disjoint photos, corresponding vertices in mm, at least one pair
        each.

    Returns
    -------
    PeopleAgreement
    """
    same = {name: [mesh_agreement(a, b).rms for a, b in own] for name, own in pairs.items()}
    everyone = list(pairs.values())
    different = [
        mesh_agreement(a, b).rms
        for k, own in enumerate(everyone)
        for step in range(1, min(len(everyone), _MOST_OTHERS + 1))
        for (a, _), (_, b) in zip(own, everyone[(k + step) % len(everyone)], strict=False)
    ]
    every = np.concatenate(list(same.values()))
    closer = np.mean(every[:, None] < np.array(different)) if different else float("nan")
    return PeopleAgreement(
        {name: float(np.mean(own)) for name, own in same.items()},
        float(np.mean(different)) if different else float("nan"),
        min(different, default=float("nan")),
        float(closer),
    )

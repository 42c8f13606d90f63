"""Several photos of a person against a scan: is the head better than one photo's, and better than their average?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput, UsageError
from facefuse.evaluation.agreement import PeopleAgreement, agreement_of_people
from facefuse.evaluation.bootstrap import Estimate, PairedDifference, mean_estimate, paired_difference
from facefuse.evaluation.compat import COMPAT_LANDMARKS, compat_distance
from facefuse.evaluation.mesh_files import NOW_LANDMARKS
from facefuse.evaluation.people import Person, Scan, choose_halves, choose_subsets, find_people, see_face
from facefuse.evaluation.scan import DistanceSummary, scan_to_mesh
from facefuse.evaluation.surface import TriangleSurface
from facefuse.geometry.mesh import Mesh
from facefuse.methods import METHODS, SeenFace, best_method, check_method
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

FloatArray = npt.NDArray[np.floating[Any]]
Progress = Callable[[str, float], None]
"""Told whose turn it is and the fraction of the work done, 0-1."""

METRICS = ("similarity", "rigid", "df_mvr_compat")
"""Scale free; the head's own scale; DF-MVR's own metric (see `facefuse.evaluation.compat`)."""
STATISTICS = ("median", "mean", "std", "rms")

MEAN_FACE, BEST_SINGLE, AVERAGE, JOINT = "mean face", "best single view", "average of single views", "all views"
"""Heads that are compared: the model's mean; the best, by the scan, of the heads from one photo each; the head of their
mean coefficients; the head that the method makes of all photos together."""


@dataclass(frozen=True)
class MultiviewRow:
    """Errors of one kind of head from one number of photos.

    Attributes
    ----------
    views : int
        Photos per head; 0 for the mean face.
    head : str
        One of `MEAN_FACE`, `BEST_SINGLE`, `AVERAGE`, `JOINT`.
    people : tuple of str
        Those measured.
    errors : dict of (P, 4) float
        By metric (`METRICS`): the `STATISTICS` of each person's distances in mm, averaged over that person's choices
        of photos.
    """

    views: int
    head: str
    people: tuple[str, ...]
    errors: dict[str, FloatArray] = field(repr=False)

    def estimate(self, metric: str = "similarity", statistic: str = "median") -> Estimate:
        """Return the mean over people of a statistic, with its interval."""
        return mean_estimate(self.errors[metric][:, STATISTICS.index(statistic)])


@dataclass(frozen=True)
class MultiviewComparison:
    """Two rows compared on the people they share, by the median distance with free scale."""

    first: tuple[int, str]
    second: tuple[int, str]
    difference: PairedDifference


@dataclass(frozen=True)
class MultiviewResult:
    """What several photos give.

    Attributes
    ----------
    method : str
        How the heads were made.
    rows : tuple of MultiviewRow
        Empty without scans.
    agreement : PeopleAgreement or None
        Of heads from disjoint photos; None where nobody has two photos.
    skipped : tuple of str
        Photos that could not be used, with the reason.
    """

    method: str
    rows: tuple[MultiviewRow, ...]
    agreement: PeopleAgreement | None
    skipped: tuple[str, ...]

    def row(self, views: int, head: str = JOINT) -> MultiviewRow:
        """Return one row.

        Raises
        ------
        KeyError
            If it was not measured.
        """
        for row in self.rows:
            if (row.views, row.head) == (views, head):
                return row
        raise KeyError(f"no row for {views} views, {head}")

    def comparisons(self) -> tuple[MultiviewComparison, ...]:
        """Compare the head from all views with the others from the same photos, and with itself from fewer photos."""
        joint = [row for row in self.rows if row.head == JOINT]
        pairs = [(row, other) for row in joint for other in self.rows if other.views == row.views and other is not row]
        pairs += [(more, fewer) for fewer, more in itertools.pairwise(joint)]
        pairs += [(row, other) for row in joint for other in self.rows if other.head == MEAN_FACE]
        return tuple(compare_rows(first, second) for first, second in pairs if set(first.people) & set(second.people))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "unit": "mm",
            "method": self.method,
            "rows": [
                {
                    "views": row.views,
                    "head": row.head,
                    "people": list(row.people),
                    **{
                        metric: {name: _plain(row.estimate(metric, name)) for name in STATISTICS}
                        | {"medians": [float(value) for value in row.errors[metric][:, 0]]}
                        for metric in METRICS
                    },
                }
                for row in self.rows
            ],
            "comparisons": [
                {
                    "first": {"views": one.first[0], "head": one.first[1]},
                    "second": {"views": one.second[0], "head": one.second[1]},
                    "people": one.difference.people,
                    "difference_mm": _plain(one.difference.absolute),
                    "difference_percent": _plain(one.difference.relative),
                }
                for one in self.comparisons()
            ],
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "skipped": list(self.skipped),
        }


def compare_rows(first: MultiviewRow, second: MultiviewRow, metric: str = "similarity") -> MultiviewComparison:
    """Compare the median distances of two rows on the people they share (at least one)."""
    common = [name for name in first.people if name in second.people]
    a = first.errors[metric][[first.people.index(name) for name in common], 0]
    b = second.errors[metric][[second.people.index(name) for name in common], 0]
    return MultiviewComparison((first.views, first.head), (second.views, second.head), paired_difference(a, b))


def measure_head(model: FaceModel, vertices: FloatArray, scan: Scan) -> dict[str, DistanceSummary]:
    """Measure a head, (V, 3) vertices of the model in mm, against a scan by every one of `METRICS`."""
    head = Mesh(vertices, model.triangles)
    points = np.asarray(model.landmarks(vertices))
    seven = points[list(NOW_LANDMARKS)]
    at = (scan.mesh.vertices, seven, scan.landmarks)
    surface = TriangleSurface(head.vertices, head.triangles)
    return {
        "similarity": scan_to_mesh(head, *at, surface=surface).summary,
        "rigid": scan_to_mesh(head, *at, with_scale=False, surface=surface).summary,
        "df_mvr_compat": compat_distance(
            head, points[list(COMPAT_LANDMARKS)], scan.mesh.vertices, scan.landmarks, surface
        ).summary,
    }


def head_scores(model: FaceModel, identity: FloatArray, scan: Scan) -> FloatArray:
    """Measure the head of identity coefficients (K,): `METRICS` by `STATISTICS`, (3, 4)."""
    found = measure_head(model, np.asarray(model.vertices(identity)), scan)
    return np.array([[getattr(found[metric], name) for name in STATISTICS] for metric in METRICS])


@dataclass(frozen=True)
class PersonScores:
    """What one person's photos gave.

    Attributes
    ----------
    name : str
    scores : dict of (3, 4) float
        By number of photos and kind of head: `METRICS` by `STATISTICS`; empty without a scan.
    pairs : tuple of pairs of (N, 3) float
        Faces from disjoint photos, mm.
    skipped : tuple of str
        Photos that could not be used, with the reason.
    """

    name: str
    scores: dict[tuple[int, str], FloatArray]
    pairs: tuple[tuple[FloatArray, FloatArray], ...]
    skipped: tuple[str, ...]


def evaluate_multiview(
    data: str | Path,
    views: Sequence[int] = (1, 3, 7),
    method: str = "auto",
    subsets: int = 7,
    model: str = "base",
    progress: Progress | None = None,
) -> MultiviewResult:
    """Measure heads from several numbers of photos against scans, and against each other.

    Parameters
    ----------
    data : str or Path
        See `find_people`.
    views : sequence of int
        Numbers of photos per head, above zero. People with fewer usable photos are left out of that row.
    method : str
        How heads are made: one of `facefuse.methods.METHODS`, or ``auto``, the best there is for so many photos.
    subsets : int
        At most so many choices of photos for each number and person (see `choose_subsets`).
    model : str
        A registered face model.
    progress : callable, optional

    Returns
    -------
    MultiviewResult

    Raises
    ------
    UsageError
        If an option is out of range.
    UnusableInput
        If there is nothing to measure, or a scan cannot be used.
    """
    if not views or min(views) < 1 or subsets < 1:
        raise UsageError(f"views {list(views)} and subsets {subsets}: expected numbers above zero")
    check_method(method)
    people = find_people(data)
    tell = progress or (lambda stage, fraction: None)
    face_model = load_model(model)
    found = []
    for done, person in enumerate(people):
        tell(person.name, done / len(people))
        found.append(measure_person(person, face_model, views, method, subsets))
    if not any(one.scores or one.pairs for one in found):
        skipped = [reason for one in found for reason in one.skipped]
        reasons = "\n  ".join(["no scan, and nobody with two usable photos", *skipped])
        raise UnusableInput(f"{data}: nothing to measure: {reasons}")
    return gathered(method, found)


def measure_person(
    person: Person,
    model: FaceModel,
    views: Sequence[int],
    method: str,
    subsets: int,
    see: Callable[[Path], SeenFace] | None = None,
) -> PersonScores:
    """Measure one person; see `evaluate_multiview`.

    Parameters
    ----------
    person : Person
    model : FaceModel
    views, method, subsets
        As there.
    see : callable, optional
        Finds the face of a photo, or raises UnusableInput; `see_face` unless given.
    """
    skipped: list[str] = []
    heads = _Heads(model, method, _see_all(person, skipped, see or see_face))
    scan = person.read_scan()
    scores = {}
    if scan is not None and heads.count:
        scores = _score_person(heads, scan, sorted(set(views)), subsets)
    halves = choose_halves(heads.count, subsets) if heads.count > 1 else ()
    pairs = tuple((heads.face(first), heads.face(second)) for first, second in halves)
    return PersonScores(person.name, scores, pairs, tuple(skipped))


def gathered(method: str, people: Sequence[PersonScores]) -> MultiviewResult:
    """Put the scores of several people together."""
    keys = sorted({key for one in people for key in one.scores}, key=lambda key: (key[0], _ORDER.index(key[1])))
    rows = []
    for key in keys:
        having = [one for one in people if key in one.scores]
        errors = {metric: np.stack([one.scores[key][k] for one in having]) for k, metric in enumerate(METRICS)}
        rows.append(MultiviewRow(key[0], key[1], tuple(one.name for one in having), errors))
    pairs = {one.name: list(one.pairs) for one in people if one.pairs}
    agreement = agreement_of_people(pairs) if pairs else None
    return MultiviewResult(method, tuple(rows), agreement, tuple(reason for one in people for reason in one.skipped))


_ORDER = (MEAN_FACE, BEST_SINGLE, AVERAGE, JOINT)


class _Heads:
    """Heads of one person from any choice of photos, each made once."""

    def __init__(self, model: FaceModel, method: str, faces: Sequence[SeenFace]) -> None:
        self.model = model
        self.count = len(faces)
        self._method = method
        self._faces = faces
        self._identities: dict[tuple[int, ...], FloatArray] = {}

    def identity(self, photos: tuple[int, ...]) -> FloatArray:
        """Coefficients from these photos together, (K,)."""
        if photos not in self._identities:
            seen = [self._faces[k] for k in photos]
            method = best_method(len(seen), self.model) if self._method == "auto" else self._method
            self._identities[photos] = METHODS[method](self.model, seen, "per-photo").identity
        return self._identities[photos]

    def average(self, photos: tuple[int, ...]) -> FloatArray:
        """Mean of the coefficients from each of these photos alone, (K,)."""
        return np.asarray(np.mean([self.identity((k,)) for k in photos], axis=0))

    def face(self, photos: tuple[int, ...]) -> FloatArray:
        """The neutral face (inside `FaceModel.face_mask`) from these photos together, (N, 3) mm."""
        vertices = np.asarray(self.model.vertices(self.identity(photos)), dtype=np.float32)
        face: FloatArray = vertices[np.asarray(self.model.face_mask)]
        return face


def _see_all(person: Person, skipped: list[str], see: Callable[[Path], SeenFace]) -> list[SeenFace]:
    seen = []
    for photo in person.photos:
        try:
            seen.append(see(photo))
        except UnusableInput as error:
            skipped.append(str(error))
    return seen


def _score_person(heads: _Heads, scan: Scan, views: Sequence[int], subsets: int) -> dict[tuple[int, str], FloatArray]:
    """Statistics, (metrics, statistics), of every kind of head, averaged over the choices of photos."""

    def score(identity: FloatArray) -> FloatArray:
        return head_scores(heads.model, identity, scan)

    table = {(0, MEAN_FACE): score(np.zeros(heads.model.identity_count))}
    alone: dict[int, FloatArray] = {}
    for count in (n for n in views if n <= heads.count):
        chosen = choose_subsets(heads.count, count, subsets)
        for k in {k for photos in chosen for k in photos} - set(alone):
            alone[k] = score(heads.identity((k,)))
        if count == 1:
            table[1, JOINT] = np.mean([alone[photos[0]] for photos in chosen], axis=0)
            continue
        best = [min((alone[k] for k in photos), key=lambda one: one[0, 0]) for photos in chosen]
        table[count, BEST_SINGLE] = np.mean(best, axis=0)
        table[count, AVERAGE] = np.mean([score(heads.average(photos)) for photos in chosen], axis=0)
        table[count, JOINT] = np.mean([score(heads.identity(photos)) for photos in chosen], axis=0)
    return table


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "interval": None if estimate.interval is None else list(estimate.interval)}

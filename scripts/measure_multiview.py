"""Measure several photos of a person against scans, and print the tables of docs/benchmarks/multiview.md.

    python scripts/measure_multiview.py [--set DIR] [--scans DIR] [--pairs DIR] [--methods fit df-mvr …]
        [--published RUN] --work DIR

``--set`` is what ``python -m facefuse.learning.df_mvr.multiview_set`` wrote; ``--scans`` a folder of real people with
scans, such as ``scans``; ``--published`` a run of the published network, measured on three synchronous views, which is
what it takes; ``--pairs`` one of people without scans, whose heads from disjoint photos are compared. What
was found in each photo and each person's scores are kept in ``--work``, so that an interrupted run goes on where it
stopped; empty that folder when networks have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import NoFaceFound, UnusableInput
from facefuse.evaluation.bootstrap import Estimate, PairedDifference
from facefuse.evaluation.multiview import (
    AVERAGE,
    BEST_SINGLE,
    JOINT,
    MEAN_FACE,
    MultiviewResult,
    PersonScores,
    compare_rows,
    gathered,
    head_scores,
    measure_person,
)
from facefuse.evaluation.people import Person, find_people, see_face
from facefuse.methods import METHODS, SeenFace
from facefuse.morphable.registry import load_model
from facefuse.photos import read_photo

KINDS = ("synchronous", "asynchronous")
_LANDMARKS = ("points68", "sigma68", "mesh", "mesh_sigma", "mesh_indices")


def main() -> int:
    """Print every table whose data are given."""
    parser = argparse.ArgumentParser(description="Measure several photos of a person against scans.")
    parser.add_argument("--set", type=Path, help="the synthetic multi-view set")
    parser.add_argument("--people", type=int, default=1000, help="of each half of the set, the first so many")
    parser.add_argument("--scans", type=Path, help="folder of real people with scans")
    parser.add_argument("--pairs", type=Path, help="folder of people whose disjoint photos are compared")
    parser.add_argument("--methods", nargs="+", default=["fit"], choices=sorted(METHODS))
    parser.add_argument("--published", type=Path, help="run of the published network")
    parser.add_argument("--work", type=Path, required=True, help="folder for what was measured so far")
    options = parser.parse_args()
    if options.set is not None:
        facts = json.loads((options.set / "set.json").read_text(encoding="utf-8"))
        for kind in KINDS:
            people = find_people(options.set / kind)[: options.people]
            say(f"## {kind.capitalize()} views: people of {facts['model']}, photos of {facts['size']} px")
            results = [measure(people, method, (1, 2, 3, 5), 1, options.work) for method in options.methods]
            if options.published is not None and kind == KINDS[0]:
                results.append(measure_published(people, options.published, options.work))
            print_table(results)
    if options.scans is not None:
        say("## Real scans")
        people = find_people(options.scans)
        print_table([measure(people, method, (1, 3, 7), 7, options.work) for method in options.methods])
    if options.pairs is not None:
        say("## Heads from disjoint photos")
        for method in options.methods:
            print_agreement(measure(find_people(options.pairs), method, (1,), 7, options.work))
    return 0


def measure(people: Sequence[Person], method: str, views: tuple[int, ...], subsets: int, work: Path) -> MultiviewResult:
    """Measure one method on people; those that have been measured are read back."""
    found = []
    for done, person in enumerate(people):
        sys.stderr.write(f"\r{method} {person.name} {done} of {len(people)}   ")
        sys.stderr.flush()
        name = hashlib.sha256(str([str(person.photos[0].resolve()), method, views, subsets]).encode()).hexdigest()[:16]
        kept = work / f"{person.name}_{method}_{name}.json"
        if kept.exists():
            found.append(_read_scores(kept))
            continue
        one = measure_person(person, load_model("base"), views, method, subsets, lambda path: see(path, work))
        if not one.pairs or person.scan is not None:  # what is compared with other people's is not kept
            one = PersonScores(one.name, one.scores, (), one.skipped)
            _write_scores(one, kept)
        found.append(one)
    return gathered(method, found)


def measure_published(people: Sequence[Person], run: Path, work: Path) -> MultiviewResult:
    """Measure the published network on the first three photos: one in front, then the outermost on either side."""
    from facefuse.learning.df_mvr.published import PublishedNetwork

    model = load_model("base")
    network, found = PublishedNetwork(run, model), []
    for person in people:
        try:
            front, left, right = (see(path, work) for path in person.photos[:3])
        except UnusableInput:
            continue
        identity = network.identity([(one.photo.pixels, one.landmarks.points68) for one in (left, front, right)])
        scan = person.read_scan()
        if scan is not None:
            found.append(PersonScores(person.name, {(3, JOINT): head_scores(model, identity, scan)}, (), ()))
    return gathered("published network", found)


def see(path: Path, work: Path) -> SeenFace:
    """Find the face of a photo, or read back what was found."""
    kept = work / f"seen_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]}.npz"
    work.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        try:
            one = see_face(path)
        except UnusableInput as error:
            np.savez(kept, reason=np.array(str(error)))
            raise
        values: dict[str, Any] = {name: getattr(one.landmarks, name) for name in _LANDMARKS}
        values |= {"box": one.face.box, "points5": one.face.points5}
        np.savez(kept, scores=np.array([one.face.score, one.landmarks.score]), **values)
        return one
    with np.load(kept) as found:
        if "reason" in found:
            raise NoFaceFound(str(found["reason"]))
        scores = found["scores"]
        landmarks = FaceLandmarks(**{name: found[name] for name in _LANDMARKS}, score=float(scores[1]))
        face = DetectedFace(found["box"], found["points5"], float(scores[0]))
        return SeenFace(str(path), read_photo(path), face, landmarks)


def _write_scores(one: PersonScores, path: Path) -> None:
    plain = asdict(one) | {"scores": [[*key, value.tolist()] for key, value in one.scores.items()]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain), encoding="utf-8")


def _read_scores(path: Path) -> PersonScores:
    plain = json.loads(path.read_text(encoding="utf-8"))
    scores = {(int(views), str(head)): np.array(value) for views, head, value in plain["scores"]}
    return PersonScores(plain["name"], scores, (), tuple(plain["skipped"]))


def print_table(results: Sequence[MultiviewResult]) -> None:
    """Print one table of several methods on the same photos, and how their heads from all views compare."""
    say("")
    say("| views | head | people | median | mean | std | RMS | median, own scale | df-mvr-compat mean |")
    say("|---|---|---|---|---|---|---|---|---|")
    counts = sorted({row.views for result in results for row in result.rows})
    for views in counts:
        for result in results if views else results[:1]:
            for row in (row for row in result.rows if row.views == views):
                cells = [
                    interval(row.estimate()),
                    *(f"{row.estimate(statistic=name).value:.2f}" for name in ("mean", "std", "rms")),
                    f"{row.estimate('rigid').value:.2f}",
                    f"{row.estimate('df_mvr_compat', 'mean').value:.2f}",
                ]
                head = row.head if row.head == MEAN_FACE else f"{result.method}, {row.head}"
                say(f"| {views} | {head} | {len(row.people)} | {' | '.join(cells)} |")
    say("")
    for result in results:
        joint = [row for row in result.rows if row.head == JOINT]
        for row in joint:
            others = [(MEAN_FACE, results[0].row(0, MEAN_FACE))]
            if row is not joint[0]:
                others += [(head, result.row(row.views, head)) for head in (AVERAGE, BEST_SINGLE)]
                fewer = joint[joint.index(row) - 1]
                others.append((f"{fewer.views} views", fewer))
            others += [
                (one.method, other)
                for one in results
                for other in one.rows
                if one is not result and (other.views, other.head) == (row.views, JOINT)
            ]
            said = "; ".join(f"{name} {percent(compare_rows(row, other).difference)}" for name, other in others)
            say(f"* {result.method}, {row.views} views, against {said}")
    skipped = max(len(result.skipped) for result in results)
    say(f"* {skipped} photos without a face found")
    say("")


def print_agreement(found: MultiviewResult) -> None:
    """Print how far apart heads from disjoint photos of one person are, and those of two people."""
    if found.agreement is None:
        say(f"* {found.method}: nobody with two usable photos")
        return
    same = sum(found.agreement.same.values()) / len(found.agreement.same)
    other, closer = found.agreement.different, 100 * found.agreement.separation
    say(f"* {found.method}: {same:.2f} mm RMS for one person, {other:.2f} for two; closer in {closer:.0f} %")


def interval(estimate: Estimate) -> str:
    """A figure with its interval."""
    if estimate.interval is None:
        return f"{estimate.value:.2f}"
    low, high = estimate.interval
    return f"{estimate.value:.2f} ({low:.2f}–{high:.2f})"


def percent(difference: PairedDifference) -> str:
    """A paired difference of medians in percent, with its interval."""
    relative = difference.relative
    if relative.interval is None:
        return f"{relative.value:+.1f} %"
    low, high = relative.interval
    return f"{relative.value:+.1f} % ({low:+.1f} to {high:+.1f})"


def say(line: str) -> None:
    """Write a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Measure several photos of a person against scans, and print the tables of docs/benchmarks/multiview.md.

    python scripts/measure_multiview.py --set DIR [--scans DIR] [--method auto]

``--set`` is what ``python -m facefuse.learning.df_mvr.multiview_set`` wrote; ``--scans`` a folder of real people with
scans, such as ``scans``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from facefuse.evaluation.bootstrap import Estimate, PairedDifference
from facefuse.evaluation.multiview import AVERAGE, JOINT, MultiviewResult, compare_rows, evaluate_multiview

KINDS = ("synchronous", "asynchronous")


def main() -> int:
    """Print every table whose data are given."""
    parser = argparse.ArgumentParser(description="Measure several photos of a person against scans.")
    parser.add_argument("--set", type=Path, help="the synthetic multi-view set")
    parser.add_argument("--scans", type=Path, help="folder of real people with scans")
    parser.add_argument("--method", default="auto")
    options = parser.parse_args()
    if options.set is not None:
        facts = json.loads((options.set / "set.json").read_text(encoding="utf-8"))
        say(
            f"Synthetic people of {facts['model']}: {facts['people']}, photos of {facts['size']} px, median over photos"
        )
        say("and people of the scan-to-mesh distance, mm (95 % interval over people).")
        say()
        for kind in KINDS:
            found = evaluate_multiview(options.set / kind, (1, 2, 3, 5), options.method, subsets=1, progress=tell)
            print_table(f"{kind} views", found)
    if options.scans is not None:
        print_table("real scans", evaluate_multiview(options.scans, (1, 3, 7), options.method, progress=tell))
    return 0


def print_table(title: str, found: MultiviewResult) -> None:
    """Print one table, and how the head from all views compares with the average of the single ones."""
    say(f"{title}, method {found.method}; {len(found.skipped)} photos without a face found")
    say()
    say("| views | head | people | median | mean | RMS | median, own scale | df-mvr-compat mean |")
    say("|---|---|---|---|---|---|---|---|")
    for row in found.rows:
        cells = [
            interval(row.estimate()),
            *(f"{row.estimate(statistic=name).value:.2f}" for name in ("mean", "rms")),
            f"{row.estimate('rigid').value:.2f}",
            f"{row.estimate('df_mvr_compat', 'mean').value:.2f}",
        ]
        say(f"| {row.views} | {row.head} | {len(row.people)} | {' | '.join(cells)} |")
    say()
    joint = [row for row in found.rows if row.head == JOINT]
    for row in joint[1:]:
        fewer = joint[joint.index(row) - 1]
        against = compare_rows(row, found.row(row.views, AVERAGE)).difference
        before = compare_rows(row, fewer).difference
        say(f"* {row.views} views against their average {percent(against)}, against {fewer.views}: {percent(before)}")
    say()
    if found.agreement is not None and len(found.agreement.same) > 1:
        same = sum(found.agreement.same.values()) / len(found.agreement.same)
        say(
            f"Heads from disjoint photos: {same:.2f} mm RMS for one person, {found.agreement.different:.2f} for two; "
            f"one person's are closer in {100 * found.agreement.separation:.0f} %."
        )
        say()


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


def tell(stage: str, fraction: float) -> None:
    """Report progress on stderr."""
    sys.stderr.write(f"\r{stage} {100 * fraction:.0f} %   ")
    sys.stderr.flush()


def say(*lines: str) -> None:
    """Write a line of the report."""
    sys.stdout.write((lines[0] if lines else "") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

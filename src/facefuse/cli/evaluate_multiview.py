"""``facefuse evaluate multiview``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from facefuse.cli import terminal
from facefuse.cli.compilation import compilation_announced
from facefuse.errors import UsageError

if TYPE_CHECKING:
    from facefuse.evaluation.bootstrap import Estimate
    from facefuse.evaluation.multiview import MultiviewResult


@dataclass(frozen=True)
class EvaluateMultiview:
    """Measure heads from several numbers of photos against scans, and heads from disjoint photos against each other."""

    data: Annotated[str, arg(metavar="DIR")]
    """One folder per person (or one person's): photos/*, and where there is a scan, scan.ply or scan.obj in millimetres
    with scan_landmarks7.txt (outer and inner eye corners, subnasale, mouth corners)."""

    views: Annotated[str, arg(metavar="N,N,...")] = "1,3,7"
    """Numbers of photos per head."""

    method: Literal["auto", "fit", "2dasl", "2dasl+refine", "df-mvr", "df-mvr+refine"] = "auto"
    """How heads are made; auto is the best there is."""

    subsets: Annotated[int, arg(metavar="N")] = 7
    """At most so many choices of photos for each number and person; their errors are averaged."""

    json: bool = False
    """Print the figures, and the medians of every person, as JSON on stdout."""

    def run(self) -> int:
        """Run the command."""
        views = parse_views(self.views)
        with terminal.progress(quiet=False) as tell, compilation_announced():
            tell("loading", 0.0)
            from facefuse.evaluation.multiview import evaluate_multiview  # late: takes a while to import

            found = evaluate_multiview(self.data, views, self.method, self.subsets, progress=tell)
        for reason in found.skipped:
            terminal.note(f"not used: {reason}")
        if self.json:
            terminal.result_json(found.to_dict())
        else:
            _print_rows(found)
            _print_agreement(found)
        return 0


def parse_views(words: str) -> tuple[int, ...]:
    """Parse numbers separated by commas, each once, in ascending order.

    Raises
    ------
    UsageError
        If one is not a number above zero, or none is given.
    """
    numbers = [word.strip() for word in words.split(",") if word.strip()]
    if not numbers or not all(word.isascii() and word.isdigit() and int(word) for word in numbers):
        raise UsageError(f"--views {words}: expected numbers above zero separated by commas, such as 1,3,7")
    return tuple(sorted({int(word) for word in numbers}))


def _print_rows(found: MultiviewResult) -> None:
    if not found.rows:
        return
    heading = "median   mean    std    rms"
    terminal.result(f"scan to mesh, mm; method {found.method}")
    terminal.result(f"{'':<32} free scale{'':<19} own scale{'':<20} df-mvr-compat")
    terminal.result(f"{'views  head':<26} people  {heading}    {heading}    mean")
    for row in found.rows:
        statistics = ("median", "mean", "std", "rms")
        free, own = (
            "  ".join(f"{row.estimate(metric, name).value:5.3f}" for name in statistics)
            for metric in ("similarity", "rigid")
        )
        compat = f"{row.estimate('df_mvr_compat', 'mean').value:5.3f}"
        terminal.result(f"{row.views:>5}  {row.head:<22} {len(row.people):>3}  {free}    {own}    {compat}")
    for one in found.comparisons():
        words = f"{_views(one.first)} against {_views(one.second)}"
        terminal.result(f"{words:<66} median {_signed(one.difference.relative)} %")


def _print_agreement(found: MultiviewResult) -> None:
    agreement = found.agreement
    if agreement is None:
        return
    terminal.result("heads from disjoint photos of one person: distance over the face, mm RMS")
    for name, rms in agreement.same.items():
        terminal.result(f"  {name:<22} {rms:5.2f}")
    if len(agreement.same) > 1:
        terminal.result(f"  {'different people':<22} {agreement.different:5.2f}, at least {agreement.nearest:.2f}")
        terminal.result(f"  one person's heads are closer than two people's in {100 * agreement.separation:.0f} %")


def _views(key: tuple[int, str]) -> str:
    count, head = key
    return head if count == 0 else f"{head} of {count}" if count > 1 else "1 view"


def _signed(estimate: Estimate) -> str:
    if estimate.interval is None:
        return f"{estimate.value:+5.1f}"
    low, high = estimate.interval
    return f"{estimate.value:+5.1f} ({low:+.1f} to {high:+.1f})"

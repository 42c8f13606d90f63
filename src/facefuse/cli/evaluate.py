"""``facefuse evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg, subcommand

from facefuse.cli import terminal
from facefuse.cli.compilation import compilation_announced
from facefuse.cli.evaluate_detector import EvaluateDetector
from facefuse.cli.evaluate_multiview import EvaluateMultiview

if TYPE_CHECKING:
    from facefuse.evaluation.alignment import AflwResult


@dataclass(frozen=True)
class EvaluateScan:
    """Measure the distance of a 3D scan to a reconstructed mesh, in the manner of the NoW benchmark."""

    prediction: Annotated[str, arg(metavar="MESH")]
    """The reconstruction: PLY or OBJ in millimetres, as head.ply beside its reconstruction.json."""

    scan: Annotated[str, arg(metavar="MESH")]
    """The scan's face region: PLY or OBJ in millimetres."""

    landmarks: Annotated[str, arg(metavar="FILE")]
    """Seven landmarks of the scan: outer and inner eye corners, nose, mouth corners."""

    json: bool = False
    """Print the figures as JSON on stdout."""

    def run(self) -> int:
        """Run the command."""
        with compilation_announced():
            from facefuse.evaluation.scan import evaluate_scan_files  # late: takes a while to import
            from facefuse.morphable.registry import load_model

            found = evaluate_scan_files(self.prediction, self.scan, self.landmarks, model=load_model()).to_dict()
        if self.json:
            terminal.result_json(found)
            return 0
        terminal.result(f"{'scan to mesh, mm':<22} median   mean    std    rms  points")
        for key, label in _SCAN_ROWS.items():
            if found[key] is not None:
                row = found[key]
                figures = "  ".join(f"{row[name]:5.3f}" for name in ("median", "mean", "std", "rms"))
                terminal.result(f"{label:<22}  {figures}  {row['count']}")
        return 0


_SCAN_ROWS = {
    "similarity": "free scale",
    "rigid": "the mesh's own scale",
    "untrimmed": "free scale, untrimmed",
    "reverse": "mesh to scan",
}


@dataclass(frozen=True)
class EvaluateAflw2000:
    """Measure landmarks on AFLW2000-3D: normalised mean error in three bins of yaw."""

    data: Annotated[str, arg(metavar="ZIP_OR_FOLDER")]
    """The data set as published; a protocol.npz beside it adds boxes and re-annotated truth."""

    method: Literal["landmarks", "fit", "2dasl", "2dasl+refine"] = "landmarks"
    """Measure the landmark network, the fitted head's landmarks, or those of the regressed head."""

    boxes: Literal["published", "detector"] = "published"
    """Crop boxes: the published ones, or the built-in detector's."""

    json: bool = False
    """Print the figures, and the error of every photo, as JSON on stdout."""

    weights: Annotated[str | None, arg(metavar="FILE.onnx")] = None
    """Network of 2dasl, as facefuse export-onnx writes it; the shipped one if not given."""

    def run(self) -> int:
        """Run the command."""
        with terminal.progress(quiet=False) as tell, compilation_announced():
            tell("loading", 0.0)
            from facefuse.evaluation.alignment import evaluate_aflw2000  # late: takes a while to import

            found = evaluate_aflw2000(
                self.data,
                self.method,
                self.boxes,
                progress=lambda done, count: tell(f"photo {done} of {count}", done / count),
                weights=None if self.weights is None else Path(self.weights),
            )
        if self.json:
            terminal.result_json(found.to_dict())
        else:
            _print_aflw2000(found)
        return 0


def _print_aflw2000(found: AflwResult) -> None:
    terminal.result(f"AFLW2000-3D, {found.images} photos, method {found.method}, {found.boxes} boxes")
    terminal.result(
        "NME, % of the face's size    0-30   30-60  60-90  balanced (95 %)       mean (95 %)           > 10 %"
    )
    truths = {
        "original truth": found.original,
        "re-annotated truth": found.reannotated,
        "3D, original truth": found.nme_3d,
    }
    for label, row in truths.items():
        if row is not None:
            bins = "  ".join(f"{value:5.2f}" for value in row.bins)
            balanced = f"{row.balanced:5.2f} ({row.balanced_interval[0]:.2f} to {row.balanced_interval[1]:.2f})"
            mean = f"{row.mean:5.2f} ({row.mean_interval[0]:.2f} to {row.mean_interval[1]:.2f})"
            terminal.result(f"{label:<26}  {bins}  {balanced:<20}  {mean:<20}  {row.failure_rate:5.2f} %")
    terminal.result(f"no face found in {found.original.missed} photos; {found.latency_ms:.1f} ms a face (median)")
    if found.pose is not None:
        pose = found.pose
        terminal.result(
            f"pose: mean absolute error {pose.mean:.2f} degrees (yaw {pose.yaw:.2f}, pitch {pose.pitch:.2f}, "
            f"roll {pose.roll:.2f}) over {pose.count} photos"
        )


@dataclass(frozen=True)
class Evaluate:
    """Measure on published benchmarks, or against a scan."""

    command: (
        Annotated[EvaluateAflw2000, subcommand("aflw2000")]
        | Annotated[EvaluateDetector, subcommand("detector")]
        | Annotated[EvaluateScan, subcommand("scan")]
        | Annotated[EvaluateMultiview, subcommand("multiview")]
    )

    def run(self) -> int:
        """Run the command."""
        return self.command.run()

"""``facefuse evaluate detector``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from facefuse.cli import terminal

if TYPE_CHECKING:
    from facefuse.detection.types import FaceDetector
    from facefuse.evaluation.detector_figures import DetectorFigures


@dataclass(frozen=True)
class EvaluateDetector:
    """Measure how many faces are found, how often something else is taken for one, and the time of a photo."""

    data: Annotated[str, arg(metavar="DIR")]
    """Folder with some of: aflw2000/ as published, photos/groups/*.xml with photos, backgrounds/photos.zip,
    photos/no_face/."""

    method: Literal["detector", "faces"] = "detector"
    """Measure the detector alone, or what `facefuse detect` reports: faces to the landmark network as well."""

    yunet: Annotated[str | None, arg(metavar="FILE")] = None
    """Measure OpenCV's YuNet, given its ONNX file, instead of the built-in detector."""

    json: bool = False
    """Print the figures, with every missed face and false alarm, as JSON on stdout."""

    def run(self) -> int:
        """Run the command."""
        with terminal.progress(quiet=False) as tell:
            tell("loading", 0.0)
            from facefuse.evaluation.detector_figures import evaluate_detector  # late: takes a while to import

            found = evaluate_detector(
                self.data,
                self._detector(),
                progress=lambda done, count: tell(f"photo {done} of {count}", done / count),
            )
        if self.json:
            terminal.result_json(found.to_dict())
        else:
            _print_figures(found)
        return 0

    def _detector(self) -> FaceDetector:
        from facefuse.detection.adapters.yunet import YuNetDetector  # late: starts ONNX Runtime
        from facefuse.detection.faces import FaceNetwork
        from facefuse.detection.landmarks import LandmarkNetwork
        from facefuse.errors import AssetError, UnusableInput
        from facefuse.evaluation.detector_figures import CheckedDetector

        try:
            one: FaceDetector = (
                FaceNetwork(threads=1) if self.yunet is None else YuNetDetector(Path(self.yunet), threads=1)
            )
        except AssetError as error:
            if self.yunet is None:
                raise
            raise UnusableInput(str(error)) from error
        return one if self.method == "detector" else CheckedDetector(one, LandmarkNetwork(passes=2, threads=1))


def _print_figures(found: DetectorFigures) -> None:
    for name, recall in found.recall.items():
        low, high = recall.interval
        terminal.result(
            f"{name}: {recall.found} of {recall.faces} faces found, {recall.rate:.1f} % ({low:.1f} to {high:.1f})"
        )
        if any(recall.bin_faces):
            bins = zip(("0-30", "30-60", "60-90"), recall.bin_found, recall.bin_faces, strict=True)
            shares = (f"{label} {100 * hits / faces:.1f} %" for label, hits, faces in bins if faces)
            terminal.result(f"  by yaw: {', '.join(shares)}")
        terminal.result(
            f"  median IoU {recall.median_iou:.2f}, eyes off by {recall.eye_error:.1f} % of the side, "
            f"{recall.other} other detections, {recall.latency_ms:.1f} ms a photo (median)"
        )
        for miss in recall.missed:
            yaw = "" if miss.yaw_deg != miss.yaw_deg else f", yaw {miss.yaw_deg:.0f}"
            terminal.result(f"  missed: {miss.photo}, {miss.side_px:.0f} px{yaw}, best IoU {miss.best_iou:.2f}")
    for name, alarms in found.false_alarms.items():
        terminal.result(f"{name}: {alarms.alarms} false alarms in {alarms.photos} photos")
        for where, box, score in zip(alarms.where, alarms.boxes, alarms.scores, strict=True):
            terminal.result(f"  {where} at {', '.join(f'{x:.0f}' for x in box)}, score {score:.2f}")
    times = ", ".join(f"{size} {ms:.1f} ms" for size, ms in found.milliseconds.items())
    terminal.result(f"processor time, median: {times}")

"""What synthetic photos are good for: landmark networks trained on real, rendered and both kinds of faces.

    python scripts/measure_synthetic.py --aflw2000 AFLW2000-3D.zip runs/landmarks_real runs/landmarks_both …

prints a Markdown table: NME on held-out AFLW faces (from each run's measures.json) and on AFLW2000-3D with published
crops, one pass, and the difference of every run to the first one, photo by photo, with bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facefuse.detection.landmarks import LandmarkNetwork
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.alignment import AflwResult, evaluate_landmarks, landmark_predictor

_RESAMPLES = 2000


def difference(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Mean difference of two methods' errors on the same photos, and its 95 % bootstrap interval."""
    apart = np.asarray(second - first)
    rng = np.random.default_rng(0)
    means = [apart[rng.integers(0, len(apart), len(apart))].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(apart.mean()), float(low), float(high)


def row(name: str, held_out: dict[str, float], found: AflwResult, reference: AflwResult) -> str:
    """One line of the table."""
    validation = " / ".join(f"{held_out[f'val_{part}']:.2f}" for part in ("0_30", "30_60", "60_90", "balanced"))
    seen = found.original
    bins = " / ".join(f"{value:.2f}" for value in seen.bins)
    low, high = seen.balanced_interval
    apart = "–"
    if found is not reference:
        mean, least, most = difference(reference.errors, found.errors)
        apart = f"{mean:+.2f} ({least:+.2f} to {most:+.2f})"
    return (
        f"| {name} | {validation} | {bins} | {seen.balanced:.2f} ({low:.2f}–{high:.2f}) | {seen.mean:.2f} | {apart} |"
    )


def main() -> None:
    """Measure the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aflw2000", type=Path, required=True)
    parser.add_argument("runs", type=Path, nargs="+", help="folders with landmarks.onnx and measures.json")
    options = parser.parse_args()
    dataset = AflwDataset(options.aflw2000)
    sys.stdout.write(
        "| run | held-out AFLW 0–30° / 30–60° / 60–90° / balanced | AFLW2000-3D 0–30° / 30–60° / 60–90° "
        "| balanced (95 %) | mean | mean against the first (95 %) |\n|---|---|---|---|---|---|\n"
    )
    reference = None
    for folder in options.runs:
        held_out = json.loads((folder / "measures.json").read_text())["held_out_nme_percent"]
        network = LandmarkNetwork(folder / "landmarks.onnx", threads=1)
        found = evaluate_landmarks(dataset, landmark_predictor(network), "landmarks")
        reference = reference or found
        sys.stdout.write(row(folder.name, held_out, found, reference) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

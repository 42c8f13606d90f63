"""Draw where detection and landmarks break, on photos that may be shown, for docs/benchmarks.

    python scripts/draw_failures.py DATA OUT

Writes ``OUT/failures_detection.jpg``: portraits made smaller, turned, darkened, blurred and covered step by step, with
the landmarks where the face was found and a red frame where it was not; and ``OUT/failures_landmarks.png``: the worst
photos of AFLW2000-3D as landmarks only (its photos may not be passed on), the truth in grey.

DATA is a folder with ``multiview/zoom`` (CC0), ``scans/lee_perry_smith`` (CC BY 3.0) and ``aflw2000``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from facefuse.detection.find import default_landmark_detector, find_faces
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.alignment import evaluate_landmarks, landmark_predictor
from facefuse.photos import Photo, read_photo
from facefuse.rendering.draw import contact_sheet, draw_landmarks

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.floating[Any]]

TILE = 200
WORST = 8
Change = Callable[[Image.Image, float], Image.Image]


def shrink(image: Image.Image, face: float) -> Image.Image:
    """Shrink a photo whose face is 42 % of its side until the face has so many pixels."""
    side = max(1, round(face / 0.42))
    return image.resize((side, side), Image.Resampling.BOX)


def turn(image: Image.Image, degrees: float) -> Image.Image:
    """Turn a photo in its plane."""
    return image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def darken(image: Image.Image, stops: float) -> Image.Image:
    """Take light away, with the noise of a small sensor."""
    linear = (np.asarray(image, dtype=float) / 255) ** 2.2 * 2.0**-stops
    noise = np.random.default_rng(0).normal(0, 0.002, linear.shape)
    return Image.fromarray(np.rint(np.clip(linear + noise, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))


def blur(image: Image.Image, percent: float) -> Image.Image:
    """Blur by a Gaussian whose deviation is so many percent of the face."""
    return image.filter(ImageFilter.GaussianBlur(percent / 100 * 0.42 * image.width))


def cover(image: Image.Image, share: float) -> Image.Image:
    """Cover the face from below."""
    out = image.copy()
    bottom = 0.72 * image.height
    ImageDraw.Draw(out).rectangle((0, bottom - share * 0.44 * image.height, image.width, image.height), (90, 110, 140))
    return out


ROWS: tuple[tuple[str, Change, tuple[float, ...]], ...] = (
    ("face {:.0f} px", shrink, (64, 32, 24, 16, 12, 8)),
    ("turned {:.0f}°", turn, (20, 45, 60, 90, 135, 180)),
    ("{:.0f} stops darker", darken, (1, 3, 4, 5, 6, 7)),
    ("blur {:.0f} % of the face", blur, (1, 3, 5, 7, 9, 12)),
    ("lower {:.0%} covered", cover, (0.2, 0.35, 0.5, 0.6, 0.7, 0.85)),
)


def main() -> int:
    """Write the pictures whose data are there."""
    parser = argparse.ArgumentParser(description="Draw where detection and landmarks break.")
    parser.add_argument("data", type=Path, help="the folder of data sets")
    parser.add_argument("out", type=Path, help="where the pictures go")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    portraits = (
        options.data / "multiview" / "zoom" / "60cm.jpg",
        options.data / "scans" / "lee_perry_smith" / "photos" / "00.jpg",
    )
    tiles = [
        tile(change(portrait, amount), label.format(amount))
        for portrait in (about_face(path) for path in portraits if path.is_file())
        for label, change, amounts in ROWS
        for amount in amounts
    ]
    if tiles:
        save(contact_sheet(tiles, columns=6), options.out / "failures_detection.jpg")
    aflw = options.data / "aflw2000" / "AFLW2000-3D.zip"
    if aflw.is_file():
        save(worst_landmarks(AflwDataset(aflw)), options.out / "failures_landmarks.png")
    return 0


def about_face(path: Path) -> Image.Image:
    """Cut a square out of a photo, of which the found face takes 42 %."""
    photo = read_photo(path)
    box = find_faces(photo)[0][0].box
    centre, half = (box[:2] + box[2:]) / 2, (box[2] - box[0]) / 2 / 0.42
    corners = [round(float(v)) for v in (*(centre - half), *(centre + half))]
    return Image.fromarray(photo.pixels).crop(tuple(corners)).resize((480, 480), Image.Resampling.LANCZOS)  # type: ignore[arg-type]


def tile(image: Image.Image, label: str) -> Pixels:
    """Draw one photo with what is found in it and how it was changed."""
    faces = find_faces(Photo(np.asarray(image)))
    shown = np.asarray(
        image.resize((TILE, TILE), Image.Resampling.NEAREST if image.width < TILE else Image.Resampling.BOX)
    )
    if faces:
        points = (faces[0][1].points68 + 0.5) * (TILE / image.width) - 0.5
        shown = draw_landmarks(shown, points, radius=0.9)
        label += f"  {faces[0][0].score:.2f}"
    framed = Image.fromarray(shown)
    pen = ImageDraw.Draw(framed)
    if not faces:
        pen.rectangle((0, 0, TILE - 1, TILE - 1), outline=(220, 40, 40), width=5)
    pen.rectangle((0, TILE - 16, TILE, TILE), fill=(20, 20, 20))
    pen.text((4, TILE - 14), label, fill=(255, 255, 255))
    return np.asarray(framed)


def worst_landmarks(dataset: AflwDataset) -> Pixels:
    """Draw the landmarks of the worst photos over their truth, without the photos."""
    network = default_landmark_detector()
    result = evaluate_landmarks(dataset, landmark_predictor(network), "landmarks")
    drawn = []
    for k in np.argsort(-result.errors)[:WORST]:
        sample = dataset[int(k)]
        found = network.landmarks(sample.pixels, sample.box).points68
        truth = sample.points[:, :2]
        low, side = truth.min(axis=0), np.ptp(truth, axis=0).max() / 0.7
        low = low - (side - np.ptp(truth, axis=0)) / 2
        blank = np.full((TILE * 2, TILE * 2, 3), 60, np.uint8)
        canvas = Image.fromarray(draw_landmarks(blank, (found - low) * (2 * TILE / side), radius=2.0))
        pen = ImageDraw.Draw(canvas)
        for x, y in (truth - low) * (2 * TILE / side):
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(200, 200, 200))
        pen.text((6, 6), f"{sample.name}  {result.errors[k]:.1f} %  yaw {sample.angles[0]:.0f}°", fill=(255, 255, 255))
        drawn.append(np.asarray(canvas))
    return contact_sheet(drawn, columns=4)


def save(pixels: Pixels, path: Path) -> None:
    """Write a picture."""
    Image.fromarray(pixels).save(path, optimize=True)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())

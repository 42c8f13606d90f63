"""``facefuse detect``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from facefuse.cli import terminal
from facefuse.cli.inputs import expand_photos
from facefuse.errors import ImageReadError


@dataclass(frozen=True)
class Detect:
    """Find the faces of photos: boxes, scores and, with --json, 68 landmarks."""

    photos: Annotated[Positional[tuple[str, ...]], arg(metavar="PHOTO...", help_behavior_hint="(one or more)")]
    """Photos."""

    json: bool = False
    """Print boxes, scores, five points and 68 landmarks as JSON on stdout."""

    def run(self) -> int:
        """Run the command: every photo, also after one that cannot be read."""
        paths = expand_photos(self.photos)
        from facefuse.detection.find import find_faces  # late: takes a while to import
        from facefuse.photos import read_photo

        documents: list[dict[str, Any]] = []
        unreadable = 0
        for path in paths:
            try:
                photo = read_photo(path)
            except ImageReadError as error:
                unreadable += 1
                terminal.note(f"error: {error}")
                documents.append({"path": path, "error": error.reason})
                continue
            faces = [
                {
                    "index": index,
                    "box": _rounded(face.box),
                    "score": round(float(face.score), 4),
                    "points5": _rounded(face.points5),
                    "landmarks68": _rounded(landmarks.points68),
                    "landmarks_score": round(float(landmarks.score), 4),
                }
                for index, (face, landmarks) in enumerate(find_faces(photo))
            ]
            documents.append({"path": path, "width": photo.width, "height": photo.height, "faces": faces})
            if not self.json:
                _print_faces(path, faces)
        if self.json:
            terminal.result_json(documents)
        return 3 if unreadable else 0


def _print_faces(path: str, faces: list[dict[str, Any]]) -> None:
    if not faces:
        terminal.result(f"{path}  no face")
    for face in faces:
        box = " ".join(f"{value:.1f}" for value in face["box"])
        terminal.result(f"{path}  face {face['index']}  box {box}  score {face['score']:.3f}")


def _rounded(values: Any) -> Any:
    return values.astype(float).round(2).tolist()

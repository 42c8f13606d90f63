"""The Bosphorus database (Savran et al., 2008): single scans of 105 people, one photo each.

What to know:

* Every scan was taken at another moment: a left, a front and a right view of a person are three scans, whose
  expressions and clothes need not agree. They are asynchronous views, and must be trained and told apart as such.
* Coordinates are millimetres, y up, z towards the camera; grids begin with the lowest row.
* Names of landmarks say left and right, but not whose; `eye_corners` goes by geometry.
* There is no landmark at the subnasale; DF-MVR takes the tip of the nose for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput
from facefuse.geometry.mesh import Mesh

FloatArray = npt.NDArray[np.floating[Any]]

_NAME = re.compile(r"(?P<subject>bs\d{3})_(?P<kind>[A-Z]+)_(?P<what>[A-Z0-9]+(?:_[A-Z0-9]+)*?)_(?P<number>\d+)\.bnt$")
_YAW = re.compile(r"(?P<side>[LR])(?P<degrees>\d+)$")
_LARGEST_FILE = 200_000_000
_LONGEST_EDGE_MM = 8.0
_EYES = ("Outer left eye corner", "Inner left eye corner", "Inner right eye corner", "Outer right eye corner")


@dataclass(frozen=True)
class BosphorusScan:
    """One scan's files.

    Attributes
    ----------
    subject : str
        ``bs000`` to ``bs104``.
    kind : str
        ``N`` neutral, ``YR`` turned, ``PR`` nodding, ``CR`` both, ``E`` emotion, ``LFAU``, ``UFAU``, ``CAU`` action
        units, ``O`` occlusion.
    what : str
        The pose or expression, such as ``R45`` or ``HAPPY``.
    bnt : Path
        Range data; beside it ``.png`` and ``.lm3`` of the same name.
    """

    subject: str
    kind: str
    what: str
    bnt: Path

    @property
    def photo(self) -> Path:
        """The photo of the same moment."""
        return self.bnt.with_suffix(".png")

    @property
    def landmarks(self) -> Path:
        """The 3D landmarks."""
        return self.bnt.with_suffix(".lm3")

    @property
    def turn(self) -> tuple[str, int] | None:
        """Side (as the file's name says it, L or R) and degrees of a turned head, ``("", 0)`` for a neutral one."""
        if self.kind == "N":
            return "", 0
        found = _YAW.match(self.what) if self.kind == "YR" else None
        return (found["side"], int(found["degrees"])) if found else None


def find_scans(root: str | Path) -> tuple[BosphorusScan, ...]:
    """Find every scan under a folder, sorted by path.

    Raises
    ------
    UnusableInput
        If there is none.
    """
    found = []
    for path in sorted(Path(root).rglob("*.bnt")):
        name = _NAME.match(path.name)
        if name:
            found.append(BosphorusScan(name["subject"], name["kind"], name["what"], path))
    if not found:
        raise UnusableInput(f"{root}: no Bosphorus scan; expected files such as bs000_YR_R20_0.bnt")
    return tuple(found)


def view_triplets(
    scans: Sequence[BosphorusScan], degrees: int = 45
) -> tuple[tuple[BosphorusScan, BosphorusScan, BosphorusScan], ...]:
    """Combine a turn to either side by some degrees with a neutral front of the same person (the first of each)."""
    triplets = []
    for subject in sorted({scan.subject for scan in scans}):
        own = [scan for scan in scans if scan.subject == subject]
        views = [
            next((scan for scan in own if scan.turn == wanted), None)
            for wanted in (("L", degrees), ("", 0), ("R", degrees))
        ]
        left, front, right = views
        if left and front and right:
            triplets.append((left, front, right))
    return tuple(triplets)


def read_scan(path: str | Path) -> Mesh:
    """Read a ``.bnt`` file.

    Returns
    -------
    Mesh
        Measured points only, mm, and triangles between neighbours of the grid (not across gaps in depth), seen
        counter-clockwise from +z.

    Raises
    ------
    UnusableInput
        If it is missing, damaged or another kind of file.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
        raise UnusableInput(f"{path}: no such file, or larger than {_LARGEST_FILE} bytes")
    content = path.read_bytes()
    try:
        rows, columns, background, length = struct.unpack_from("<HHdH", content, 0)
        at = struct.calcsize("<HHdH") + length
        (numbers,) = struct.unpack_from("<I", content, at)
        values = np.frombuffer(content, "<f8", numbers, at + 4).reshape(5, -1)
    except (struct.error, ValueError) as error:
        raise UnusableInput(f"{path}: not a Bosphorus range file, or cut short ({error})") from error
    if rows * columns != values.shape[1] or rows < 2 or columns < 2:
        raise UnusableInput(f"{path}: {values.shape[1]} points in a grid of {rows} by {columns}; download it again")
    points = values[:3].T
    known = (points[:, 2] != background) & np.isfinite(points).all(axis=1)
    return _grid_mesh(points, known.reshape(rows, columns))


def read_landmarks(path: str | Path) -> dict[str, FloatArray]:
    """Read a ``.lm3`` file: the visible ones of up to 24 landmarks by name, (3,) mm each.

    Raises
    ------
    UnusableInput
        If it is missing or damaged.
    """
    path = Path(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="latin-1").splitlines()]
        start = next(k for k, line in enumerate(lines) if line.endswith("landmarks:"))
        count = int(lines[start].split()[0])
        listed = [line for line in lines[start + 1 :] if line][: 2 * count]
        if len(listed) < 2 * count:
            raise ValueError(f"{len(listed)} lines for {count} landmarks")
        rows = zip(listed[::2], listed[1::2], strict=True)
        found = {name: np.array([float(number) for number in row.split()]) for name, row in rows}
        if any(point.shape != (3,) for point in found.values()):
            raise ValueError("a landmark without x y z")
    except (OSError, ValueError, IndexError, StopIteration) as error:
        raise UnusableInput(f"{path}: no Bosphorus landmarks ({error!r})") from error
    return found


def eye_corners(landmarks: dict[str, FloatArray]) -> FloatArray:
    """The subject's right outer, right inner, left inner and left outer eye corner, (4, 3) mm, by their x.

    In the scans' right-handed frame (y up, z to the camera) the subject's left lies at larger x, whatever the names
    mean by left.

    Raises
    ------
    UnusableInput
        If one is not visible.
    """
    missing = [name for name in _EYES if name not in landmarks]
    if missing:
        raise UnusableInput(f"no landmark {', '.join(missing)}: it is hidden in this scan")
    corners = np.stack([landmarks[name] for name in _EYES])
    return corners if corners[0, 0] < corners[3, 0] else corners[::-1].copy()


def _grid_mesh(points: FloatArray, known: npt.NDArray[np.bool_]) -> Mesh:
    """Join neighbouring known points of a grid whose rows go up and columns to the right."""
    rows, columns = known.shape
    number = np.full(rows * columns, -1)
    number[known.ravel()] = np.arange(int(known.sum()))
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    corners = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    corners = corners[(number[corners] >= 0).all(axis=1)]
    edges = points[corners] - points[np.roll(corners, 1, axis=1)]
    corners = corners[(np.linalg.norm(edges, axis=2) < _LONGEST_EDGE_MM).all(axis=1)]
    u, v = points[corners[:, 1]] - points[corners[:, 0]], points[corners[:, 2]] - points[corners[:, 0]]
    facing = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    if len(facing) and np.median(facing) < 0:  # rows that go down
        corners = corners[:, ::-1]
    return Mesh(points[known.ravel()], number[corners])

"""Pixel-Face (Zhang et al., arXiv 2008.12444): three synchronous views of a person with a registered scan.

Three packings exist. The public *release* has, for every sample, ``0/t.bmp``, ``1/t.bmp``, ``2/t.bmp`` and
``fusion/gt.mat``; the earlier *contest* packing, which DF-MVR used, has ``SUBJECT/EXPRESSION/Images/{0,1,2}/t.jpg`` and
``Images/fusion/nicp_106_pts.txt``; DF-MVR's own *crops* are aligned 224×224 pictures named SUBJECT EXPRESSION VIEW.

What to know:

* Images of the first two are stored turned by 90° to the left; they are turned back here. DF-MVR mirrors them as well,
  "to agree with the obj"; on the public sample the scan agrees with the image that is *not* mirrored, so nothing is
  mirrored here. Whether a copy has been mirrored, as the crops have, is told by `looks_mirrored`.
* DF-MVR calls coordinates times 100 millimetres. On the public sample every distance is then about 1.2 times an
  adult's: the unit is not metric. `adult_scale` measures it over a data set.
* Files count from one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput
from facefuse.geometry.mesh import Mesh
from facefuse.photos import read_photo

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Pixels = npt.NDArray[np.uint8]

Packing = Literal["release", "contest", "crops"]

VIEWS = ("0", "1", "2")
NOMINAL_MM = 100.0
"""What DF-MVR takes one unit for; see `adult_scale`."""
KEYPOINTS = 106
NECK_KEYPOINTS = (3, 15, 17, 25, 27)
"""Key points that lie outside the front of the face, counted from zero: DF-MVR's 3D landmark loss leaves them out."""
ANCHORS = (47, 50, 53, 56, 41, 79, 85)
"""Among the other 101: four eye corners, the tip of the nose, the mouth corners."""
ADULT_EYES_MM = 89.0
"""Typical distance between an adult's outer eye corners."""

_REGISTERED, _SCANNED = "neck_obj09", "new_kpt_gt_obj"
_LARGEST_MAT = 500_000_000
_CROP = re.compile(r"(?P<subject>\d{5})(?P<expression>\d{2}|other_\d)0\.png$")


@dataclass(frozen=True)
class PixelFaceSample:
    """One person with one expression, seen from three sides at once.

    Attributes
    ----------
    subject, expression : str
        Names of the folders; in the release, whose folders are samples, ``subject`` is the sample's.
    images : (Path, Path, Path)
        Views 0, 1 and 2.
    truth : Path or None
        ``gt.mat`` or ``nicp_106_pts.txt``; None where there is neither.
    packing : {"release", "contest", "crops"}
    """

    subject: str
    expression: str
    images: tuple[Path, Path, Path]
    truth: Path | None
    packing: Packing

    def read_views(self) -> tuple[Pixels, Pixels, Pixels]:
        """Read the three images, upright, (H, W, 3) sRGB each.

        Raises
        ------
        ImageReadError
            If one cannot be read.
        """
        turns = 0 if self.packing == "crops" else -1
        left, middle, right = (np.rot90(read_photo(path).pixels, turns) for path in self.images)
        return np.ascontiguousarray(left), np.ascontiguousarray(middle), np.ascontiguousarray(right)

    def read_keypoints(self) -> FloatArray:
        """Read the registered key points, (106, 3) nominal mm.

        Raises
        ------
        UnusableInput
            If there are none, or the file is damaged.
        """
        if self.truth is None:
            raise UnusableInput(f"{self.images[0].parent.parent}: no gt.mat and no nicp_106_pts.txt under fusion")
        if self.packing == "release":
            mesh, indices = read_ground_truth(self.truth, "registered")
            return np.asarray(mesh.vertices[indices])
        try:
            points = np.loadtxt(self.truth, dtype=float, ndmin=2) * NOMINAL_MM
        except (OSError, ValueError) as error:
            raise UnusableInput(f"{self.truth}: not lines of x y z ({error})") from error
        if points.shape != (KEYPOINTS, 3) or not np.isfinite(points).all():
            raise UnusableInput(f"{self.truth}: an array of shape {points.shape}; expected {KEYPOINTS} lines of x y z")
        return points


def find_samples(root: str | Path) -> tuple[PixelFaceSample, ...]:
    """Find every complete sample under a folder, in any packing, sorted by path.

    Raises
    ------
    UnusableInput
        If there is none.
    """
    root = Path(root)
    found = [_stored(first.parent.parent) for first in sorted(root.rglob("0/t.*"))]
    found += [_cropped(first) for first in sorted(root.rglob("*0.png")) if _CROP.match(first.name)]
    samples = tuple(sample for sample in found if sample is not None)
    if not samples:
        raise UnusableInput(f"{root}: no Pixel-Face sample; expected folders with 0/t.bmp, 1/t.bmp, 2/t.bmp (or t.jpg)")
    return samples


def read_ground_truth(path: str | Path, kind: Literal["registered", "scanned"]) -> tuple[Mesh, IntArray]:
    """Read a mesh of ``gt.mat`` and its 106 key points.

    Parameters
    ----------
    path : str or Path
    kind : {"registered", "scanned"}
        The registration (53,215 vertices of the BFM's topology), or the raw scan, whose vertices differ from sample to
        sample.

    Returns
    -------
    Mesh
        Nominal mm.
    (106,) int
        Vertices of the key points, from zero.

    Raises
    ------
    UnusableInput
        If the file is missing, damaged, or holds something else.
    """
    from scipy.io import loadmat  # late: takes a while to import

    path = Path(path)
    name = _REGISTERED if kind == "registered" else _SCANNED
    if not path.is_file() or path.stat().st_size > _LARGEST_MAT:
        raise UnusableInput(f"{path}: no such file, or larger than {_LARGEST_MAT} bytes")
    try:
        struct = loadmat(path, variable_names=[name])[name]
        vertices, faces, keypoints = (np.asarray(struct[key][0, 0]) for key in ("v", "f", "kpt_ind"))
        vertices = vertices.astype(float) * NOMINAL_MM
        triangles, indices = faces.astype(np.int64) - 1, np.ravel(keypoints).astype(np.int64) - 1
    except Exception as error:  # the reader raises whatever a damaged file provokes
        raise UnusableInput(f"{path}: no Pixel-Face ground truth ({error!r}); download it again") from error
    count = len(vertices)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise UnusableInput(f"{path}: {name} holds arrays of shape {vertices.shape} and {triangles.shape}")
    for what, index in (("faces", triangles), ("key points", indices)):
        if index.size == 0 or index.min() < 0 or index.max() >= count:
            raise UnusableInput(f"{path}: the {what} of {name} do not count from 1 to {count}")
    if len(indices) != KEYPOINTS:
        raise UnusableInput(f"{path}: {len(indices)} key points; expected {KEYPOINTS}")
    return Mesh(vertices, triangles), indices


def face_keypoints(keypoints: FloatArray) -> FloatArray:
    """Leave out the key points beyond the front of the face: (106, …) to (101, …)."""
    return np.delete(keypoints, NECK_KEYPOINTS, axis=0)


def front_vertices(keypoints: IntArray, front: IntArray) -> IntArray:
    """Carry key points from the BFM's 53,215 vertices over to the 35,709 of Deep3D's front.

    Parameters
    ----------
    keypoints : (106,) int
        Vertices of the registration, from zero.
    front : (35709,) int
        The vertex of the 53,215 that each of the front is, from zero (``BFM_front_idx.mat`` counts from one).

    Returns
    -------
    (101,) int
        Vertices of the front; key points outside it are left out.

    Raises
    ------
    UnusableInput
        If other points than `NECK_KEYPOINTS` fall outside: the files do not belong together.
    """
    place = np.full(int(max(front.max(), keypoints.max())) + 1, -1)
    place[front] = np.arange(len(front))
    outside = tuple(int(k) for k in np.flatnonzero(place[keypoints] < 0))
    if outside != NECK_KEYPOINTS:
        raise UnusableInput(f"key points {outside} lie outside the front of the face; expected {NECK_KEYPOINTS}")
    return np.delete(place[keypoints], NECK_KEYPOINTS)


def looks_mirrored(yaw_first_deg: float, yaw_last_deg: float) -> bool:
    """Tell whether the views of a sample have been mirrored, from the yaw of views 0 and 2.

    In the public release view 0, upright and as recorded, shows a face that looks to the right in the image (positive
    yaw), view 2 one that looks to the left.

    Raises
    ------
    UnusableInput
        If both look to the same side: these are not views 0 and 2 of one moment.
    """
    if yaw_first_deg * yaw_last_deg >= 0:
        raise UnusableInput(f"views 0 and 2 have yaw {yaw_first_deg:.0f}° and {yaw_last_deg:.0f}°; expected two sides")
    return yaw_first_deg < 0


def mirror_views(views: Sequence[Pixels]) -> tuple[Pixels, ...]:
    """Mirror a sample: every image is mirrored and the order reversed, so that view 0 is still the left one.

    Labels that name sides must be exchanged too (`parts.mirrored`).
    """
    return tuple(np.ascontiguousarray(view[:, ::-1]) for view in reversed(views))


def adult_scale(keypoints: Sequence[FloatArray]) -> float:
    """Factor that brings a data set's eyes to an adult's distance.

    Parameters
    ----------
    keypoints : sequence of (106, 3) float
        Nominal mm, one per sample.

    Returns
    -------
    float
        1 for metric data; about 0.85 on the public sample. Distances in mm need it; nothing applies it unasked.
    """
    corners = [face_keypoints(points)[list(ANCHORS[:4])] for points in keypoints]
    widths = [max(float(np.linalg.norm(a - b)) for a in four for b in four) for four in corners]
    return ADULT_EYES_MM / float(np.median(widths))


def _stored(folder: Path) -> PixelFaceSample | None:
    """The sample of a folder with one folder per view."""
    left, middle, right = (next(iter(sorted((folder / view).glob("t.*"))), None) for view in VIEWS)
    if left is None or middle is None or right is None:
        return None
    packing: Packing = "contest" if folder.name == "Images" else "release"
    truth = folder / "fusion" / ("nicp_106_pts.txt" if packing == "contest" else "gt.mat")
    name = (folder.parent.parent.name, folder.parent.name) if packing == "contest" else (folder.name, "")
    return PixelFaceSample(*name, (left, middle, right), truth if truth.is_file() else None, packing)


def _cropped(first: Path) -> PixelFaceSample | None:
    """The sample whose first view is an aligned crop."""
    name = _CROP.match(first.name)
    images = tuple(first.with_name(first.name[:-5] + view + ".png") for view in VIEWS)
    left, middle, right = images
    if name is None or not (middle.is_file() and right.is_file()):
        return None
    return PixelFaceSample(name["subject"], name["expression"], (left, middle, right), None, "crops")

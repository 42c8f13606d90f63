"""Scan-to-mesh distance in the manner of the NoW benchmark (Sanyal et al., RingNet, CVPR 2019).

The predicted mesh is brought to the scan by seven landmarks, then by iterative closest points; the error of each scan
vertex is its unsigned distance to the closest point of the predicted surface, in the unit of the scan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh
from facefuse.evaluation.surface import SurfacePoints, TriangleSurface, boundary_triangles
from facefuse.geometry.alignment import Similarity, similarity_from_points
from facefuse.geometry.mesh import Mesh
from facefuse.geometry.rotations import rotvec_to_rotmat

if TYPE_CHECKING:
    from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]

KEEP = 0.9
_MAX_ITERATIONS = 100
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class DistanceSummary:
    """Statistics of unsigned distances, in the unit of the scan (mm).

    Attributes
    ----------
    median, mean, std, rms : float
        ``std`` is the population standard deviation, ``rms`` the root mean square.
    count : int
        Number of points measured.
    """

    median: float
    mean: float
    std: float
    rms: float
    count: int

    @classmethod
    def of(cls, distances: FloatArray) -> DistanceSummary:
        """Summarise (N,) distances, N > 0."""
        d = np.asarray(distances, dtype=float)
        return cls(float(np.median(d)), float(d.mean()), float(d.std()), float(np.sqrt((d * d).mean())), len(distances))


@dataclass(frozen=True)
class ScanResult:
    """Distance of a scan to a predicted mesh.

    Attributes
    ----------
    summary : DistanceSummary
        Over all scan vertices, those the alignment left out included.
    similarity : Similarity
        Takes the prediction to the scan.
    iterations : int
        Steps of the refinement.
    distances : (S,) float
        For each scan vertex.
    triangles : (S,) int
        The predicted triangle that each scan vertex is closest to.
    """

    summary: DistanceSummary
    similarity: Similarity
    iterations: int
    distances: FloatArray = field(repr=False)
    triangles: npt.NDArray[np.integer[Any]] = field(repr=False)


@dataclass(frozen=True)
class ScanEvaluation:
    """A prediction measured against a scan in several ways; `similarity` is the headline.

    Attributes
    ----------
    similarity : ScanResult
        Scale free, refined on the closest 90 % of the scan.
    rigid : ScanResult
        The same with the prediction's own scale.
    untrimmed : ScanResult
        Scale free, refined on every scan vertex (least squares, as NoW).
    reverse : DistanceSummary or None
        Prediction to scan after the first alignment, over the predicted vertices that the scan covers; None for a
        scan without faces.
    """

    similarity: ScanResult
    rigid: ScanResult
    untrimmed: ScanResult
    reverse: DistanceSummary | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return {
            "unit": "mm",
            **{name: _plain(getattr(self, name)) for name in ("similarity", "rigid", "untrimmed")},
            "reverse": None if self.reverse is None else dict(vars(self.reverse)),
        }


def scan_to_mesh(
    prediction: Mesh,
    scan_vertices: FloatArray,
    prediction_landmarks: FloatArray,
    scan_landmarks: FloatArray,
    with_scale: bool = True,
    keep: float = KEEP,
    surface: TriangleSurface | None = None,
) -> ScanResult:
    """Align a predicted mesh to a scan and measure the distance of every scan vertex to it.

    Parameters
    ----------
    prediction : Mesh
        Any unit if ``with_scale``, else the scan's.
    scan_vertices : (S, 3) float
        The part of the scan to measure.
    prediction_landmarks, scan_landmarks : (7, 3) float
        Corresponding points; any number above two.
    with_scale : bool
        Whether scale is free.
    keep : float
        Share of the scan vertices, the closest ones, that the refinement uses, in (0, 1].
    surface : TriangleSurface, optional
        The prediction's, where it is measured more than once: making it takes half of the time.

    Returns
    -------
    ScanResult
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep must lie in (0, 1], found {keep}")
    surface = surface or TriangleSurface(prediction.vertices, prediction.triangles)
    normals, near = surface.normals, None
    scan = np.asarray(scan_vertices, dtype=float)
    moved = similarity_from_points(prediction_landmarks, scan_landmarks, with_scale=with_scale)
    iterations, size = 0, np.inf
    while size > _TOLERANCE and iterations < _MAX_ITERATIONS:
        iterations += 1
        closest = surface.closest(moved.inverse().apply(scan), near)
        near = closest.triangles
        distances = closest.distances * moved.scale
        used = distances <= np.quantile(distances, keep)
        step, size = _refining_step(moved, closest, normals, scan, used, with_scale)
        moved = step.compose(moved)
    closest = surface.closest(moved.inverse().apply(scan), near)
    distances = closest.distances * moved.scale
    return ScanResult(DistanceSummary.of(distances), moved, iterations, distances, closest.triangles)


def mesh_to_scan(prediction: Mesh, scan: Mesh, result: ScanResult) -> FloatArray:
    """Distance of the predicted vertices that a scan covers to the scan's surface.

    Covered are the corners of the triangles that some scan vertex is closest to, without those that lie beyond the
    border of the scan.

    Parameters
    ----------
    prediction : Mesh
        As given to `scan_to_mesh`.
    scan : Mesh
        With triangles.
    result : ScanResult
        The alignment and correspondences.

    Returns
    -------
    (N,) float
        In the unit of the scan.
    """
    covered = np.unique(prediction.triangles[result.triangles])
    closest = TriangleSurface(scan.vertices, scan.triangles).closest(
        result.similarity.apply(prediction.vertices[covered])
    )
    inside = ~boundary_triangles(scan.triangles)[closest.triangles]
    distances: FloatArray = closest.distances[inside]
    return distances


def evaluate_scan(
    prediction: Mesh, scan: Mesh, prediction_landmarks: FloatArray, scan_landmarks: FloatArray
) -> ScanEvaluation:
    """Measure a prediction against a scan with and without scale, with and without trimming, and in reverse.

    Parameters
    ----------
    prediction, scan : Mesh
        The prediction needs triangles; the scan may be a point cloud. Millimetres.
    prediction_landmarks, scan_landmarks : (7, 3) float
        In the order of `NOW_LANDMARKS`.

    Raises
    ------
    UnusableInput
        If the prediction has no faces.
    """
    if len(prediction.triangles) == 0:
        raise UnusableInput("the predicted mesh has no faces, so it has no surface to measure to; give a mesh")
    align = (prediction_landmarks, scan_landmarks)
    scaled = scan_to_mesh(prediction, scan.vertices, *align)
    reverse = DistanceSummary.of(mesh_to_scan(prediction, scan, scaled)) if len(scan.triangles) else None
    return ScanEvaluation(
        scaled,
        scan_to_mesh(prediction, scan.vertices, *align, with_scale=False),
        scan_to_mesh(prediction, scan.vertices, *align, keep=1.0),
        reverse,
    )


def evaluate_scan_files(
    prediction: str | Path,
    scan: str | Path,
    landmarks: str | Path,
    prediction_landmarks: str | Path | None = None,
    model: FaceModel | None = None,
) -> ScanEvaluation:
    """Measure a mesh file against a scan file.

    Parameters
    ----------
    prediction, scan : str or Path
        PLY or OBJ, millimetres.
    landmarks : str or Path
        Seven landmarks of the scan (see `read_landmarks`).
    prediction_landmarks : str or Path, optional
        Landmarks of the prediction. Without it they come from ``model`` where the mesh has its vertices, else from a
        ``reconstruction.json`` beside the mesh.
    model : FaceModel, optional
        The face model that the prediction may be a mesh of.

    Raises
    ------
    UnusableInput
        If a file cannot be used, or the prediction's landmarks are not known.
    """
    predicted, scanned = read_mesh(prediction), read_mesh(scan)
    beside = Path(prediction).parent / "reconstruction.json"
    if prediction_landmarks is not None:
        points = read_landmarks(prediction_landmarks)
    elif model is not None and model.vertex_count == len(predicted.vertices):
        points = np.asarray(model.landmarks(predicted.vertices))[list(NOW_LANDMARKS)]
    elif beside.is_file():
        points = read_landmarks(beside)
    else:
        raise UnusableInput(
            f"{prediction}: its landmarks are not known: it is no mesh of the face model and no reconstruction.json "
            "lies beside it; give them as a file of seven lines of x y z"
        )
    return evaluate_scan(predicted, scanned, points, read_landmarks(landmarks))


def _refining_step(
    moved: Similarity,
    closest: SurfacePoints,
    normals: FloatArray,
    scan: FloatArray,
    used: npt.NDArray[np.bool_],
    with_scale: bool,
) -> tuple[Similarity, float]:
    """One Gauss-Newton step on the scan-to-surface distances; also the size of the step."""
    points, target = moved.apply(closest.points[used]), scan[used]
    gap = target - points
    length = np.linalg.norm(gap, axis=1, keepdims=True)
    flat = normals[closest.triangles[used]] @ moved.rotation.T
    # the gradient of an unsigned distance is its direction, which vanishes where a vertex lies on the surface
    direction = np.where(length > 1e-6, gap / np.maximum(length, 1e-6), flat)
    centre = points.mean(axis=0)
    arm = points - centre
    columns = [direction, np.cross(arm, direction)]
    if with_scale:
        columns.append((arm * direction).sum(axis=1, keepdims=True))
    jacobian = np.concatenate(columns, axis=1)
    normal = jacobian.T @ jacobian
    normal[np.diag_indices_from(normal)] *= 1 + 1e-6
    solution = np.linalg.lstsq(normal, jacobian.T @ (gap * direction).sum(axis=1), rcond=None)[0]
    scale = float(np.exp(solution[6])) if with_scale else 1.0
    rotation = np.asarray(rotvec_to_rotmat(solution[3:6]))
    reach = float(np.abs(arm).max())
    size = max(float(np.abs(solution[:3]).max()), float(np.abs(solution[3:]).max()) * reach)
    return Similarity(scale, rotation, centre + solution[:3] - scale * rotation @ centre), size


def _plain(result: ScanResult) -> dict[str, Any]:
    return {**vars(result.summary), "scale": result.similarity.scale, "iterations": result.iterations}

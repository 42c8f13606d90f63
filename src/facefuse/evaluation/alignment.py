"""Face alignment measured on AFLW2000-3D: by the landmark network, or by the 3D face fitted to its landmarks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from facefuse.detection.find import default_detector, default_landmark_detector
from facefuse.detection.landmarks import crop_square, upright_square
from facefuse.detection.types import DetectedFace, FaceDetector, FaceLandmarks, LandmarkDetector
from facefuse.errors import UsageError
from facefuse.evaluation.aflw2000 import AflwDataset, AflwSample
from facefuse.evaluation.boxes import box_iou
from facefuse.evaluation.metrics import (
    NmeSummary,
    PoseSummary,
    nme,
    nme_3d,
    pose_angles,
    summarise_nme,
    summarise_pose,
)
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FaceFit, Observation
from facefuse.morphable import FaceModel, load_model
from facefuse.regression import two_dasl
from facefuse.regression.network import RegressionNetwork

FloatArray = npt.NDArray[np.floating[Any]]
Boxes = Literal["published", "detector"]
AflwMethod = Literal["landmarks", "fit", "2dasl", "2dasl+refine"]
Progress = Callable[[int, int], None]
"""Called with the number of images done and their total."""


@dataclass(frozen=True)
class FacePrediction:
    """What a method says about one face.

    Attributes
    ----------
    points68 : (68, 2) float
        Pixels of the photo.
    depth68 : (68,) float or None
        Depth in pixels up to a shift, growing towards the viewer, where the method has one.
    rotation : (3, 3) float or None
        Camera from model, OpenCV axes, where the method has one.
    """

    points68: FloatArray
    depth68: FloatArray | None = None
    rotation: FloatArray | None = None


Predictor = Callable[[npt.NDArray[np.uint8], FloatArray], FacePrediction]
"""Takes an (H, W, 3) sRGB photo and a face box (4,) as in `DetectedFace.box`."""


@dataclass(frozen=True)
class AflwResult:
    """Figures of one method on AFLW2000-3D.

    Attributes
    ----------
    method, boxes : str
        What was measured, from which boxes.
    images : int
        Photos in the set; those without a face found are in ``original.missed``.
    original : NmeSummary
        Against the original ground truth, which published tables use.
    reannotated : NmeSummary or None
        Against the re-annotation, where known.
    nme_3d : NmeSummary or None
        3D error, mean-z aligned, for methods with depth.
    pose : PoseSummary or None
        Head pose errors, for methods with a pose.
    latency_ms, latency_mean_ms : float
        Median and mean time of a prediction, without reading the photo and finding the face.
    names : tuple of str
    errors : (N,) float
        Error of each image against the original ground truth, percent; NaN where missed.
    """

    method: str
    boxes: str
    images: int
    original: NmeSummary
    reannotated: NmeSummary | None
    nme_3d: NmeSummary | None
    pose: PoseSummary | None
    latency_ms: float
    latency_mean_ms: float
    names: tuple[str, ...] = field(repr=False)
    errors: FloatArray = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON; None where there is none."""
        plain = {name: getattr(self, name) for name in ("method", "boxes", "images", "latency_ms", "latency_mean_ms")}
        for name in ("original", "reannotated", "nme_3d", "pose"):
            value = getattr(self, name)
            plain[name] = None if value is None else _without_nan(asdict(value))
        plain["errors"] = _without_nan(dict(zip(self.names, self.errors.tolist(), strict=True)))
        return plain


def landmark_predictor(detector: LandmarkDetector) -> Predictor:
    """Return the method that measures a landmark network by itself."""

    def predict(pixels: npt.NDArray[np.uint8], box: FloatArray) -> FacePrediction:
        return FacePrediction(np.asarray(detector.landmarks(pixels, box).points68))

    return predict


def fit_predictor(detector: LandmarkDetector, model: FaceModel) -> Predictor:
    """Return the method that fits a 3D face to a network's landmarks and projects the model's own 68 landmarks.

    The jaw is that of the 3D face, as in the ground truth, not the visible outline.
    """

    def predict(pixels: npt.NDArray[np.uint8], box: FloatArray) -> FacePrediction:
        return _projected(model, fit_face(model, [_observation(detector.landmarks(pixels, box), pixels)]))

    return predict


def _observation(seen: FaceLandmarks, pixels: npt.NDArray[np.uint8]) -> Observation:
    size = (pixels.shape[1], pixels.shape[0])
    return Observation(seen.points68, seen.sigma68, seen.mesh, seen.mesh_sigma, seen.mesh_indices, size=size)


def _projected(model: FaceModel, fit: FaceFit) -> FacePrediction:
    """The landmarks of a face fitted to one photo."""
    camera = fit.photos[0].camera
    points = model.landmarks(model.vertices(fit.identity, fit.photos[0].expression))
    depth = camera.depth(points)
    pixels_per_mm = camera.focal / depth.mean()
    return FacePrediction(camera.project(points), -depth * pixels_per_mm, camera.rotation)


def regression_predictor(
    network: RegressionNetwork,
    model: FaceModel,
    detector: LandmarkDetector | None = None,
    refine: bool = False,
) -> Predictor:
    """Return the method that regresses a 3D face and projects its 68 landmarks.

    Parameters
    ----------
    network : RegressionNetwork
    model : FaceModel
        The one it was trained with.
    detector : LandmarkDetector, optional
        Its landmarks say what to cut out, upright; without one the box does, as published crops ask for.
    refine : bool
        Whether the joint fit to the detector's landmarks follows, from the regressed face.
    """

    def predict(pixels: npt.NDArray[np.uint8], box: FloatArray) -> FacePrediction:
        seen = None if detector is None else detector.landmarks(pixels, box)
        exact = crop_square(np.asarray(box, dtype=float))
        face = network.regress(pixels, exact if seen is None else upright_square(seen.points68))
        if seen is None or not refine:
            points = face.landmarks(model)
            depth = np.asarray(face.camera.depth(points)) * face.camera.scale
            return FacePrediction(np.asarray(face.camera.project(points)), -depth, np.asarray(face.camera.rotation))
        return _projected(model, two_dasl.refined(model, [face], [_observation(seen, pixels)], "per-photo"))

    return predict


def evaluate_aflw2000(
    data: str | Path,
    method: AflwMethod = "landmarks",
    boxes: Boxes = "published",
    model: str = "base",
    progress: Progress | None = None,
    weights: Path | None = None,
) -> AflwResult:
    """Measure a built-in method on a folder or zip file of AFLW2000-3D.

    Parameters
    ----------
    data : str or Path
        As published, see `AflwDataset`.
    method : str
        ``landmarks``, the landmark network; ``fit``, the 3D face fitted to its landmarks; ``2dasl``, the face regressed
        from the crop; ``2dasl+refine``, that face refined by the fit.
    boxes : {"published", "detector"}
        See `evaluate_landmarks`.
    model : str
        Face model for the methods with a 3D face.
    progress : callable, optional
    weights : Path, optional
        ONNX file of the regression, instead of the shipped one.

    Raises
    ------
    UnusableInput
        If the data cannot be read.
    UsageError
        If the method or kind of boxes is unknown.
    AssetError
        If the weights are missing or damaged.
    """
    if method not in get_args(AflwMethod) or boxes not in ("published", "detector"):
        methods = ", ".join(get_args(AflwMethod))
        raise UsageError(f"no method {method!r} with boxes {boxes!r}; methods: {methods}; boxes: published, detector")
    # Published boxes are exact; from detected ones landmarks are found as `find_faces` does.
    dataset, network = AflwDataset(data), default_landmark_detector(passes=1 if boxes == "published" else 2)
    if method == "landmarks":
        predict = landmark_predictor(network)
    elif method == "fit":
        predict = fit_predictor(network, load_model(model))
    else:
        face_model, refine = load_model(model), method == "2dasl+refine"
        regressor = two_dasl.network(face_model, weights)
        seen_by = network if refine or boxes == "detector" else None
        predict = regression_predictor(regressor, face_model, seen_by, refine)
    return evaluate_landmarks(dataset, predict, method, boxes, progress=progress)


def evaluate_landmarks(
    dataset: AflwDataset,
    predict: Predictor,
    method: str,
    boxes: Boxes = "published",
    detector: FaceDetector | None = None,
    progress: Progress | None = None,
) -> AflwResult:
    """Measure a method on every photo.

    Parameters
    ----------
    dataset : AflwDataset
    predict : Predictor
        The method.
    method : str
        Its name, for the record.
    boxes : {"published", "detector"}
        The published crop, which is made from the ground truth; or the detection that overlaps most with it. A photo
        without an overlapping detection counts as missed.
    detector : FaceDetector, optional
        For ``boxes="detector"``; the built-in one if absent.
    progress : callable, optional

    Returns
    -------
    AflwResult

    Raises
    ------
    UnusableInput
        If a photo or its annotation cannot be read.
    """
    finder = (detector or default_detector()) if boxes == "detector" else None
    count = len(dataset)
    rows = []
    for index in range(count):
        sample = dataset[index]
        box = sample.box if finder is None else best_overlapping(finder.detect(sample.pixels), sample.box)
        rows.append(_measure(predict, sample, box))
        if progress is not None:
            progress(index + 1, count)
    table = np.array(rows)
    errors, errors_reannotated, errors_3d, seconds = table[:, :4].T
    found_angles, true_angles = table[:, 4:7], table[:, 7:]
    yaw = true_angles[:, 0]
    return AflwResult(
        method=method,
        boxes=boxes,
        images=count,
        original=summarise_nme(errors, yaw),
        reannotated=summarise_nme(errors_reannotated, yaw) if dataset.has_reannotation else None,
        nme_3d=summarise_nme(errors_3d, yaw) if np.isfinite(errors_3d).any() else None,
        pose=summarise_pose(found_angles, true_angles) if np.isfinite(found_angles).any() else None,
        latency_ms=1000 * float(np.nanmedian(seconds)),
        latency_mean_ms=1000 * float(np.nanmean(seconds)),
        names=dataset.names,
        errors=errors,
    )


def best_overlapping(faces: list[DetectedFace], box: FloatArray) -> FloatArray | None:
    """Return the box of the detection that overlaps most with a box, or None if none overlaps."""
    if not faces:
        return None
    overlap = box_iou(box, np.array([face.box for face in faces]))
    best = int(overlap.argmax())
    return np.asarray(faces[best].box) if overlap[best] > 0 else None


def _measure(predict: Predictor, sample: AflwSample, box: FloatArray | None) -> list[float]:
    """One row: the errors against the three truths, seconds, predicted angles, true angles; NaN where there is none."""
    row = [math.nan] * 7
    if box is not None:
        start = time.perf_counter()
        found = predict(sample.pixels, box)
        row[3] = time.perf_counter() - start
        row[0] = float(nme(found.points68, sample.points[:, :2]))
        if sample.reannotated is not None:
            row[1] = float(nme(found.points68, sample.reannotated))
        if found.depth68 is not None:
            row[2] = float(nme_3d(np.column_stack([found.points68, found.depth68]), sample.points))
        if found.rotation is not None:
            row[4:7] = pose_angles(found.rotation).tolist()
    return [*row, *sample.angles.tolist()]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value

"""Error measures of face alignment: normalised mean error by yaw, its uncertainty, and head pose.

Errors are in percent. NaN stands for a face that was missed: it is left out of means, counts as a failure and as zero
in the area under the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

YAW_LIMITS = (30.0, 60.0)
"""|yaw| up to 30, above 30 up to 60, above 60 without upper bound; degrees."""
FAILURE_LIMIT = 10.0
AUC_LIMIT = 8.0
_RESAMPLES = 2000
_SEED = 20190320
_LARGEST_ANGLE = 99.0


@dataclass(frozen=True)
class NmeSummary:
    """Normalised mean error over a test set, percent.

    Attributes
    ----------
    bins : (float, float, float)
        Mean over the images of each yaw bin; NaN for a bin without images.
    counts : (int, int, int)
        Images measured in each bin.
    balanced : float
        Mean of the three bins.
    std : float
        Population standard deviation of the three bins, as published tables state it (not across images).
    mean : float
        Plain mean over all images.
    balanced_interval, mean_interval : (float, float)
        Bootstrap 95 % intervals.
    failure_rate : float
        Share of images above 10 % or missed, in percent.
    auc : float
        Area under the cumulative error distribution up to 8 %, in [0, 1].
    missed : int
        Images without a prediction.
    """

    bins: tuple[float, float, float]
    counts: tuple[int, int, int]
    balanced: float
    std: float
    mean: float
    balanced_interval: tuple[float, float]
    mean_interval: tuple[float, float]
    failure_rate: float
    auc: float
    missed: int


@dataclass(frozen=True)
class PoseSummary:
    """Errors of head pose in degrees, over the images whose true angles all lie within ±99.

    Attributes
    ----------
    yaw, pitch, roll, mean : float
        Mean absolute errors and their mean.
    bias : (float, float, float)
        Mean signed error of yaw, pitch and roll: what a differing zero of the two face models' frames explains.
    count : int
        Images measured.
    """

    yaw: float
    pitch: float
    roll: float
    mean: float
    bias: tuple[float, float, float]
    count: int


def face_size(points: FloatArray) -> FloatArray:
    """Return sqrt(width * height) of the tight box about the x, y of (..., P, D) landmarks: (...)."""
    extent = np.ptp(np.asarray(points, dtype=float)[..., :2], axis=-2)
    size: FloatArray = np.sqrt(extent[..., 0] * extent[..., 1])
    return size


def nme(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """Normalised mean error of each image (Zhu et al., 3DDFA, CVPR 2016).

    The mean over all points, none masked, of the distance in the image, divided by `face_size` of the truth.

    Parameters
    ----------
    predicted, truth : (..., P, 2) float
        Pixels, in the same frame; P = 68 in the published protocol.

    Returns
    -------
    (...) float
        Percent.
    """
    if predicted.shape != truth.shape or truth.shape[-1] != 2:
        raise ValueError(f"expected two (..., P, 2) arrays, found {predicted.shape} and {truth.shape}")
    distance = np.linalg.norm(np.asarray(predicted, float) - np.asarray(truth, float), axis=-1)
    result: FloatArray = 100 * distance.mean(axis=-1) / face_size(truth)
    return result


def nme_3d(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """3D normalised mean error of each image, mean-z aligned (SADRNet, DSFNet).

    Depth is known up to a shift, so the mean z of the points is removed from both.

    Parameters
    ----------
    predicted, truth : (..., P, 3) float
        x, y in pixels; z in pixels, growing towards the viewer.

    Returns
    -------
    (...) float
        Percent of `face_size` of the truth.
    """
    if predicted.shape != truth.shape or truth.shape[-1] != 3:
        raise ValueError(f"expected two (..., P, 3) arrays, found {predicted.shape} and {truth.shape}")
    difference = np.asarray(predicted, float) - np.asarray(truth, float)
    difference[..., 2] -= difference[..., 2].mean(axis=-1, keepdims=True)
    result: FloatArray = 100 * np.linalg.norm(difference, axis=-1).mean(axis=-1) / face_size(truth)
    return result


def yaw_bin(yaw_deg: FloatArray | float) -> IntArray:
    """Return the bin, 0, 1 or 2, of each yaw in degrees; limits belong to the lower bin."""
    size = np.abs(np.asarray(yaw_deg, dtype=float))
    which: IntArray = (size > YAW_LIMITS[0]).astype(np.int64) + (size > YAW_LIMITS[1])
    return which


def ced_auc(errors: FloatArray, limit: float = AUC_LIMIT) -> float:
    """Area under the cumulative error distribution from 0 to ``limit``, divided by ``limit``; exact, no histogram."""
    share = 1 - np.asarray(errors, dtype=float) / limit
    return float(np.where(share > 0, share, 0.0).mean())


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval, in percent, of a probability of which a sample is known (Wilson 1927); NaN if empty."""
    if not trials:
        return float("nan"), float("nan")
    z = 1.959964
    rate, spread = successes / trials, z * z / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = z * np.sqrt(rate * (1 - rate) / trials + spread / (4 * trials)) / (1 + spread)
    return 100 * float(middle - half), 100 * float(middle + half)


def summarise_nme(errors: FloatArray, yaw_deg: FloatArray) -> NmeSummary:
    """Summarise per-image errors as the AFLW2000-3D protocol does.

    Parameters
    ----------
    errors : (N,) float
        Percent, NaN where the face was missed; at least one is finite.
    yaw_deg : (N,) float
        True yaw.

    Returns
    -------
    NmeSummary
        The balanced mean is NaN where a bin has no image.
    """
    errors, yaw_deg = np.asarray(errors, dtype=float), np.asarray(yaw_deg, dtype=float)
    if errors.shape != yaw_deg.shape or errors.ndim != 1:
        raise ValueError(f"expected two arrays of one length, found {errors.shape} and {yaw_deg.shape}")
    seen = np.isfinite(errors)
    if not seen.any():
        raise ValueError("there is no image with a prediction to summarise")
    which = yaw_bin(yaw_deg)
    groups = [errors[seen & (which == k)] for k in range(3)]
    bins = tuple(float(group.mean()) if len(group) else float("nan") for group in groups)
    balanced_draws, mean_draws = _bootstrap(groups)
    return NmeSummary(
        bins=(bins[0], bins[1], bins[2]),
        counts=(len(groups[0]), len(groups[1]), len(groups[2])),
        balanced=float(np.mean(bins)),
        std=float(np.std(bins)),
        mean=float(errors[seen].mean()),
        balanced_interval=_interval(balanced_draws),
        mean_interval=_interval(mean_draws),
        failure_rate=float(100 * (~(errors <= FAILURE_LIMIT)).mean()),
        auc=ced_auc(errors),
        missed=int((~seen).sum()),
    )


def pose_angles(rotation: FloatArray) -> FloatArray:
    """Yaw, pitch and roll in the convention of 300W-LP and AFLW2000-3D.

    Their matrix is ``R = Rx(pitch) Ry(yaw) Rz(roll)`` of transposed elementary matrices, so yaw is ``-asin(R02)``;
    ``asin(R20)`` is a different angle, which some published tables give as yaw.

    Parameters
    ----------
    rotation : (..., 3, 3) float
        Camera from model in OpenCV axes, as in `PinholeCamera`.

    Returns
    -------
    (..., 3) float
        Degrees.
    """
    upright = np.asarray(rotation, dtype=float) * np.array([1.0, -1.0, -1.0])[:, None]  # y up, z to the viewer
    yaw = -np.arcsin(np.clip(upright[..., 0, 2], -1, 1))
    pitch = np.arctan2(upright[..., 1, 2], upright[..., 2, 2])
    roll = np.arctan2(upright[..., 0, 1], upright[..., 0, 0])
    angles: FloatArray = np.rad2deg(np.stack([yaw, pitch, roll], axis=-1))
    return angles


def summarise_pose(predicted: FloatArray, truth: FloatArray) -> PoseSummary:
    """Mean absolute errors of yaw, pitch and roll.

    Parameters
    ----------
    predicted, truth : (N, 3) float
        Yaw, pitch and roll in degrees (`pose_angles`); rows with NaN are left out, as are those whose truth exceeds
        ±99 degrees, which the published protocol drops.

    Returns
    -------
    PoseSummary
    """
    difference = np.asarray(predicted, dtype=float) - np.asarray(truth, dtype=float)
    used = (np.abs(truth) <= _LARGEST_ANGLE).all(axis=1) & np.isfinite(difference).all(axis=1)
    if not used.any():
        raise ValueError("there is no image with a pose to summarise")
    difference = difference[used]
    yaw, pitch, roll = (float(value) for value in np.abs(difference).mean(axis=0))
    bias = difference.mean(axis=0)
    return PoseSummary(
        yaw, pitch, roll, (yaw + pitch + roll) / 3, (float(bias[0]), float(bias[1]), float(bias[2])), int(used.sum())
    )


def _bootstrap(groups: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Balanced and plain means of resampled images: within the bins for the first, over all images for the second."""
    rng = np.random.default_rng(_SEED)
    means = []
    for group in groups:
        if len(group) == 0:
            means.append(np.full(_RESAMPLES, np.nan))
            continue
        means.append(np.array([rng.choice(group, len(group)).mean() for _ in range(_RESAMPLES)]))
    everything = np.concatenate(groups)
    plain = np.array([rng.choice(everything, len(everything)).mean() for _ in range(_RESAMPLES)])
    return np.mean(means, axis=0), plain


def _interval(draws: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)

"""What is known before looking: expressions, lenses, distances, and how exactly a landmark is defined.

The figures were set on photos with labels (the Face Research Lab London Set and AFLW), never on AFLW2000-3D.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

EXPRESSION_SIGMA = {
    "browDown": 0.4,
    "browInnerUp": 0.4,
    "browOuterUp": 0.4,
    "cheekPuff": 0.15,
    "cheekSquint": 0.3,
    "eyeBlink": 0.5,
    "eyeLook": 0.3,
    "eyeSquint": 0.4,
    "eyeWide": 0.3,
    "jawForward": 0.1,
    "jawOpen": 0.35,
    "jaw": 0.15,
    "mouthClose": 0.1,
    "mouthDimple": 0.2,
    "mouthFrown": 0.25,
    "mouthFunnel": 0.25,
    "mouthPucker": 0.35,
    "mouthRoll": 0.25,
    "mouthShrug": 0.2,
    "mouthSmile": 0.6,
    "mouthStretch": 0.3,
    "mouthLowerDown": 0.35,
    "mouthPress": 0.3,
    "mouthUpperUp": 0.35,
    "mouth": 0.15,
    "noseSneer": 0.3,
}
"""Standard deviation of each blendshape's weight about zero, by the longest matching beginning of its ARKit name."""

SIDE_DIFFERENCE_SIGMA = 0.2
"""Standard deviation of the difference of a left and right blendshape, over that of one of them being 0.4."""

OPPOSED = (
    ("eyeBlinkLeft", "eyeWideLeft"),
    ("eyeBlinkRight", "eyeWideRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"),
    ("eyeLookUpRight", "eyeLookDownRight"),
    ("eyeLookInLeft", "eyeLookOutLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    ("mouthSmileLeft", "mouthFrownLeft"),
    ("mouthSmileRight", "mouthFrownRight"),
    ("browDownLeft", "browOuterUpLeft"),
    ("browDownRight", "browOuterUpRight"),
)
"""Blendshapes that undo each other: both at once is penalised, so that they do not fight."""

FOCAL_RATIO, FOCAL_SPREAD = 1.3, 0.55
"""Median focal length over the longer side of the photo, and the standard deviation of its logarithm."""

KNOWN_FOCAL_SPREAD = 0.03
"""Standard deviation of the logarithm of a focal length that EXIF states."""

DISTANCE_MM, DISTANCE_SPREAD = 900.0, 0.6
"""Median distance of a face from the camera and the standard deviation of its logarithm."""

ORTHOGRAPHIC_DISTANCE_MM = 100_000.0
"""A camera this far away is orthographic for a face: perspective moves a landmark by less than 0.1 %."""


@lru_cache(maxsize=8)
def expression_precision(names: tuple[str, ...]) -> FloatArray:
    """Precision matrix of the zero-mean Gaussian prior of blendshape weights, (E, E).

    Each has its own spread, the two sides of the face move mostly together, and opposed pairs are not on at once.
    """
    sigma = np.array([_expression_sigma(name) for name in names])
    precision = np.diag(sigma**-2)
    place = {name: index for index, name in enumerate(names)}
    for name, left in place.items():
        right = place.get(name.removesuffix("Left") + "Right") if name.endswith("Left") else None
        if right is None or not name.startswith(("brow", "cheek", "eye", "nose", "mouth")) or name == "mouthLeft":
            continue
        if name.startswith(("eyeLookIn", "eyeLookOut")):
            continue
        stiffness = (sigma[left] * SIDE_DIFFERENCE_SIGMA / 0.4) ** -2
        precision[[left, right], [left, right]] += stiffness
        precision[[left, right], [right, left]] -= stiffness
    for one, other in OPPOSED:
        if one in place and other in place:
            a, b = place[one], place[other]
            coupling = 0.9 / (sigma[a] * sigma[b])
            precision[[a, b], [b, a]] += coupling
    return precision


def _expression_sigma(name: str) -> float:
    matches = [key for key in EXPRESSION_SIGMA if name.startswith(key)]
    return EXPRESSION_SIGMA[max(matches, key=len)] if matches else 0.2


def definition_sigma(mesh_indices: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """How exactly the model knows where a landmark lies, one standard deviation in mm.

    This part of the error is the same in all photos: it does not average out.

    Parameters
    ----------
    mesh_indices : (M,) int
        MediaPipe mesh points that follow the 68 landmarks.

    Returns
    -------
    (68 + M,) float
    """
    sigma68 = np.full(68, 2.5)
    sigma68[:17] = 6.0
    sigma68[17:27] = 4.0
    mesh = np.where(np.isin(mesh_indices, FACE_OVAL), 4.0, 2.2)
    return np.concatenate([sigma68, mesh])


OWN_DEFINITION_MM = 1.0
"""The same where the landmarks are the model's own points."""

JAW_SLIDE = 2.5
"""How much less exactly a jaw landmark is placed along the contour than across it."""

FACE_OVAL = np.array(
    [
        *(
            10,
            21,
            54,
            58,
            67,
            93,
            103,
            109,
            127,
            132,
            136,
            148,
            149,
            150,
            152,
            162,
            172,
            176,
            234,
            251,
            284,
            288,
            297,
            323,
            332,
            338,
            356,
            361,
            365,
            377,
            378,
            379,
            389,
            397,
            400,
            454,
        )
    ]
)
"""MediaPipe's mesh points on the outline of the face, which follow the silhouette rather than the skin."""

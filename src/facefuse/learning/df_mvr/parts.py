"""Parts of the face as DF-MVR labels them, and what each part weighs in the photometric loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from facefuse.detection import parts

Labels = npt.NDArray[np.integer[Any]]

PARTS = parts.PARTS[: parts.OCCLUDER]
"""The ten classes by label; right and left are the subject's. Hair, ears, neck and whatever hides the face are
background. The order behind the published weights is not documented; this is that of their lineage."""

SWAPPED = (0, 1, 3, 2, 5, 4, 6, 7, 8, 9)
"""The label of each part in the mirror image."""

CELEBAMASK_HQ = (0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 6, 7, 8, 9, 0, 0, 0, 0, 0)
"""Our label of each of the 19 classes of BiSeNet models trained on CelebAMask-HQ: 0 background, 1 skin, 2 and 3 brows,
4 and 5 eyes, 6 glasses, 7 and 8 ears, 9 earring, 10 nose, 11 mouth, 12 and 13 lips, 14 neck and what follows."""

BACKGROUND_WEIGHT, SKIN_WEIGHT, FEATURE_WEIGHT = 32.0, 128.0, 254.0
"""Published weights of background, plain skin, and features with their rim."""

_RIM = 10
"""Side of the square by which features are dilated, px."""

_OF_REGION = {
    **dict.fromkeys(("face", "forehead", "eyelid_left", "eyelid_right"), "skin"),
    **{name: name for name in ("brow_left", "brow_right", "nose", "upper_lip", "lower_lip")},
    **{f"{part}_{side}": f"eye_{side}" for part in ("sclera", "iris", "pupil") for side in ("left", "right")},
    **dict.fromkeys(("mouth_interior", "tongue", "upper_teeth", "lower_teeth"), "mouth"),
}


def part_table(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the part of each of the named regions of a face model, (R,); what is no part of the face is background."""
    return np.array([PARTS.index(_OF_REGION.get(name, "background")) for name in names], np.uint8)


def from_celebamask(labels: Labels) -> npt.NDArray[np.uint8]:
    """Convert labels of CelebAMask-HQ's 19 classes, any shape.

    Raises
    ------
    ValueError
        If a label is none of the 19.
    """
    if labels.size and (labels.min() < 0 or labels.max() >= len(CELEBAMASK_HQ)):
        raise ValueError(f"expected labels 0 to {len(CELEBAMASK_HQ) - 1}, found {labels.min()} to {labels.max()}")
    converted: npt.NDArray[np.uint8] = np.array(CELEBAMASK_HQ, np.uint8)[labels]
    return converted


def mirrored(labels: Labels) -> Labels:
    """Labels (..., H, W) of the mirror image: turned about and with left and right exchanged."""
    return np.asarray(SWAPPED, labels.dtype)[labels[..., ::-1]]


def photometric_weights(labels: Labels) -> npt.NDArray[np.float32]:
    """Weigh the pixels of a view by its parts.

    Parameters
    ----------
    labels : (H, W) int
        Of `PARTS`.

    Returns
    -------
    (H, W) float32
        254 for features and for the skin within 5 px of one, 128 for other skin, 32 for background; the same for every
        view (the released code loses the features of the left one).
    """
    features = ndimage.binary_dilation(labels > 1, np.ones((_RIM, _RIM), bool))
    weights = np.where(features, FEATURE_WEIGHT, SKIN_WEIGHT)
    return np.where(labels == 0, BACKGROUND_WEIGHT, weights).astype(np.float32)

"""What the texture needs to know about a model's parts, from its region names."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.mesh import triangle_normals, vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.texturing.grain import strand_coordinates

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

_INSIDE = ("eye_socket", "mouth_interior", "tongue", "upper_teeth", "lower_teeth")
_EYES = ("sclera_left", "sclera_right", "iris_left", "iris_right", "pupil_left", "pupil_right")
_FEATURES = ("nose", "eyelid_left", "eyelid_right", "brow_left", "brow_right", "upper_lip", "lower_lip")
_CORE = ("face", "forehead", "nose")


@dataclass(frozen=True)
class Parts:
    """Vertices and triangles by their role in a texture.

    Attributes
    ----------
    photographed : (F,) bool
        Outer skin: triangles whose colour comes from photos.
    skin : (V,) float
        1 on vertices of the outer skin, 0 on eyes, teeth and the insides.
    scalp : (V,) float
        1 where hair grows, falling to 0 at the hairline.
    core : (V,) float
        1 on cheeks, nose and forehead, seen from the front: the sample of skin colour.
    strict : (V,) float
        How strictly colours must look like skin: 0 in the middle of the face (brows, beards and lips are not skin
        coloured), 1 on ears, neck and the sides, where hair, clothes and background intrude.
    ear : (V,) float
        1 on the ears.
    lid : (V,) float
        1 on eyelids and lips, where misplaced eyeballs and teeth would show as white patches.
    maybe_hair : (V,) float
        1 where hair may grow: scalp and upper forehead; never brows and beard.
    beside : (V,) float
        1 on temples and before the ears, where hair may hang.
    plain : (V,) float
        1 on plain skin, 0 on brows, eyelids, nose and lips.
    strand : (V, 2) float32
        Where each vertex lies across and along its hair: see :func:`facefuse.texturing.grain.strand_coordinates`.
    normals : (V, 3) float
        Unit normals of the mean head.
    texture_mm : float
        Side of the texture in mm, as it typically lies on the face.
    """

    photographed: BoolArray
    skin: FloatArray
    scalp: FloatArray
    core: FloatArray
    strict: FloatArray
    ear: FloatArray
    lid: FloatArray
    maybe_hair: FloatArray
    beside: FloatArray
    plain: FloatArray
    strand: npt.NDArray[np.float32]
    normals: FloatArray
    texture_mm: float


def build_parts(model: FaceModel) -> Parts:
    """Derive the parts of a model; regions that it does not name are skin."""
    triangles, mean = np.asarray(model.triangles), np.asarray(model.mean, np.float64)
    names = model.region_names

    def mask(*wanted: str) -> BoolArray:
        out: BoolArray = np.asarray(model.region_mask(*(name for name in wanted if name in names)))
        return out

    def share(faces: BoolArray) -> FloatArray:
        """Share of each vertex's triangles that are in a set."""
        inside = np.bincount(triangles[faces].ravel(), minlength=len(mean))
        out: FloatArray = inside / np.maximum(np.bincount(triangles.ravel(), minlength=len(mean)), 1)
        return out

    photographed = ~mask(*_INSIDE, *_EYES)
    skin = (share(photographed) > 0).astype(float)
    normals = vertex_normals(mean, triangles)
    face = np.asarray(model.face_mask)
    front = mean[face]
    middle_z, depth = front[:, 2].max(), np.ptp(front[:, 2])
    # 0 within the face as seen from the front, 1 towards the ears
    sideways = np.clip((middle_z - mean[:, 2] - 0.75 * depth) / (0.45 * depth), 0, 1)
    ear, scalp = share(mask("ear_left", "ear_right")), share(mask("scalp"))
    strict = np.maximum(sideways, np.maximum(share(mask("neck")), np.maximum(ear, scalp))) * skin
    core = share(mask(*_CORE)) * np.clip(2 * normals[:, 2] - 0.4, 0, 1) * face * (1 - strict)
    lid = share(mask("eyelid_left", "eyelid_right", "upper_lip", "lower_lip"))
    # above the brows' upper rim the forehead, above the mouth the sides
    landmarks = np.asarray(model.landmarks(mean))
    brow, mouth = landmarks[17:27, 1].max(), landmarks[48:68, 1].mean()
    above = np.clip((mean[:, 1] - brow - 8) / 8, 0, 1)
    beside = np.clip((sideways - 0.1) / 0.3, 0, 1) * (mean[:, 1] > mouth) * skin * (1 - ear)
    plain = share(photographed & ~mask(*_FEATURES))
    maybe_hair = np.maximum(scalp, above) * skin * (1 - ear)
    return Parts(
        photographed=photographed,
        skin=skin,
        scalp=scalp,
        core=core,
        strict=strict,
        ear=ear,
        lid=lid,
        maybe_hair=maybe_hair,
        beside=beside,
        plain=plain,
        strand=strand_coordinates(mean),
        normals=normals,
        texture_mm=_texture_mm(model, mean, face[triangles].all(1) & photographed),
    )


def _texture_mm(model: FaceModel, mean: FloatArray, faces: BoolArray) -> float:
    """Square root of the typical area of the face's triangles over their area in the texture, mm."""
    area = np.linalg.norm(triangle_normals(mean, np.asarray(model.triangles)[faces]), axis=1)
    uv = np.asarray(model.uv, np.float64)[np.asarray(model.uv_triangles)[faces]]
    u, v = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    in_texture = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    return float(np.sqrt(np.median(area / np.maximum(in_texture, 1e-15))))


_CACHE: OrderedDict[int, tuple[FaceModel, Parts]] = OrderedDict()


def parts_of(model: FaceModel) -> Parts:
    """Return the parts of a model, kept for the last two models."""
    kept = _CACHE.get(id(model))
    if kept is None or kept[0] is not model:
        kept = (model, build_parts(model))
        _CACHE[id(model)] = kept
        while len(_CACHE) > 2:
            _CACHE.popitem(last=False)
    return kept[1]

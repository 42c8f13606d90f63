"""Random people: identity coefficients of the base model, or of the full ICT-FaceKit model on the base model's mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.errors import AssetError
from facefuse.morphable.registry import load_model

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class IdentitySource:
    """Modes of identity on the base model's mesh.

    Attributes
    ----------
    modes : (M, 3V) float32
        Displacements at one standard deviation, mm.
    to_base : (K, M) float32
        Least-squares coefficients of the base model for each mode.
    """

    modes: Floats
    to_base: Floats

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw a person: coefficients (M,) of the modes, and of the base model (K,)."""
        weights = np.clip(rng.standard_normal(len(self.modes)), -3.0, 3.0).astype(np.float32)
        # products of float64 rounded to float32 do not depend on how a library sums them up
        base = (self.to_base.astype(np.float64) @ weights.astype(np.float64)).astype(np.float32)
        return weights, base


@lru_cache(maxsize=1)
def base_identities() -> IdentitySource:
    """People of the base model."""
    model = load_model("base")
    count = model.identity_count
    modes = np.ascontiguousarray(model.identity.reshape(count, -1), dtype=np.float32)
    return IdentitySource(modes, np.eye(count, dtype=np.float32))


def convert_ict(ict: Path) -> IdentitySource:
    """Carry all 100 identity modes of ICT-FaceKit Light over to the base model's mesh (about 20 s).

    The base model keeps 90 rotated modes of them; what it cannot express remains in the difference.

    Raises
    ------
    AssetError
        If the file is not ICT-FaceKit Light.
    """
    from facefuse.learning.base_model.eyes import build_eyeballs
    from facefuse.learning.base_model.ict import load_ict
    from facefuse.learning.base_model.interior import build_gums, build_teeth
    from facefuse.learning.base_model.skin import build_skin

    model = load_model("base")
    source = load_ict(ict)
    parts = [build_skin(source), build_gums(source), build_teeth(source)]
    eyes = build_eyeballs(source).identity
    modes = np.stack(
        [
            np.concatenate([*(part.transfer @ mode for part in parts), eye])
            for mode, eye in zip(source.identity, eyes, strict=True)
        ]
    )
    if modes.shape[1:] != model.mean.shape:
        raise AssetError(f"{ict} gives a mesh of {modes.shape[1]} vertices; the base model has {model.vertex_count}")
    basis = model.identity.reshape(model.identity_count, -1).astype(np.float64)
    gram = basis @ basis.T
    to_base = np.linalg.solve(gram, basis @ modes.reshape(len(modes), -1).T)
    return IdentitySource(modes.reshape(len(modes), -1).astype(np.float32), to_base.astype(np.float32))


def save_identities(source: IdentitySource, path: Path) -> None:
    """Keep a converted model for later runs (npz)."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, modes=source.modes, to_base=source.to_base)
    partial.replace(path)


def read_identities(path: Path) -> IdentitySource:
    """Read what `save_identities` wrote.

    Raises
    ------
    AssetError
        If it is not such a file, or belongs to another base model.
    """
    model = load_model("base")
    with np.load(path) as data:
        if not {"modes", "to_base"} <= set(data.files):
            raise AssetError(f"{path} holds {', '.join(data.files)}; expected modes and to_base")
        modes, to_base = data["modes"], data["to_base"]
    if modes.shape[1] != model.mean.size or to_base.shape[0] != model.identity_count:
        raise AssetError(f"{path} was made for another base model; delete it, it will be made anew")
    return IdentitySource(np.ascontiguousarray(modes, np.float32), to_base)

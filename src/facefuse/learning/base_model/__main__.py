"""Build the base model.

Command: ``python -m facefuse.learning.base_model --ict ict_facekit_light.npz --mediapipe canonical_face_model.obj
--out base_model.safetensors``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from facefuse.learning.base_model.build import build_model
from facefuse.morphable.io import model_to_bytes


def main() -> None:
    """Build the base model and write it."""
    parser = argparse.ArgumentParser(prog="python -m facefuse.learning.base_model", description=main.__doc__)
    parser.add_argument("--ict", type=Path, required=True, help="ict_facekit_light.npz")
    parser.add_argument("--mediapipe", type=Path, required=True, help="canonical_face_model.obj")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    options = parser.parse_args()
    model = build_model(options.ict, options.mediapipe)
    data = model_to_bytes(model)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(data)
    sys.stdout.write(
        f"{options.out}: {model.vertex_count} vertices, {len(model.triangles)} triangles, "
        f"{model.identity_count} identity modes, {model.expression_count} expressions, "
        f"{len(data) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(data).hexdigest()}\n"
    )


if __name__ == "__main__":
    main()

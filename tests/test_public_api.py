"""What the README promises to be there, is there."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import facefuse


def test_the_surface() -> None:
    assert facefuse.__all__ == sorted(facefuse.__all__)
    for name in facefuse.__all__:
        assert getattr(facefuse, name) is not None
    assert set(facefuse.__all__) <= set(dir(facefuse))
    assert facefuse.__version__ == version("facefuse")
    with pytest.raises(AttributeError, match="no attribute 'rebuild'"):
        facefuse.rebuild  # noqa: B018


def test_every_public_thing_is_documented() -> None:
    for name in facefuse.__all__:
        thing = getattr(facefuse, name)
        assert name == "__version__" or (inspect.getdoc(thing) or "").strip(), name


def test_reconstruct_takes_these_options() -> None:
    parameters = inspect.signature(facefuse.reconstruct).parameters
    assert list(parameters) == [
        "photos",
        "method",
        "model",
        "expression",
        "face",
        "texture_size",
        "progress",
        "detector",
        "landmark_detector",
        "parser",
    ]
    assert all(p.kind is p.KEYWORD_ONLY for name, p in parameters.items() if name != "photos")


def test_a_reconstruction_has_these_members() -> None:
    fields = set(facefuse.Reconstruction.__dataclass_fields__)
    assert fields == {"model", "identity", "texture", "photos", "skipped", "warnings", "method"}
    assert {"mesh", "posed_mesh", "save"} <= set(dir(facefuse.Reconstruction))
    assert {"photo", "face", "landmarks", "camera", "expression", "residual", "weight", "light", "parts"} == set(
        facefuse.PhotoResult.__dataclass_fields__
    )


def test_errors_form_one_family() -> None:
    assert issubclass(facefuse.ImageReadError, facefuse.UnusableInput)
    assert issubclass(facefuse.NoFaceFound, facefuse.UnusableInput)
    for error in (facefuse.UnusableInput, facefuse.UsageError, facefuse.AssetError):
        assert issubclass(error, facefuse.FacefuseError)


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, facefuse\n"
        "heavy = {'numpy', 'numba', 'scipy', 'onnxruntime', 'trimesh', 'PIL', 'tyro', 'rich'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import MESH, TINY, tiny_task  # noqa: E402

from facefuse.errors import UsageError  # noqa: E402
from facefuse.learning.engine.distributed import World  # noqa: E402
from facefuse.learning.engine.trainer import train  # noqa: E402
from facefuse.learning.two_dasl.export import export_run  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(tiny_task(), replace(TINY.engine, steps=2), folder, World())
    return folder


@pytest.mark.parametrize("passes", [1, 2])
def test_onnx_agrees_with_pytorch(run: Path, tmp_path: Path, passes: int) -> None:
    parity = export_run(TINY, MESH, run / "checkpoint.pt", tmp_path / "net.onnx", passes)
    assert parity.points_px < 0.05
    assert parity.coefficients < 2e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3)).astype(np.uint8)
    identity, expression, camera, points, log_sigma = session.run(None, {"crops": crops})
    assert identity.shape == (3, 6)
    assert expression.shape == (3, load_model("base").expression_count)
    assert camera.shape == (3, 9)
    assert (points.shape, log_sigma.shape) == ((3, 68, 2), (3, 68))
    assert session.get_modelmeta().custom_metadata_map["crop_size"] == "48"
    again = session.run(None, {"crops": crops[:1]})[0]
    np.testing.assert_allclose(again, identity[:1], atol=1e-5)


def test_other_networks_are_not_exported(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only light networks"):
        export_run(replace(TINY, space="bfm62"), MESH, run / "checkpoint.pt", tmp_path / "net.onnx")

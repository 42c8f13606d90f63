from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
import onnxruntime  # noqa: E402
from landmarks_sample import TINY  # noqa: E402

from facefuse.detection.landmarks import LandmarkNetwork  # noqa: E402
from facefuse.learning.landmarks.export import check_parity, export_onnx, fold_batch_norm  # noqa: E402
from facefuse.learning.landmarks.network import LandmarkNet  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")


def used_network() -> LandmarkNet:
    """A network whose batch statistics are not the initial ones."""
    torch.manual_seed(1)
    network = LandmarkNet(TINY.network, 70)
    torch.nn.init.normal_(network.votes.weight, std=0.2)
    for _ in range(20):
        network(torch.randint(0, 256, (8, 48, 48, 3), dtype=torch.uint8))
    return network.eval()


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 120, 120, 3)).astype(np.uint8)


def test_folding_batch_norm_changes_nothing() -> None:
    network = used_network()
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.inference_mode():
        for a, b in zip(network(torch.from_numpy(crops(2))), folded(torch.from_numpy(crops(2))), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("size", [80, 120])
def test_exported_file_agrees_with_the_network_and_opens_in_the_runtime(tmp_path: Path, size: int) -> None:
    network, path = used_network(), tmp_path / "net.onnx"
    export_onnx(network, np.array([4, 33]), size, path)
    parity = check_parity(network, path, crops(3)[:, :size, :size])
    assert parity.points_px < 0.1
    assert parity.score < 0.01
    runtime = LandmarkNetwork(path)
    np.testing.assert_array_equal(runtime.mesh_indices, [4, 33])
    found = runtime.landmarks(crops(1)[0], np.array([20.0, 20.0, 90.0, 90.0]))
    assert found.points68.shape == (68, 2)
    assert found.mesh.shape == (2, 2)
    assert (found.sigma68 > 0).all()
    assert runtime.crop_size == size


def test_points_are_in_pixels_of_the_crop(tmp_path: Path) -> None:
    network = used_network()
    picture = torch.randint(0, 256, (1, 80, 80, 3), dtype=torch.uint8)
    export_onnx(network, np.array([4, 33]), 80, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    points, log_sigma = session.run(["points", "log_sigma"], {"crops": picture.numpy()})
    with torch.inference_mode():
        reference, reference_log_sigma, _ = network(picture)
    # The network speaks of a 120-pixel crop: edges fall on edges, spreads shrink with the crop.
    np.testing.assert_allclose(points + 0.5, (reference.numpy() + 0.5) / 1.5, atol=0.1)
    np.testing.assert_allclose(log_sigma, reference_log_sigma.numpy() - np.log(1.5), atol=0.05)


def test_export_is_reproducible_and_stores_halves(tmp_path: Path) -> None:
    network = used_network()
    for name in ("a", "b"):
        export_onnx(network, np.array([4, 33]), 80, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    kinds = {t.data_type for t in onnx.load(tmp_path / "a").graph.initializer if np.prod(t.dims) >= 256}
    assert kinds == {onnx.TensorProto.FLOAT16}

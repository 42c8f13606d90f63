"""Writing a trained light network as ONNX with half-precision weights, and checking it against PyTorch."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facefuse.errors import UsageError
from facefuse.learning.engine.checkpoint import averaged_weights
from facefuse.learning.landmarks.export import store_weights_as_half
from facefuse.learning.two_dasl.build import base_space, make_network
from facefuse.learning.two_dasl.config import MapConfig, TwoDaslConfig
from facefuse.learning.two_dasl.light import LightNet
from facefuse.learning.two_dasl.two_pass import draw_map
from facefuse.morphable.registry import load_model

_OPSET = 17
_OUTPUTS = ("identity", "expression", "camera", "points", "log_sigma")
_CHECKED = 32  # crops


@dataclass(frozen=True)
class Parity:
    """Largest differences between the ONNX file and PyTorch.

    Attributes
    ----------
    points_px
        Of a projected or voted landmark, px of a `CROP_SIZE` crop.
    coefficients
        Of an identity coefficient or expression weight.
    """

    points_px: float
    coefficients: float


class Runtime(nn.Module):  # type: ignore[misc]
    """The network as the runtime calls it: one or two passes over crops, coefficients and camera out.

    Parameters
    ----------
    network
        In evaluation mode.
    passes
        1, or 2 to draw the map of the first result and look again.
    maps
        How maps are drawn.
    """

    def __init__(self, network: LightNet, passes: int, maps: MapConfig) -> None:
        super().__init__()
        self.network, self.passes, self.maps = network, passes, maps

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Identity (N, K), expression (N, E), camera values (N, 9) of crops (N, S, S, 3), see `BaseSpace`; the 68 voted
        landmarks (N, 68, 2), px of a `CROP_SIZE` crop, and their log sigma (N, 68).
        """
        space = self.network.space
        found = self.network(crops, torch.zeros_like(crops[..., 0], dtype=torch.float32))
        if self.passes == 2:
            drawn = draw_map(space.place(found.values).points[:, :68], crops.shape[1], self.maps)
            found = self.network(crops, drawn)
        identity, expression, camera = found.values.split([space.identity_count, space.expression_count, 9], dim=1)
        return identity, expression, camera, found.points[:, :68], found.log_sigma[:, :68]


def export_run(
    config: TwoDaslConfig, mesh_indices: NDArray[np.integer], checkpoint: Path, out: Path, passes: int = 1
) -> Parity:
    """Write the averaged network of a checkpoint.

    Raises
    ------
    UsageError
        If it is not a light network; the runtime knows the base model's coefficients only.
    AssetError
        If the checkpoint is damaged or of another network.
    """
    if config.space != "base" or config.network.kind != "light":
        raise UsageError("only light networks in the base model's coefficients are exported: the runtime runs no other")
    space = base_space(load_model("base"), config.identity_modes, mesh_indices)
    network = make_network(config, space, mesh_indices)
    assert isinstance(network, LightNet)
    network.load_state_dict(averaged_weights(checkpoint))
    network.eval()
    export_onnx(network, config, passes, out)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (_CHECKED, config.data.size, config.data.size, 3)).astype(np.uint8)
    return check_parity(network, config, passes, out, crops)


def export_onnx(network: LightNet, config: TwoDaslConfig, passes: int, path: Path) -> None:
    """Write a network in evaluation mode.

    Input ``crops`` (N, S, S, 3) uint8; outputs ``identity`` (N, K), ``expression`` (N, E), ``camera`` (N, 9): rotation
    rows, log of the scale over `TYPICAL_SCALE`, translation in halves of the crop; ``points`` (N, 68, 2) and
    ``log_sigma`` (N, 68) as voted, px of a `CROP_SIZE` crop. The metadata states ``crop_size``,
    ``face_model`` and ``method``.
    """
    size = config.data.size
    runtime = Runtime(folded(network), passes, config.maps).eval()
    names = list(_OUTPUTS)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # the exporter that PyTorch now prefers needs another package
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            runtime,
            (torch.zeros(1, size, size, 3, dtype=torch.uint8),),
            buffer,
            input_names=["crops"],
            output_names=names,
            dynamic_axes={name: {0: "n"} for name in ("crops", *names)},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    store_weights_as_half(model)
    helper.set_model_props(model, {"crop_size": json.dumps(size), "face_model": "base", "method": "2dasl"})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def folded(network: LightNet) -> LightNet:
    """A copy whose convolutions have taken in the batch normalisation that follows them."""
    space = network.space
    copy = LightNet(network.trunk.config, space, network.votes, network.guess[0].out_features, len(network.refine))
    copy.load_state_dict({name: value.cpu().contiguous() for name, value in network.state_dict().items()})
    copy.eval()
    for module in copy.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(module[i], module[i + 1])  # type: ignore[type-var, arg-type]
                    module[i + 1] = nn.Identity()
    return copy


def check_parity(network: LightNet, config: TwoDaslConfig, passes: int, path: Path, crops: NDArray[np.uint8]) -> Parity:
    """Compare the ONNX file with the network on crops (N, S, S, 3) of the size it was written for."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = [torch.from_numpy(x) for x in session.run(list(_OUTPUTS), {"crops": crops})]
    with torch.inference_mode():
        expected = Runtime(network, passes, config.maps)(torch.from_numpy(crops))
        points = [network.space.place(torch.cat(tuple(x[:3]), dim=1)).points[:, :68] for x in (found, expected)]
    apart = [float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)]
    return Parity(
        points_px=max(float((points[0] - points[1]).abs().max()), apart[3]), coefficients=max(apart[0], apart[1])
    )

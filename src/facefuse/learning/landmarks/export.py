"""Writing the trained network as ONNX with half-precision weights, and checking it against PyTorch."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import CROP_SIZE, LandmarkNet

_OPSET = 17
_SMALL = 256  # values; smaller constants stay in full precision


@dataclass(frozen=True)
class Parity:
    """Largest differences between the ONNX file and the PyTorch network.

    Attributes
    ----------
    points_px
        Of a point coordinate, pixels of the crop.
    log_sigma
        Of a logarithm of a standard deviation.
    score
        Of a face score.
    """

    points_px: float
    log_sigma: float
    score: float


class _Runtime(nn.Module):  # type: ignore[misc]
    """The network as the runtime calls it: in pixels of the crop it is given, a probability instead of a logit."""

    def __init__(self, network: LandmarkNet, size: int) -> None:
        super().__init__()
        self.network = network
        self.scale = size / CROP_SIZE

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        points, log_sigma, logit = self.network(crops)
        return (points + 0.5) * self.scale - 0.5, log_sigma + math.log(self.scale), logit.sigmoid()


def export_onnx(network: LandmarkNet, mesh_indices: NDArray[np.integer], size: int, path: Path) -> None:
    """Write ``network`` (in evaluation mode) for crops of ``size`` pixels to ``path``.

    Input ``crops`` (N, size, size, 3) uint8; outputs ``points`` (N, P, 2) and ``log_sigma`` (N, P) in pixels of that
    crop, ``score`` (N,). The metadata states ``crop_size`` and ``mesh_indices``. Batch normalisation is folded into the
    convolutions; weights are stored as float16 and computed with as float32.
    """
    plain = fold_batch_norm(network).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    buffer = io.BytesIO()
    torch.onnx.export(
        _Runtime(plain, size).eval(),
        (torch.zeros(1, size, size, 3, dtype=torch.uint8),),
        buffer,
        input_names=["crops"],
        output_names=["points", "log_sigma", "score"],
        dynamic_axes={name: {0: "n"} for name in ("crops", "points", "log_sigma", "score")},
        opset_version=_OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    store_weights_as_half(model)
    helper.set_model_props(model, {"crop_size": str(size), "mesh_indices": json.dumps([int(i) for i in mesh_indices])})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def fold_batch_norm(network: LandmarkNet) -> LandmarkNet:
    """A copy of ``network`` whose convolutions have taken in the batch normalisation that follows them."""
    points = network.points
    copy = LandmarkNet(network.config, points)
    copy.load_state_dict({k: v.cpu() for k, v in network.state_dict().items()})
    copy.eval()
    for module in copy.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(module[i], module[i + 1])  # type: ignore[type-var, arg-type]
                    module[i + 1] = nn.Identity()
    return copy


def store_weights_as_half(model: onnx.ModelProto) -> None:
    """Turn large float32 constants into float16 ones followed by a cast, which the runtime folds when it loads."""
    graph = model.graph
    _share_constants(graph)
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def _share_constants(graph: onnx.GraphProto) -> None:
    """Make initializers of large constant nodes, and one of those that are equal."""
    known: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        values = numpy_helper.to_array(node.attribute[0].t) if node.attribute[0].name == "value" else np.zeros(0)
        if values.dtype != np.float32 or values.size < _SMALL:
            continue
        name = known.setdefault(str(values.shape).encode() + values.tobytes(), node.output[0])
        if name == node.output[0]:
            graph.initializer.append(numpy_helper.from_array(values, name))
        renamed[node.output[0]] = name
        graph.node.remove(node)
    for node in graph.node:
        for k, name in enumerate(node.input):
            node.input[k] = renamed.get(name, name)


def check_parity(network: LandmarkNet, path: Path, crops: NDArray[np.uint8]) -> Parity:
    """Compare the ONNX file with the network on crops (N, S, S, 3) of the size it was written for."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["points", "log_sigma", "score"], {"crops": crops})
    with torch.inference_mode():
        device = next(network.parameters()).device
        expected = [t.cpu().numpy() for t in _Runtime(network, crops.shape[1])(torch.from_numpy(crops).to(device))]
    return Parity(*(float(np.abs(f - e).max()) for f, e in zip(found, expected, strict=True)))

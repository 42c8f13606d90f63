"""Writing the network for any number of views as ONNX."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facefuse.learning.df_mvr.n_view import NViewNet, voted_points
from facefuse.learning.landmarks.export import store_weights_as_half
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.morphable.model import FaceModel

_OPSET = 17
OUTPUTS = ("identity", "albedo", "expression", "pose", "light", "parts", "points", "log_sigma")


@dataclass(frozen=True)
class Parity:
    """Largest differences between the ONNX file and PyTorch, over one to four views: of an identity coefficient, and of
    a pose value.
    """

    identity: float
    pose: float


class _OnePerson(nn.Module):  # type: ignore[misc]
    """The network as the runtime calls it: the views there are, of one person."""

    def __init__(self, network: NViewNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        present = torch.ones_like(crops[None, :, 0, 0, 0], dtype=torch.bool)
        out = self.network(crops[None], present)
        return tuple(getattr(out, name)[0] for name in OUTPUTS)


def export_onnx(network: NViewNet, size: int, model: FaceModel, path: Path) -> None:
    """Write a network for crops of ``size`` pixels.

    Input ``crops`` (N, size, size, 3) uint8, the views of one person; outputs named as in `NViewOutput`, without the
    batch. Batch normalisation is folded into the convolutions; weights are kept as float16, computed with as float32.

    Parameters
    ----------
    network
        Not changed.
    size, model
        Side of the crops, px, and the face model; stated in the file's metadata with the mesh points.
    path
        An ``.onnx`` file.
    """
    plain = NViewNet(network.config, network.model)
    plain.load_state_dict({name: value.detach().cpu() for name, value in network.state_dict().items()})
    buffer = io.BytesIO()
    torch.onnx.export(
        _OnePerson(_folded(plain.eval())).eval(),
        (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
        buffer,
        input_names=["crops"],
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "views"} for name in ("crops", *OUTPUTS[2:])},
        opset_version=_OPSET,
        dynamo=False,
    )
    graph = onnx.load_from_string(buffer.getvalue())
    store_weights_as_half(graph)
    mesh = [int(index) - IBUG_POINTS for index in voted_points(model)[IBUG_POINTS:]]
    facts = {"crop_size": str(size), "face_model": model.name, "mesh_indices": json.dumps(mesh)}
    helper.set_model_props(graph, facts)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def check_parity(network: NViewNet, size: int, path: Path) -> Parity:
    """Compare an exported file with the network it was made from."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network.eval()
    rng = np.random.default_rng(0)
    differences = []
    for views in range(1, 5):
        crops = rng.integers(0, 256, (views, size, size, 3), dtype=np.uint8)
        found = session.run(["identity", "pose"], {"crops": crops})
        with torch.inference_mode():
            out = network(torch.from_numpy(crops)[None], torch.ones(1, views, dtype=torch.bool))
        expected = out.identity[0].numpy(), out.pose[0].numpy()
        differences.append([float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True)])
    identity, pose = np.max(differences, axis=0)
    return Parity(float(identity), float(pose))


def _folded(network: NViewNet) -> NViewNet:
    """Let every convolution take in the batch normalisation that follows it."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(module[i], module[i + 1])  # type: ignore[type-var, arg-type]
                    module[i + 1] = nn.Identity()
    return network

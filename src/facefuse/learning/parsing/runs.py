"""Start, resume, export and measure runs of the face parser."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.parsing import ParserNetwork
from facefuse.detection.parts import PARTS
from facefuse.learning.df_mvr.data.wild import read_wild
from facefuse.learning.engine.checkpoint import CHECKPOINT, averaged_weights
from facefuse.learning.engine.distributed import join_world, leave_world
from facefuse.learning.engine.run_folder import CONFIG, begin_run
from facefuse.learning.engine.settings import read_settings
from facefuse.learning.engine.trainer import Outcome, prepare, train
from facefuse.learning.landmarks.export import store_weights_as_half
from facefuse.learning.parsing.config import ParsingConfig
from facefuse.learning.parsing.faces import LabelledFaces, read_labelled, wild_faces
from facefuse.learning.parsing.measure import confusion, intersection_over_union
from facefuse.learning.parsing.network import ParserNet, probabilities
from facefuse.learning.parsing.task import ParsingTask

METHOD = "parsing"
_OPSET = 17
_CHECKED = 16  # crops


@dataclass(frozen=True)
class Sources:
    """Files of a run; see ``facefuse.learning.parsing.__main__``."""

    synthetic: Path
    wild: Path | None = None
    wild_held: Path | None = None
    landmark_run: Path | None = None


def start(config: ParsingConfig, sources: Sources, out: Path) -> Outcome:
    """Start a run in a folder, or go on with the one there if its settings are the same.

    Raises
    ------
    UsageError
        If the folder holds a run with other settings.
    UnusableInput
        If a file is not what it should be.
    """
    plain = {name: None if path is None else str(path.resolve()) for name, path in sources.__dict__.items()}
    begin_run(out, config, METHOD, plain)
    world = join_world(config.engine.device)
    prepare(config.engine, world)
    try:
        network = ParserNet(config.network)
        if sources.landmark_run is not None:
            network.start_from(averaged_weights(sources.landmark_run))
        wild, held = (
            None if path is None else wild_faces(read_wild(path)) for path in (sources.wild, sources.wild_held)
        )
        network = network.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        task = ParsingTask(config, network, read_labelled(sources.synthetic), wild, held, world.device)
        return train(task, config.engine, out, world)
    finally:
        leave_world(world)


def export(run: Path, out: Path) -> float:
    """Write the averaged network of a run as ONNX; return the largest difference of a probability from PyTorch's.

    Raises
    ------
    UsageError
        If there is no run.
    AssetError
        If its checkpoint is damaged.
    """
    config = read_settings(ParsingConfig, run / CONFIG)
    network = ParserNet(config.network)
    network.load_state_dict(averaged_weights(run / CHECKPOINT))
    network.eval()
    export_onnx(network, config.size, out)
    crops = np.random.default_rng(0).integers(0, 256, (_CHECKED, config.size, config.size, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probability"], {"crops": crops})
    with torch.inference_mode():
        expected = probabilities(network(torch.from_numpy(crops))).numpy()
    return float(np.abs(found - expected).max())


class _Runtime(nn.Module):  # type: ignore[misc]
    """The network as the runtime calls it."""

    def __init__(self, network: ParserNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        return probabilities(self.network(crops))


def export_onnx(network: ParserNet, size: int, path: Path) -> None:
    """Write a network in evaluation mode for crops of ``size`` pixels.

    Input ``crops`` (N, size, size, 3) uint8, output ``probability`` (N, C, size, size); the metadata states
    ``crop_size`` and ``parts``. Batch normalisation is folded into the convolutions; weights are stored as float16 and
    computed with as float32.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # the exporter that PyTorch now prefers needs another package
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            _Runtime(folded(network)).eval(),
            (torch.zeros(1, size, size, 3, dtype=torch.uint8),),
            buffer,
            input_names=["crops"],
            output_names=["probability"],
            dynamic_axes={name: {0: "n"} for name in ("crops", "probability")},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    store_weights_as_half(model)
    helper.set_model_props(model, {"crop_size": str(size), "parts": ",".join(PARTS)})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def folded(network: ParserNet) -> ParserNet:
    """A copy whose convolutions have taken in the batch normalisation that follows them."""
    copy = ParserNet(network.config)
    copy.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    copy.eval()
    for module in copy.modules():
        if isinstance(module, nn.Sequential):
            for k in range(len(module) - 1):
                if isinstance(module[k], nn.Conv2d) and isinstance(module[k + 1], nn.BatchNorm2d):
                    module[k] = fuse_conv_bn_eval(module[k], module[k + 1])  # type: ignore[type-var, arg-type]
                    module[k + 1] = nn.Identity()
    return copy


def measured(faces: LabelledFaces, network: Path | None) -> dict[str, float]:
    """Intersection over union of each part, and the mean over those labelled, of an ONNX file or of the shipped one."""
    size = ParserNetwork(network).crop_size
    session = open_session(network, "face_parser.onnx", 1, ("crops",), ("probability",))

    def parse(crops: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(["probability"], {"crops": crops})[0].argmax(axis=1), np.uint8)

    counts = confusion(parse, faces, size)
    shares = intersection_over_union(counts)
    return {**dict(zip(PARTS, shares.tolist(), strict=True)), "mean": float(shares[counts.any(axis=1)].mean())}

"""The trained network as an ONNX file."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from facefuse.learning.detector.engine import load_network
from facefuse.learning.detector.network import DetectorNetwork

PARITY = 2e-3
"""Largest difference of raw outputs between PyTorch and the ONNX Runtime."""


def fold(network: DetectorNetwork) -> nn.Module:
    """A copy with batch normalisation folded into the convolutions, for bytes (0..255) as input."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) >= 2 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = torch.nn.utils.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    first = folded.stem[0][0]
    first.weight.data /= 255.0
    return folded


def export_onnx(weights: Path, target: Path) -> float:
    """Write the network as ONNX with a dynamic size, and check it.

    Returns
    -------
    The largest difference to PyTorch on random images of two sizes.

    Raises
    ------
    ValueError
        The difference is larger than `PARITY`.
    """
    network = load_network(weights)
    folded = fold(network)
    with warnings.catch_warnings():
        # The exporter that replaces this one needs a further package and gives the same graph here.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            folded,
            (torch.zeros(1, 3, 96, 128),),
            str(target),
            input_names=["image"],
            output_names=["cells"],
            dynamic_axes={"image": {0: "photos", 2: "height", 3: "width"}, "cells": {0: "photos", 1: "cells"}},
            opset_version=17,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    worst = 0.0
    rng = np.random.default_rng(0)
    for height, width in ((96, 160), (256, 192)):
        image = rng.integers(0, 256, (1, 3, height, width)).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(image) / 255).numpy()
        worst = max(worst, float(np.abs(session.run(None, {"image": image})[0] - expected).max()))
    if worst > PARITY:
        raise ValueError(f"{target} differs from PyTorch by {worst:.2e}, allowed is {PARITY:.0e}")
    return worst

"""ONNX networks that tell classes by colour: what they should find is what was painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def class_colours(count: int) -> np.ndarray:
    """Colours (count, 3) far from each other, 0-255."""
    levels = (20, 130, 240)
    cube = np.array([(r, g, b) for r in levels for g in levels for b in levels])
    return cube[np.random.default_rng(4).permutation(len(cube))[:count]]


def nearest_colour(colours: np.ndarray, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, 3, 1, 1) and biases (C,) of a convolution that is largest at the nearest colour."""
    weights = 2 * sharpness * colours
    return weights[:, :, None, None].astype(np.float32), (-sharpness * (colours**2).sum(axis=1)).astype(np.float32)


def write_parser(path: Path, size: int, parts: str | None) -> None:
    """A network with the signature of the shipped parser; ``parts`` is what it states."""
    count = 11
    weights, biases = nearest_colour(class_colours(count).astype(float), 0.01)
    nodes = [
        helper.make_node("Cast", ["crops"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights", "biases"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probability"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "parser",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", count, size, size])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(biases, "biases")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if parts is not None:
        helper.set_model_props(model, {"crop_size": str(size), "parts": parts})
    onnx.save(model, path)


def write_bisenet(
    path: Path, size: int | str = 512, classes: int = 19, channels: int = 3, pooled: bool = False
) -> None:
    """A network with the signature of the usual export of BiSeNet."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    colours = np.zeros((classes, channels))
    known = (class_colours(min(classes, 27)) / 255.0 - mean) / std
    colours[: len(known), :3] = known[:, :channels]
    weights, biases = nearest_colour(colours, 30.0)
    nodes = [helper.make_node("Conv", ["input", "weights", "biases"], ["output"])]
    graph = helper.make_graph(
        nodes,
        "bisenet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, size, size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, classes, "h", "w"])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(biases, "biases")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def upright_points(centre: tuple[float, float], side: float) -> np.ndarray:
    """68 landmarks of an upright face: only their box, the eyes and the mouth matter here."""
    rng = np.random.default_rng(1)
    offsets = rng.uniform(-0.4, 0.4, (68, 2))
    offsets[0], offsets[8] = -0.5, 0.5
    offsets[36:42], offsets[42:48], offsets[48:68] = (-0.2, -0.2), (0.2, -0.2), (0.0, 0.25)
    return np.array(centre) + offsets * side

"""A stand-in for a coefficient network: an ONNX file that says the same of every crop, or reads it off the crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
IDENTITY = 6


def constant_network(
    path: Path, identity: np.ndarray, expression: np.ndarray, camera: np.ndarray, points: np.ndarray | None = None
) -> Path:
    """Outputs the given values for every crop, plus nothing of the crop; unless points (68, 2) are given, those it says
    it sees are so unsure that they tell nothing.
    """
    values = {
        "identity": identity,
        "expression": expression,
        "camera": camera,
        "points": np.zeros((68, 2)) if points is None else points,
        "log_sigma": np.full(68, 20.0 if points is None else -1.0),
    }
    nodes, constants = [], []
    # a zero that depends on the crop keeps the batch dimension
    nodes.append(helper.make_node("Cast", ["crops"], ["float"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Sub", ["mean", "mean"], ["zero"]))
    constants.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "column"))
    nodes.append(helper.make_node("Reshape", ["zero", "column"], ["zeros"]))
    for name, value in values.items():
        constants.append(numpy_helper.from_array(value[None].astype(np.float32), f"{name}_value"))
        zeros = "zeros"
        if value.ndim == 2:
            constants.append(numpy_helper.from_array(np.array([-1, 1, 1], np.int64), f"{name}_shape"))
            nodes.append(helper.make_node("Reshape", ["zero", f"{name}_shape"], [zeros := f"{name}_zeros"]))
        nodes.append(helper.make_node("Add", [zeros, f"{name}_value"], [name]))
    crops = helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *value.shape]) for name, value in values.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "stand-in", [crops], outputs, constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    helper.set_model_props(model, {"crop_size": str(SIZE), "face_model": "base", "method": "2dasl"})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path

"""Opening ONNX networks, the shipped ones or a user's file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import onnxruntime

from facefuse.errors import AssetError


def open_session(
    model: Path | None, shipped: str, threads: int, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> Any:
    """Session of a network file, checked for the inputs and outputs it must have.

    Parameters
    ----------
    model : the file, or None for the shipped one.
    shipped : name of the shipped file among the package's assets.
    threads : threads of one run; 0 leaves the choice to the ONNX Runtime.

    Raises
    ------
    AssetError
        The file is missing, cannot be read, or is another network.
    """
    path = Path(str(resources.files("facefuse") / "assets" / shipped)) if model is None else Path(model)
    if not path.is_file():
        hint = "reinstall facefuse" if model is None else "check the path"
        raise AssetError(f"network file {path} does not exist; {hint}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would keep a core busy
    options.enable_cpu_mem_arena = False  # an arena would keep the memory of the largest photo: 50 MB, and no faster
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises a family of private exception types
        raise AssetError(f"{path} cannot be opened as an ONNX network: {error}") from error
    found = {x.name for x in session.get_inputs()}, {x.name for x in session.get_outputs()}
    if not set(inputs) <= found[0] or not set(outputs) <= found[1]:
        raise AssetError(
            f"{path} is another network: it has inputs {sorted(found[0])} and outputs {sorted(found[1])}, "
            f"expected {list(inputs)} and {list(outputs)}"
        )
    return session

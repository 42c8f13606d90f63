"""How long 2DASL takes on one thread: the network alone, one look, and the six looks of the methods.

A look is complete: the crop is cut out of a photo of 1000 pixels, and the face takes its step towards the points seen.
Stated is the least processor time.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnxruntime
from timing import processor_ms

from facefuse.detection.crop import Square
from facefuse.detection.onnx_sessions import open_session
from facefuse.morphable import load_model
from facefuse.regression.network import RegressionNetwork
from facefuse.regression.two_dasl import ASSET, CROP_SHARE, TILTS

REPEATS = 60


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    one = RegressionNetwork(model, None, ASSET, share=CROP_SHARE, threads=1)
    six = RegressionNetwork(model, None, ASSET, mirrored=True, tilts=TILTS, share=CROP_SHARE, threads=1)
    session: onnxruntime.InferenceSession = open_session(None, ASSET, 1, inputs=("crops",), outputs=("identity",))
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    crops = rng.integers(0, 256, (6, one.crop_size, one.crop_size, 3), dtype=np.uint8)
    square = Square(np.array([500.0, 480.0]), 300.0, 0.1)
    calls = {
        "network alone, one crop": partial(session.run, None, {"crops": crops[:1]}),
        "one look, complete": partial(one.regress, photo, square),
        "network alone, six crops": partial(session.run, None, {"crops": crops}),
        "six looks, complete": partial(six.regress, photo, square),
    }
    return [(name, processor_ms(call, REPEATS), "ms") for name, call in calls.items()]

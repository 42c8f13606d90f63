"""Files like those of 3DDFA, 2DASL and 3DDFA_V2, small and made up."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from scipy.io import savemat

VERTICES = 300


def made_up(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays like those of the packing: a bulging mask in micrometres, 40 + 10 modes, whitening."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-70e3, 70e3, 20), np.linspace(-90e3, 90e3, 15))
    mask = np.stack([x.ravel(), y.ravel(), 60e3 - (x.ravel() ** 2 + y.ravel() ** 2) / 200e3], axis=-1)
    cells = [(r * 20 + c, r * 20 + c + 1, (r + 1) * 20 + c) for r in range(14) for c in range(19)]
    keypoints = rng.permutation(VERTICES)[:68]
    std = np.concatenate([np.full(12, 3e-4), np.full(40, 1e5), np.full(10, 0.8)])
    std[[3, 7, 11]] = 18.0
    return {
        "u_shp": mask.reshape(-1, 1).astype(np.float32),
        "u_exp": rng.normal(0, 100.0, (3 * VERTICES, 1)).astype(np.float32),
        "w_shp_sim": rng.normal(0, 0.02, (3 * VERTICES, 40)).astype(np.float32),
        "w_exp_sim": rng.normal(0, 3e3, (3 * VERTICES, 10)).astype(np.float32),
        "keypoints_sim": (3 * keypoints[:, None] + np.arange(3)).reshape(-1).astype(np.int64),
        "tri": np.array(cells),
        "param_mean": rng.normal(0, 1, 62).astype(np.float32) * std.astype(np.float32),
        "param_std": std.astype(np.float32),
    }


def write_first_layout(folder: Path, arrays: dict[str, np.ndarray], protocol: int = 2) -> Path:
    configs = folder / "configs"
    configs.mkdir(parents=True, exist_ok=True)
    for name in ("u_shp", "u_exp", "w_shp_sim", "w_exp_sim", "keypoints_sim"):
        np.save(configs / f"{name}.npy", arrays[name])
    whitening = {name: arrays[name] for name in ("param_mean", "param_std")}
    (configs / "param_whitening.pkl").write_bytes(pickle.dumps(whitening, protocol=protocol))
    (folder / "visualize").mkdir(exist_ok=True)
    savemat(folder / "visualize" / "tri.mat", {"tri": arrays["tri"].T + 1})
    return configs


def write_second_layout(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model = {
        "u": arrays["u_shp"] + arrays["u_exp"],
        "w_shp": arrays["w_shp_sim"],
        "w_exp": arrays["w_exp_sim"],
        "keypoints": arrays["keypoints_sim"],
        "tri": arrays["tri"].astype(np.int32),
    }
    (folder / "bfm_noneck_v3.pkl").write_bytes(pickle.dumps(model, protocol=4))
    statistics = {"mean": arrays["param_mean"], "std": arrays["param_std"]}
    (folder / "param_mean_std_62d_120x120.pkl").write_bytes(pickle.dumps(statistics, protocol=4))
    return folder

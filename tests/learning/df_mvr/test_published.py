from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facefuse.cli.main import main  # noqa: E402
from facefuse.errors import UsageError  # noqa: E402
from facefuse.learning.df_mvr import rigs as rigs_module  # noqa: E402
from facefuse.learning.df_mvr.config import PRESETS  # noqa: E402
from facefuse.learning.df_mvr.network import DeepFusionConfig  # noqa: E402
from facefuse.learning.df_mvr.published import PublishedNetwork  # noqa: E402
from facefuse.learning.df_mvr.rigs import made_up_rigs, spread  # noqa: E402
from facefuse.learning.engine.settings import to_json  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402

MODEL = load_model()


def test_views_are_chosen_far_apart() -> None:
    assert spread(5, 3).tolist() == [0, 2, 4]
    assert spread(3, 3).tolist() == [0, 1, 2]
    assert spread(2, 3).tolist() == [0, 1]


def test_a_trained_network_tells_people_by_their_photos(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rigs_module, "MADE_UP_PEOPLE", 2)
    smoke = PRESETS["smoke"]
    config = replace(
        smoke,
        engine=replace(smoke.engine, steps=1, validate_every=0, images_every=0),
        kind="deep-fusion",
        deep_fusion=DeepFusionConfig(width=0.25, blocks=(1, 1, 1, 1)),
    )
    (tmp_path / "settings.json").write_text(to_json(config))
    assert main(["train", "df-mvr", "--config", str(tmp_path / "settings.json"), "--out", str(tmp_path / "run")]) == 0
    network = PublishedNetwork(tmp_path / "run", MODEL)
    people = [[(view.pixels, view.points[:68]) for view in rig.views] for rig in made_up_rigs(MODEL, 3, seed=1)]
    first, second = (network.identity(views) for views in people)
    assert first.shape == (network._network.config.identity,)
    assert np.abs(first - second).max() > 1e-6
    np.testing.assert_array_equal(network.identity(people[0]), first)


def test_other_runs_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rigs_module, "MADE_UP_PEOPLE", 2)
    smoke = PRESETS["smoke"]
    config = replace(smoke, engine=replace(smoke.engine, steps=1, validate_every=0, images_every=0))
    (tmp_path / "settings.json").write_text(to_json(config))
    assert main(["train", "df-mvr", "--config", str(tmp_path / "settings.json"), "--out", str(tmp_path / "run")]) == 0
    with pytest.raises(UsageError, match="published"):
        PublishedNetwork(tmp_path / "run", MODEL)
    with pytest.raises(UsageError):
        PublishedNetwork(tmp_path, MODEL)

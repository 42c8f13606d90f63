from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from parsing_sample import painted_faces  # noqa: E402

from facefuse.detection.crop import cut_square  # noqa: E402
from facefuse.detection.parsing import ParserNetwork  # noqa: E402
from facefuse.detection.parts import OCCLUDER, PARTS  # noqa: E402
from facefuse.learning.df_mvr.rigs import UNKNOWN  # noqa: E402
from facefuse.learning.engine.checkpoint import averaged_weights  # noqa: E402
from facefuse.learning.landmarks.config import NetworkConfig  # noqa: E402
from facefuse.learning.landmarks.network import LandmarkNet  # noqa: E402
from facefuse.learning.parsing.__main__ import main  # noqa: E402
from facefuse.learning.parsing.config import PRESETS, ParserConfig  # noqa: E402
from facefuse.learning.parsing.faces import Batch, plain  # noqa: E402
from facefuse.learning.parsing.measure import confusion, intersection_over_union  # noqa: E402
from facefuse.learning.parsing.network import ParserNet, probabilities  # noqa: E402
from facefuse.learning.parsing.runs import Sources, export, measured, start  # noqa: E402
from facefuse.learning.parsing.task import ParsingTask  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")

FACES = painted_faces()
SMOKE = PRESETS["smoke"]


def test_network():
    network = ParserNet(PRESETS["cpu"].network)
    assert sum(p.numel() for p in network.parameters()) < 1_000_000
    crops = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    logits = network(crops)
    assert logits.shape == (2, len(PARTS), 48, 48)
    found = probabilities(logits)
    assert found.shape == (2, len(PARTS), 96, 96)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, 96, 96))


def test_starts_from_a_landmark_network():
    landmark = LandmarkNet(NetworkConfig(), 70).eval()
    config = ParserConfig()
    network = ParserNet(config).eval()
    network.start_from(landmark.state_dict())
    crops = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    x = crops.permute(0, 3, 1, 2) / 64.0 - 2.0
    ours, theirs = network.stem(x), landmark.stem(x)
    for mine, other in zip(network.stages, landmark.stages, strict=False):
        ours, theirs = mine(ours), other(theirs)
        torch.testing.assert_close(ours, theirs)


def test_confusion_and_overlap():
    def perfect(crops):
        labels = plain(FACES, 48)[1]
        return np.where(labels == UNKNOWN, 0, labels)

    counts = confusion(perfect, FACES, 48)
    assert np.array_equal(counts, np.diag(np.diagonal(counts)))
    np.testing.assert_allclose(intersection_over_union(counts), 1.0)
    counts = np.zeros((3, 3), int)
    counts[0, 0], counts[1, 1], counts[0, 1] = 6, 3, 1
    np.testing.assert_allclose(intersection_over_union(counts), [6 / 7, 3 / 4, np.nan])


def test_doubted_labels_of_fitted_models_do_not_count():
    """Where the network sees an occluder, the label "skin" of a fitted model is not believed; that of a photo is."""
    task = ParsingTask(SMOKE, ParserNet(SMOKE.network), FACES)
    crops = np.zeros((2, 48, 48, 3), np.uint8)
    labels = np.ones((2, 24, 24), np.uint8)
    labels[:, :4] = OCCLUDER

    class Sure(torch.nn.Module):
        def forward(self, crops):
            logits = torch.zeros(len(crops), len(PARTS), 24, 24)
            logits[:, OCCLUDER] = 9.0
            return logits

    task.network = Sure()
    believed, doubted = (
        task.losses(Batch(crops, labels, np.array([fitted, fitted])), 0).parts for fitted in (False, True)
    )
    assert float(believed["known"]) == 1.0
    assert float(doubted["known"]) == pytest.approx(4 / 24)
    assert float(believed["entropy"]) > 2.0 > 0.1 > float(doubted["entropy"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsing")
    FACES.save(folder / "faces.npz")
    engine = replace(SMOKE.engine, steps=60, log_every=20, validate_every=0, images_every=60, save_every=0)
    optim = replace(SMOKE.optim, learning_rate=1e-2)
    config = replace(SMOKE, engine=engine, optim=optim, faces=8)
    start(config, Sources(folder / "faces.npz"), folder / "run")
    export(folder / "run", folder / "parser.onnx")
    return folder


def test_learns_painted_faces(run):
    figures = measured(painted_faces(seed=9), run / "parser.onnx")
    assert figures["skin"] > 0.5
    assert figures["background"] > 0.7
    lines = [json.loads(line) for line in (run / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["entropy"] < 0.7 * lines[0]["entropy"]


def test_exported_network_is_the_trained_one(run):
    network = ParserNet(SMOKE.network)
    network.load_state_dict(averaged_weights(run / "run" / "checkpoint.pt"))
    network.eval()
    parser = ParserNetwork(run / "parser.onnx", threads=1)
    assert parser.crop_size == SMOKE.size
    found = parser.parse(FACES.photos[0], FACES.points68[0])
    crop = cut_square(FACES.photos[0], found.square, SMOKE.size)
    with torch.inference_mode():
        expected = probabilities(network(torch.from_numpy(crop[None].copy())))[0].numpy()
    np.testing.assert_allclose(found.probability, expected, atol=0.02)


def test_batches_depend_on_the_step_alone():
    task = ParsingTask(SMOKE, ParserNet(SMOKE.network), FACES, FACES)
    first, again, other = task.batch(3, range(1)), task.batch(3, range(1)), task.batch(4, range(1))
    assert np.array_equal(first.crops, again.crops)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.crops, other.crops)
    assert first.fitted.tolist() == [False, False, True, True]
    assert not task.batch(0, range(1)).fitted.any()  # before ``wild_from``


def test_command_line(run, tmp_path, capsys):
    main(["export", "--run-folder", str(run / "run"), "--out", str(tmp_path / "again.onnx")])
    assert (tmp_path / "again.onnx").read_bytes() == (run / "parser.onnx").read_bytes()
    main(["measure", "--synthetic", str(run / "faces.npz"), "--network", str(run / "parser.onnx"), "--held-out", "2"])
    out = capsys.readouterr().out
    figures = json.loads(out[out.index("{\n") :])["synthetic"]
    assert set(figures) == {*PARTS, "mean"}

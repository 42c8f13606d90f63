import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facefuse.detection import faces as runtime  # noqa: E402
from facefuse.learning.detector.config import PRESETS  # noqa: E402
from facefuse.learning.detector.data import Source, TrainingData, pyramid  # noqa: E402
from facefuse.learning.detector.engine import DetectorTrainer, learning_rate, load_network  # noqa: E402
from facefuse.learning.detector.export import export_onnx  # noqa: E402
from facefuse.learning.detector.losses import box_loss, points_loss, score_loss, square_iou  # noqa: E402
from facefuse.learning.detector.network import VALUES, DetectorNetwork, cell_geometry, decode  # noqa: E402
from facefuse.learning.detector.validation import validate, validation_scenes  # noqa: E402

CONFIG = dataclasses.replace(
    PRESETS["cpu"],
    steps=20,
    batch_size=2,
    scene_size=96,
    warmup_steps=2,
    save_every=16,
    validate_every=16,
    validation_scenes=4,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(20, 100, 68), rng.uniform(20, 100, 68)]).astype(np.float32)
    points[36:48] = [[44, 48]] * 6 + [[76, 48]] * 6
    faces = [Source(pyramid(rng.integers(0, 256, (120, 120, 3), dtype=np.uint8), 4), points) for _ in range(3)]
    grounds = [Source(pyramid(rng.integers(0, 256, (100, 140, 3), dtype=np.uint8), 3)) for _ in range(2)]
    return TrainingData(faces, [], grounds)


def test_a_resumed_run_ends_the_same(data, tmp_path):
    whole = DetectorTrainer(CONFIG, tmp_path / "whole", data, data)
    whole.train()
    first = DetectorTrainer(CONFIG, tmp_path / "parts", data, data)
    compose = first.batch

    def interrupted(step):
        if step == 18:
            raise KeyboardInterrupt
        return compose(step)

    first.batch = interrupted
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = DetectorTrainer(CONFIG, tmp_path / "parts", data, data)
    second.train()
    assert second.step == whole.step == CONFIG.steps
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_a_run_begins_with_given_weights_unless_it_has_a_state(data, tmp_path):
    torch.manual_seed(3)
    first = DetectorTrainer(dataclasses.replace(CONFIG, seed=5), tmp_path / "first", data, data)
    first.save()
    weights = tmp_path / "first" / "weights.safetensors"
    still = dataclasses.replace(CONFIG, steps=0)
    second = DetectorTrainer(still, tmp_path / "second", data, data)
    second.train(weights)
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    third = DetectorTrainer(still, tmp_path / "third", data, data)
    third.save()
    own = [p.clone() for p in third.network.parameters()]
    third.train(weights)
    assert all(torch.equal(a, b) for a, b in zip(own, third.network.parameters(), strict=True))


def test_export_gives_the_same_numbers_and_decoding(data, tmp_path):
    DetectorTrainer(CONFIG, tmp_path, data, data).save()
    assert export_onnx(tmp_path / "weights.safetensors", tmp_path / "net.onnx") < 1e-4
    network = load_network(tmp_path / "weights.safetensors")
    raw = network(torch.rand(1, 3, 64, 96))[0].detach()
    raw[:, 0] = 1.0
    centres, strides = cell_geometry(64, 96)
    squares, points = decode(raw, centres, strides)
    found = runtime.decode(raw.numpy(), 64, 96, 0.5)
    np.testing.assert_allclose(found.squares, squares.numpy(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.points, points.numpy(), rtol=1e-4, atol=1e-3)
    assert (tmp_path / "net.onnx").stat().st_size < 2e6


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64)])
def test_one_row_per_cell_of_every_level(height, width):
    raw = DetectorNetwork().eval()(torch.zeros(2, 3, height, width))
    centres, _ = cell_geometry(height, width)
    assert raw.shape == (2, len(centres), VALUES)


def test_cells_see_their_own_place():
    """The score of a cell depends on the pixels about its centre, and not on the far corner."""
    torch.manual_seed(0)
    network = DetectorNetwork().eval()
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(image)[0, 0, 0].backward()
    strength = image.grad.abs().sum((0, 1))
    assert strength[:16, :16].sum() > 0
    centres, _ = cell_geometry(64, 64)
    assert centres[0].tolist() == [3.5, 3.5]


def test_learning_rate_warms_up_stays_and_falls():
    config = dataclasses.replace(PRESETS["cpu"], steps=1000, warmup_steps=100, decay_fraction=0.4)
    values = [learning_rate(config, k) for k in range(1001)]
    assert values[0] < 0.02 * config.learning_rate
    assert values[100] == values[600] == config.learning_rate
    assert values[1000] == pytest.approx(0.0, abs=1e-12)
    assert np.all(np.diff(values[600:]) <= 0)


def test_square_iou_by_hand():
    a = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 2.0], [0.0, 0.0, 2.0]])
    b = torch.tensor([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [5.0, 5.0, 2.0]])
    iou, outer = square_iou(a, b)
    torch.testing.assert_close(iou, torch.tensor([1.0, 2 / 6, 0.0]))
    torch.testing.assert_close(outer[1], torch.tensor([3.0, 2.0]))
    loss = box_loss(a, b)
    assert loss[0] == 0
    assert loss[2] > 1 > loss[1] > 0


def test_score_loss_leaves_out_what_it_should():
    logits = torch.tensor([3.0, -3.0, 3.0, -3.0])
    right = score_loss(logits[:2], torch.tensor([1, 0]))
    wrong = score_loss(logits[:2], torch.tensor([0, 1]))
    assert wrong > 50 * right
    torch.testing.assert_close(score_loss(logits, torch.tensor([1, 0, -1, -1])), right)


def test_points_loss_is_relative_to_the_face():
    target = torch.zeros(2, 5, 2)
    predicted = torch.stack([torch.full((5, 2), 1.0), torch.full((5, 2), 10.0)])
    loss = points_loss(predicted, target, torch.tensor([10.0, 100.0]))
    torch.testing.assert_close(loss[0], loss[1])


class Knowing(torch.nn.Module):
    """Answers with the right cells of the scene whose pixels it is given, and nothing elsewhere."""

    def __init__(self, scenes, shift=0.0):
        super().__init__()
        self.scenes, self.shift = scenes, shift

    def forward(self, image):
        from facefuse.learning.detector.compose import assign

        size = image.shape[2], image.shape[3]
        centres, strides = cell_geometry(*size)
        raw = torch.full((1, len(centres), VALUES), -9.0)
        pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
        for scene in self.scenes:
            if scene.pixels.shape == pixels.shape and (scene.pixels == pixels).all():
                state, which = assign(scene.faces, scene.ignored, size[0])
                for n in np.flatnonzero(state == 1):
                    row = torch.from_numpy(scene.faces[which[n]])
                    raw[0, n, 0] = 3.0
                    raw[0, n, 1:3] = (row[:2] + self.shift - centres[n]) / strides[n]
                    raw[0, n, 3] = torch.log(row[2] / (strides[n] * runtime.SIDE_UNIT))
        return raw


def test_validation_counts_hits_and_alarms(data):
    scenes = [s for s in validation_scenes(data, 96, 30) if len(s.faces) == 1]
    perfect = validate(Knowing(scenes), scenes, data.backgrounds, "cpu")
    assert perfect["recall"] == 1.0
    assert perfect["alarms_scenes"] == perfect["alarms_backgrounds"] == 0
    assert perfect["iou"] > 0.99
    lost = validate(Knowing(scenes, shift=300.0), scenes, data.backgrounds, "cpu")
    assert lost["recall"] == 0.0
    assert lost["alarms_scenes"] > 0

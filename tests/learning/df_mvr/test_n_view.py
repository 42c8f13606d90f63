import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facefuse.learning.df_mvr.attention import CrossViewAttention, log_weight, masked_mean  # noqa: E402
from facefuse.learning.df_mvr.export import OUTPUTS, export_onnx  # noqa: E402
from facefuse.learning.df_mvr.n_view import NViewConfig, NViewNet, voted_points  # noqa: E402
from facefuse.learning.df_mvr.parts import PARTS  # noqa: E402
from facefuse.learning.df_mvr.placing import POSE, PointModel  # noqa: E402
from facefuse.learning.landmarks.config import NetworkConfig  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")

ENCODER = NetworkConfig(stem=8, channels=(8, 16, 24, 32), blocks=(1, 1, 1, 1))
SMALL = {"identity": 6, "expression": 4, "albedo": 3, "encoder": ENCODER, "width": 32, "heads": 2}


MODEL = load_model()
POINTS = PointModel(MODEL, np.arange(0, 468, 9))


def make(**changes):
    torch.manual_seed(0)
    net = NViewNet(NViewConfig(**{**SMALL, **changes}), POINTS).eval()
    for head in (net.shared_head, net.view_head):  # far from zero, so that differences show
        torch.nn.init.normal_(head.weight, std=0.5)
    return net


def crops(people, views, size=64):
    return torch.randint(0, 256, (people, views, size, size, 3), dtype=torch.uint8)


def there(people, views):
    return torch.ones(people, views, dtype=torch.bool)


def test_shapes_for_any_number_of_views():
    net = make()
    for views in (1, 2, 9):
        out = net(crops(2, views), there(2, views))
        shapes = [tuple(part.shape) for part in out]
        assert shapes[:2] == [(2, 6), (2, 3)]
        assert shapes[2:5] == [(2, views, 4), (2, views, POSE), (2, views, 3, 9)]
        assert shapes[5] == (2, views, len(PARTS), 8, 8)
        found = (2, views, POINTS.count, 2)
        assert shapes[6:] == [found, found[:-1], found, (2, views, 2, POINTS.count, 2)]


def test_the_order_of_views_does_not_matter():
    net = make()
    x = crops(2, 5)
    order = torch.tensor([3, 0, 4, 2, 1])
    one, other = net(x, there(2, 5)), net(x[:, order], there(2, 5))
    torch.testing.assert_close(other.identity, one.identity, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other.albedo, one.albedo, atol=1e-4, rtol=1e-4)
    for name in ("expression", "pose", "light", "parts"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name)[:, order], atol=1e-4, rtol=1e-4)


def test_a_missing_view_is_as_if_it_had_never_been_there():
    net = make()
    x = crops(2, 4)
    present = torch.tensor([[True, False, True, True], [True, True, True, True]])
    out = net(x, present)
    without = net(x[:1, [0, 2, 3]], there(1, 3))
    torch.testing.assert_close(out.identity[:1], without.identity, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out.pose[:1, [0, 2, 3]], without.pose, atol=1e-4, rtol=1e-4)
    assert (out.pose[0, 1] == 0).all()
    other = x.clone()
    other[0, 1] = 255 - other[0, 1]
    torch.testing.assert_close(net(other, present).identity, out.identity)


def test_every_view_there_matters_to_the_identity_and_to_the_other_views_expressions():
    net = make()
    x = crops(1, 3)
    reference = net(x, there(1, 3))
    for view in range(3):
        changed = x.clone()
        changed[0, view] = 255 - changed[0, view]
        out = net(changed, there(1, 3))
        assert (out.identity - reference.identity).abs().max() > 1e-4
        assert (out.expression[0, (view + 1) % 3] - reference.expression[0, (view + 1) % 3]).abs().max() > 1e-6


class HalfAFace(torch.nn.Module):
    """Finds face in the upper half of every crop and nowhere else."""

    def forward(self, pyramid):
        logits = torch.zeros(len(pyramid), len(PARTS), *pyramid.shape[-2:])
        rows = logits.shape[-2] // 2
        logits[:, 0, :rows], logits[:, 0, rows:] = -20.0, 20.0
        return logits


def short_sighted(net):
    """Features that see no farther than their cell, and no points, which are found in the whole crop."""
    for stage in (2, 3):
        net.encoder.stages[stage] = torch.nn.Sequential(torch.nn.AvgPool2d(2))
    count = POINTS.count
    net.encoder.vote_from = lambda features, size: (
        torch.full((len(features[0]), count, 2), 60.0),
        torch.zeros(len(features[0]), count),
    )


def test_what_is_no_face_is_not_believed():
    net = make(encoder=NetworkConfig(stem=8, channels=(8, 8, 8, 8), blocks=(1, 1, 1, 1)), closer=False)
    short_sighted(net)
    x = crops(1, 2, 128)
    hidden = x.clone()
    hidden[:, :, 112:] = 0
    seen = x.clone()
    seen[:, :, :16] = 0
    net.parts = HalfAFace()
    reference = net(x, there(1, 2)).identity
    assert (net(hidden, there(1, 2)).identity - reference).abs().max() < 1e-3
    assert (net(seen, there(1, 2)).identity - reference).abs().max() > 3e-3
    unmasked = make(encoder=net.config.encoder, masks=False, closer=False)
    unmasked.load_state_dict(net.state_dict(), strict=False)
    short_sighted(unmasked)
    difference = unmasked(hidden, there(1, 2)).identity - unmasked(x, there(1, 2)).identity
    assert difference.abs().max() > 3e-3


def test_a_shared_expression_is_one_that_all_views_determine():
    net = make(shared_expression=True)
    out = net(crops(1, 3), there(1, 3))
    torch.testing.assert_close(out.expression[:, 0], out.expression[:, 2])
    assert out.identity.shape == (1, 6)
    assert out.light.shape == (1, 3, 3, 9)


def test_it_starts_at_the_mean_face_and_every_parameter_learns():
    net = NViewNet(NViewConfig(**SMALL), POINTS).train()
    out = net(crops(2, 2), torch.tensor([[True, True], [True, False]]))
    assert out.identity.abs().max() < 1
    sum(part.square().mean() for part in out).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_attention_does_not_depend_on_the_order_of_tokens_and_ignores_the_absent():
    torch.manual_seed(0)
    layer = CrossViewAttention(16, 2).eval()
    vectors, tokens = torch.randn(2, 3, 16), torch.randn(2, 7, 16)
    weight = torch.rand(2, 7)
    weight[:, 4:] = 0
    full = layer(vectors, tokens, log_weight(weight))
    order = torch.randperm(7)
    torch.testing.assert_close(layer(vectors, tokens[:, order], log_weight(weight[:, order])), full)
    torch.testing.assert_close(layer(vectors, tokens[:, :4], log_weight(weight[:, :4])), full)
    same = tokens[:, :1].expand(2, 4, 16)  # a token of weight w counts like w copies of it
    torch.testing.assert_close(
        layer(
            vectors, torch.cat([same, tokens[:, 5:6]], 1), log_weight(torch.tensor([[0.25] * 4 + [1.0]]).expand(2, 5))
        ),
        layer(vectors, torch.cat([tokens[:, :1], tokens[:, 5:6]], 1), torch.zeros(2, 2)),
    )


def test_masked_mean_by_hand():
    features = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert float(masked_mean(features, torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]))) == pytest.approx(2, abs=1e-3)
    assert float(masked_mean(features, torch.zeros(1, 2, 2))) == pytest.approx(4)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "n_view.onnx"
    net = NViewNet(NViewConfig(), PointModel(MODEL, voted_points(MODEL)[68:] - 68)).eval()
    export_onnx(net, 120, MODEL, path)
    assert path.stat().st_size < 16_000_000
    return net, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("views", [1, 3, 5])
def test_the_exported_network_takes_any_number_of_views(session, views):
    net, onnx = session
    x = crops(1, views, 120)
    found = dict(zip(OUTPUTS, onnx.run(list(OUTPUTS), {"crops": x[0].numpy()}), strict=True))
    with torch.inference_mode():
        expected = net(x, there(1, views))
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], getattr(expected, name)[0].numpy(), atol=2e-2, rtol=1e-2, err_msg=name)
    assert onnx.get_modelmeta().custom_metadata_map["crop_size"] == "120"

import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.df_mvr.network import DeepFusionConfig, DeepFusionNet  # noqa: E402

SMALL = {"width": 0.25, "blocks": (1, 1, 1, 1)}


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_the_published_network():
    net = DeepFusionNet()
    gates = count(net.decoder.gates)
    figures = [
        count(net.encoders[0]),
        count(net.decoder) - gates,
        gates,
        count(net.trunk),
        count(net.heads),
        count(net),
    ]
    assert [round(n / 1e6, 3) for n in figures] == [18.852, 22.469, 1.055, 13.565, 0.551, 94.194]
    assert [count(encoder) for encoder in net.encoders] == [figures[0]] * 3
    outputs = [head.out_features for head in net.heads.values()]
    assert len(outputs) == 13
    assert sum(outputs) == 269


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return DeepFusionNet(DeepFusionConfig(**SMALL, identity=7, expression=5, albedo=3)).eval()


def test_shapes(net):
    out = net(torch.rand(2, 3, 3, 64, 64), torch.zeros(2, 3, 64, 64))
    assert [tuple(part.shape) for part in out] == [(2, 7), (2, 5), (2, 3), (2, 3, 9), (2, 3, 3), (2, 3, 3)]


def test_every_view_and_its_mask_matter_and_the_order_does_too(net):
    torch.manual_seed(1)
    for module in net.modules():  # blocks start as their shortcuts: let the whole network take part
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    views, masks = torch.rand(1, 3, 3, 64, 64), torch.randint(0, 10, (1, 3, 64, 64)).float()
    reference = net(views, masks).identity
    for view in range(3):
        other, parts = views.clone(), masks.clone()
        other[:, view] = 0
        parts[:, view] = 0
        assert (net(other, masks).identity - reference).abs().max() > 1e-6
        assert (net(views, parts).identity - reference).abs().max() > 1e-6
    assert (net(views.flip(1), masks.flip(1)).identity - reference).abs().max() > 1e-6


def test_every_parameter_learns(net):
    net.train()
    out = net(torch.rand(2, 3, 3, 64, 64), torch.zeros(2, 3, 64, 64))
    sum(part.square().sum() for part in out).backward()
    assert all(p.grad is not None for p in net.parameters())
    net.eval()


def test_variants_for_ablation():
    full = count(DeepFusionNet(DeepFusionConfig(**SMALL)))
    shared = DeepFusionNet(DeepFusionConfig(**SMALL, shared_encoder=True))
    assert full - count(shared) == 2 * count(shared.encoders[0])
    unmasked = DeepFusionNet(DeepFusionConfig(**SMALL, masks=False)).eval()
    assert unmasked(torch.rand(1, 3, 3, 64, 64)).identity.shape == (1, 80)
    with pytest.raises(ValueError, match="no masks"):
        unmasked(torch.rand(1, 3, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    plain = DeepFusionNet(DeepFusionConfig(**SMALL, attention=False))
    assert count(plain.decoder.gates) == 0
    with pytest.raises(ValueError, match="multiple of 1/4"):
        DeepFusionNet(DeepFusionConfig(width=0.3))

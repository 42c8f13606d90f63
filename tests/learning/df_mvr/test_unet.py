import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.df_mvr.unet import AttentionGate, Encoder, FusionDecoder  # noqa: E402


def test_levels_halve_the_size():
    shapes = [tuple(level.shape) for level in Encoder(4, (8, 16, 32))(torch.randn(2, 4, 16, 24))]
    assert shapes == [(2, 8, 16, 24), (2, 16, 8, 12), (2, 32, 4, 6)]


def test_a_gate_weighs_places_between_nothing_and_all_and_never_mixes_channels():
    torch.manual_seed(0)
    gate = AttentionGate(8, 6, 4).eval()
    gating, skip = torch.randn(2, 8, 5, 5), torch.randn(2, 6, 5, 5)
    weight = gate(gating, skip) / skip
    torch.testing.assert_close(weight, weight[:, :1].expand_as(weight), rtol=1e-4, atol=1e-5)
    assert (weight > 0).all()
    assert (weight < 1).all()
    assert (gate(-gating, skip) / skip - weight).abs().max() > 1e-3


def test_every_view_has_its_own_gate_on_every_level():
    decoder = FusionDecoder((4, 8, 16), views=3)
    assert [len(level) for level in decoder.gates] == [3, 3]
    assert len({id(gate) for level in decoder.gates for gate in level}) == 6
    features = [Encoder(3, (4, 8, 16))(torch.randn(1, 3, 16, 16)) for _ in range(3)]
    fused = decoder(features)
    assert fused.shape == (1, 16, 16, 16)
    fused.sum().backward()
    assert all(p.grad is not None for gate in decoder.gates[1] for p in gate.parameters())


def test_without_attention_the_finest_features_come_through_unchanged():
    encoder, decoder = Encoder(3, (4, 8, 16)), FusionDecoder((4, 8, 16), views=2, attention=False)
    features = [encoder(torch.randn(1, 3, 16, 16)) for _ in range(2)]
    fused = decoder(features)
    torch.testing.assert_close(fused[:, 4:8], features[0][0])
    torch.testing.assert_close(fused[:, 8:], features[1][0])
    assert not list(decoder.gates.parameters())

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.df_mvr.involution import Bottleneck, Involution, RedNet  # noqa: E402


def plain(module, x):
    """The definition, place by place and channel by channel."""
    with torch.no_grad():
        s, k, groups = module.stride, module.kernel, module.groups
        summary = torch.nn.functional.avg_pool2d(x, s) if s > 1 else x
        kernels = module.span(module.reduce(summary)).numpy()
    batch, channels = x.shape[:2]
    height, width = kernels.shape[-2:]
    kernels = kernels.reshape(batch, groups, k, k, height, width)
    r = k // 2
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (r, r), (r, r)))
    out = np.zeros((batch, channels, height, width))
    for b in range(batch):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    window = padded[b, c, i * s : i * s + k, j * s : j * s + k]
                    out[b, c, i, j] = (kernels[b, c // 16, :, :, i, j] * window).sum()
    return out


@pytest.mark.parametrize(("channels", "kernel", "stride"), [(32, 3, 1), (32, 7, 2), (16, 7, 1)])
def test_involution_is_its_definition(channels, kernel, stride):
    torch.manual_seed(0)
    module = Involution(channels, kernel, stride).eval()
    x = torch.randn(2, channels, 8, 6)
    np.testing.assert_allclose(module(x).detach().numpy(), plain(module, x), atol=1e-5)


def test_gradients_by_finite_differences():
    torch.manual_seed(1)
    module = Involution(16, 3, 2).double().eval()
    x = torch.randn(1, 16, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,), eps=1e-6, atol=1e-6)
    weight = module.span.weight
    direction = torch.randn_like(weight)
    target = torch.randn(1, 16, 2, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((module(x) * target).sum(), weight)
    with torch.no_grad():
        ends = []
        for step in (1e-6, -1e-6):
            weight += step * direction
            ends.append((module(x) * target).sum())
            weight -= step * direction
    assert float((gradient * direction).sum()) == pytest.approx(float((ends[0] - ends[1]) / 2e-6), rel=1e-6)


def test_the_kernel_follows_the_place():
    module = Involution(16, 3).eval()
    x = torch.zeros(1, 16, 9, 9)
    x[..., 4, 4] = 1
    shifted = torch.roll(x, (2, 1), (2, 3))
    torch.testing.assert_close(module(shifted), torch.roll(module(x), (2, 1), (2, 3)))


def test_a_block_starts_as_its_shortcut():
    net = RedNet(8, 16, (64, 128), (2, 1))
    block = net.stages[1]
    assert isinstance(block, Bottleneck)
    x = torch.rand(2, 64, 6, 6)
    torch.testing.assert_close(block.eval()(x), x)
    assert net(torch.randn(2, 8, 64, 64)).shape == (2, 128, 8, 8)

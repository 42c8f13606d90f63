"""How nvdiffrast is called: a stand-in with its interface checks its arguments and rasterises with our kernel."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from facefuse.errors import UsageError
from facefuse.learning.rendering import nvdiffrast, render
from facefuse.learning.rendering.coverage import rasterize


class Context:
    def __init__(self, device: str | None = None) -> None:
        self.device = device


def stand_in(context, pos, tri, resolution, ranges=None, grad_db=True):
    """What nvdiffrast's documentation says of range mode, by our rasteriser."""
    assert isinstance(context, Context)
    assert pos.dtype == torch.float32
    assert pos.ndim == 2
    assert pos.shape[1] == 4
    assert tri.dtype == ranges.dtype == torch.int32
    assert pos.is_contiguous()
    assert tri.is_contiguous()
    assert ranges.device.type == "cpu"
    height, width = resolution
    x, y, z, w = pos.double().unbind(1)
    assert (w > 0).all()
    assert ((z / w).abs() <= 1).all()
    screen = torch.stack((((x / w + 1) * width - 1) / 2, ((y / w + 1) * height - 1) / 2, w), 1)
    flat = bool((w == 1).all())
    if flat:
        screen[:, 2] = z + 2
    out = torch.zeros(len(ranges), height, width, 4)
    for n, (start, count) in enumerate(ranges.tolist()):
        seen = rasterize(screen[None], tri[start : start + count], width, height, perspective=not flat, cull_back=False)
        out[n, ..., :2] = seen.barycentric[0, ..., :2]
        out[n, ..., 3] = (seen.triangle[0] + 1 + start) * seen.mask[0]
    return out, None


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    package, module = ModuleType("nvdiffrast"), ModuleType("nvdiffrast.torch")
    module.RasterizeCudaContext = Context  # type: ignore[attr-defined]
    module.rasterize = stand_in  # type: ignore[attr-defined]
    package.torch = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)
    return module


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull_back", [True, False])
def test_agrees_with_the_built_in_rasteriser(library, soup, perspective: bool, cull_back: bool) -> None:
    screen, triangles = soup(7, batch=3)
    screen = screen + 0.01  # vertices on pixel centres fall on either side after the detour over clip coordinates
    mine = rasterize(screen, triangles, 40, 30, perspective=perspective, cull_back=cull_back)
    theirs = nvdiffrast.rasterize(screen, triangles, 40, 30, perspective=perspective, cull_back=cull_back)
    same = mine.triangle == theirs.triangle
    assert same.float().mean() > 0.995
    assert (theirs.triangle >= 0).float().mean() > 0.5
    torch.testing.assert_close(theirs.barycentric[same], mine.barycentric[same], atol=2e-3, rtol=0)
    torch.testing.assert_close(theirs.depth[same], mine.depth[same], atol=0, rtol=2e-3)


def test_rendering_with_it(library, ball, cameras) -> None:
    vertices, mesh = ball
    arguments = (vertices[None], cameras(1, 30), mesh, 30, 30)
    mask = render(*arguments, rasterizer=nvdiffrast.rasterize).mask
    assert (mask - render(*arguments).mask).abs().mean() < 0.01


def test_without_it_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, soup) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast", None)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    with pytest.raises(UsageError, match="not installed"):
        nvdiffrast.rasterize(*soup(0), 8, 8)

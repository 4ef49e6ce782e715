"""Features laid on a query, against closed forms."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.detect.change_net.encoder import STRIDES
from umad_patrol.detect.change_net.laid import _by_bags, _by_grid, lay

SIDE = 96


def ramps(side=SIDE):
    """Planes at the three strides that hold the pixel (x, y) that each cell is centred at."""
    at = [torch.arange(0, side, stride, dtype=torch.float32) for stride in STRIDES]
    return tuple(torch.stack(torch.meshgrid(a, a, indexing="xy"))[None] for a in at)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.8, 1.2), st.floats(-0.1, 0.1))
def test_a_cell_shows_what_lies_where_it_looks(x, y, scale, turn):
    at = ramps()[0]
    seen = torch.stack([scale * at[:, 0] - turn * at[:, 1] + x, turn * at[:, 0] + scale * at[:, 1] + y], 1)
    for plane, stride in zip(lay(ramps(), seen), STRIDES):
        asked = seen[..., ::stride // 4, ::stride // 4]
        inside = ((asked >= 0) & (asked <= SIDE - stride)).all(1)
        assert (plane - asked).abs().amax(1)[inside].max() < 1e-3 if inside.any() else True


def test_it_is_what_grid_sample_gives_and_so_is_its_gradient():
    draw = torch.Generator().manual_seed(0)
    seen = torch.rand(2, 2, 24, 20, generator=draw) * 140 - 20
    features = [tuple(torch.rand(2, 8, SIDE // stride, SIDE // stride, generator=draw.manual_seed(stride)).requires_grad_() for stride in STRIDES)
                for _ in range(2)]
    laid = lay(features[0], seen)
    for plane, ours, stride in zip(features[1], laid, STRIDES):
        asked = seen[..., ::stride // 4, ::stride // 4] / stride
        theirs = F.grid_sample(plane, (2 * asked / (SIDE // stride - 1) - 1).permute(0, 2, 3, 1), padding_mode="border", align_corners=True)
        assert torch.allclose(ours, theirs, atol=1e-4)
        ours.square().sum().backward()
        theirs.square().sum().backward()
    for ours, theirs in zip(*features):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-3)


@pytest.mark.parametrize("size", [(12, 30), (1, 7), (9, 1)])
@pytest.mark.parametrize("half", [False, True])
def test_a_gpus_way_gives_the_same(size, half):
    draw = torch.Generator().manual_seed(0)
    plane, cells = torch.rand(2, 5, *size, generator=draw), torch.rand(2, 2, 6, 11, generator=draw) * 40 - 4
    plane = plane.half() if half else plane
    for ours, theirs in zip(_by_bags(plane, cells), _by_grid(plane, cells)):
        assert ours.dtype == theirs.dtype == plane.dtype and torch.allclose(ours, theirs, atol=1e-3 if half else 1e-4)


def test_beyond_the_border_is_the_border():
    for plane, stride in zip(lay(ramps(), torch.full((1, 2, 24, 24), 1e6)), STRIDES):
        assert bool((plane == SIDE - stride).all())
    assert all(torch.isfinite(plane).all() for plane in lay(ramps(), torch.full((1, 2, 24, 24), -1e6)))


def test_a_cell_of_the_encoder_is_centred_at_its_stride_times_its_number(network):
    """Where a spot of light moves a feature most: what `lay` takes for granted."""
    dark = torch.full((1, 3, 128, 128), 0.45)
    spot = dark.clone().requires_grad_()
    for features, stride in zip(network.encode(spot), STRIDES):
        cell = 64 // stride
        (gradient,) = torch.autograd.grad(features[0, :, cell, cell].square().sum(), spot, retain_graph=True)
        mass = gradient.abs().sum((0, 1))
        at = torch.arange(128, dtype=torch.float32)
        centre = ((mass.sum(0) * at).sum() / mass.sum(), (mass.sum(1) * at).sum() / mass.sum())
        assert all(abs(float(value) - 64) < 0.25 * stride for value in centre)


def test_half_precision_looks_at_the_same_places():
    seen = torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(0)) * SIDE
    for whole, half in zip(lay(ramps(), seen), lay(tuple(plane.half() for plane in ramps()), seen)):
        assert half.dtype == torch.float16 and (whole - half.float()).abs().max() < 0.1     # the ramps themselves are told to 1/16


@pytest.mark.parametrize("device", ["cuda"])
def test_a_gpu_lays_alike(device):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    seen = torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(0)) * 100
    for here, there in zip(lay(ramps(), seen), lay(tuple(plane.to(device) for plane in ramps()), seen.to(device))):
        assert torch.allclose(here, there.cpu(), atol=1e-3)

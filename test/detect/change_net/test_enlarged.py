"""Planes are enlarged on a CPU as torch enlarges them."""

import pytest
import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.enlarged import enlarged


@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(1, 3, 24, 40), (2, 1, 5, 7), (1, 3, 1, 1), (6, 3, 64, 64)])
def test_as_torch_does_it(shape, how):
    planes = torch.rand(shape, generator=torch.Generator().manual_seed(4))
    expected = F.interpolate(planes, scale_factor=2.0, mode=how, align_corners=False)
    for laid_out in (planes, planes.contiguous(memory_format=torch.channels_last), planes.double()):
        with torch.inference_mode():
            assert torch.allclose(enlarged(laid_out, how), expected, atol=1e-5)

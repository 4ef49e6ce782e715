"""What the gradient detector measures in one picture: log intensity, chromaticity, gradients by orientation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

STRIDE = 2
DARK = 0.03  # keeps the logarithm of black finite; about the offset below which sensors and JPEG tell nothing
BINOMIAL = ((1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (1.0, 2.0, 1.0))


@dataclass(frozen=True, eq=False)
class GradientFeatures:
    """Planes of one picture at half its size, `(1, C, H/2, W/2)` float32; `size` is the picture's (H, W).

    `grey` is log intensity, `chroma` log(R/G) and log(B/G), `edges` the absolute derivative in four orientations (0, 90,
    45 and 135 degrees), all smoothed by a pixel; `noise` is the standard deviation that sensor noise gives `grey`.
    """

    grey: torch.Tensor
    chroma: torch.Tensor
    edges: torch.Tensor
    noise: torch.Tensor
    size: tuple[int, int]


def measure(picture: torch.Tensor, noise: float) -> GradientFeatures:
    """Features of `(1, 3, H, W)` RGB in [0, 1]. Odd rows and columns at the end are averaged by themselves."""
    halved = F.avg_pool2d(picture.float(), STRIDE, ceil_mode=True, count_include_pad=False)
    kernel = picture.new_tensor(BINOMIAL, dtype=torch.float32)[None, None] / 16
    smooth = F.conv2d(F.pad((halved.clamp_min(0) + DARK).log_().transpose(0, 1), (1, 1, 1, 1), mode="replicate"), kernel).transpose(0, 1)
    grey = smooth.mean(1, keepdim=True)
    chroma = torch.cat([smooth[:, :1] - smooth[:, 1:2], smooth[:, 2:] - smooth[:, 1:2]], 1)
    return GradientFeatures(grey, chroma, _edges(grey), noise / grey.exp(), tuple(picture.shape[2:]))


def _edges(grey: torch.Tensor) -> torch.Tensor:
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([across, down, (across + down) * 0.5 ** 0.5, (across - down) * 0.5 ** 0.5], 1).abs_()

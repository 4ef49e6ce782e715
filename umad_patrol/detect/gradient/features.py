"""What the gradient detector measures in one picture: log intensity, chromaticity, gradients by orientation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

STRIDE = 2
DARK = 0.03  # keeps the logarithm of black finite; about the offset below which sensors and JPEG tell nothing


@dataclass(frozen=True, eq=False)
class GradientFeatures:
    """Planes of one picture at half its size, `(1, C, H/2, W/2)` float32; `size` is the picture's (H, W).

    `grey` is log intensity, `chroma` log(R/G) and log(B/G), `slope` the derivatives of `grey` across and down, `edges` the
    absolute derivative in four orientations (0, 90, 45 and 135 degrees), all smoothed by a pixel; `noise` is the standard
    deviation that sensor noise gives `grey`.
    """

    grey: torch.Tensor
    chroma: torch.Tensor
    slope: torch.Tensor
    edges: torch.Tensor
    noise: torch.Tensor
    size: tuple[int, int]


def measure(picture: torch.Tensor, noise: float) -> GradientFeatures:
    """Features of `(1, 3, H, W)` RGB in [0, 1]. An odd last row or column counts twice."""
    smooth = _smoothed(_halved(picture.float()).clamp_min_(0).add_(DARK).log_())
    grey = smooth.mean(1, keepdim=True)
    chroma = torch.cat([smooth[:, :1] - smooth[:, 1:2], smooth[:, 2:] - smooth[:, 1:2]], 1)
    slope = _slope(grey)
    return GradientFeatures(grey, chroma, slope, _edges(slope), noise / grey.exp(), tuple(picture.shape[2:]))


def _halved(planes: torch.Tensor) -> torch.Tensor:
    height, width = planes.shape[2:]
    if height % STRIDE or width % STRIDE:
        planes = F.pad(planes, (0, width % STRIDE, 0, height % STRIDE), mode="replicate")
    return F.avg_pool2d(planes, STRIDE)


def _smoothed(planes: torch.Tensor) -> torch.Tensor:
    """Binomial smoothing over 3 x 3."""
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, :-2] + padded[:, :, 2:] + 2 * padded[:, :, 1:-1]
    return (rows[..., :-2] + rows[..., 2:] + 2 * rows[..., 1:-1]) / 16


def _slope(grey: torch.Tensor) -> torch.Tensor:
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    return torch.cat([across, padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]], 1) / 2


def _edges(slope: torch.Tensor) -> torch.Tensor:
    across, down = slope[:, :1], slope[:, 1:]
    return torch.cat([across, down, (across + down) * 0.5 ** 0.5, (across - down) * 0.5 ** 0.5], 1).abs_()

"""What the gradient detector measures in one picture: log intensity, chromaticity, gradients by orientation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from umad_patrol.detect.gradient import cells
from umad_patrol.detect.gradient.cells import CELL

STRIDE = 2
DARK = 0.03  # keeps the logarithm of black finite; about the level below which sensors and JPEG tell nothing


@dataclass(frozen=True, eq=False)
class GradientFeatures:
    """Planes of one picture at half its size, `(1, C, h, w)` float32, h and w even; `size` is the picture's (H, W).

    `surface` is log intensity, log(R/G) and log(B/G); `slope` the derivatives of log intensity across and down; `edges` the
    absolute derivative in four orientations (0, 90, 45 and 135 degrees), `length` their norm, `edge_cells` the highest a
    cell; `noise` is the standard deviation that sensor noise gives log intensity. All are smoothed by a pixel.
    """

    surface: torch.Tensor
    slope: torch.Tensor
    edges: torch.Tensor
    length: torch.Tensor
    edge_cells: torch.Tensor
    noise: torch.Tensor
    size: tuple[int, int]


def measure(picture: torch.Tensor, noise: float) -> GradientFeatures:
    """Features of `(1, 3, H, W)` RGB in [0, 1]; NaN is black."""
    halved = F.avg_pool2d(padded(picture.float()), STRIDE).nan_to_num_(0.0)
    smooth = _smoothed(halved.clamp_min_(0).add_(DARK).log_())
    grey = smooth.mean(1, keepdim=True)
    surface = torch.cat([grey, smooth[:, :1] - smooth[:, 1:2], smooth[:, 2:] - smooth[:, 1:2]], 1)
    slope = _slope(grey)
    edges = _edges(slope)
    length = slope.square().sum(1, keepdim=True).mul_(2).sqrt_()  # each derivative counts twice in four orientations
    return GradientFeatures(surface, slope, edges, length, cells.joined(edges), noise / grey.exp(), tuple(picture.shape[2:]))


def padded(planes: torch.Tensor) -> torch.Tensor:
    """Planes widened at the right and below, to whole cells, by repeating their last column and row."""
    right, below = (-planes.shape[3]) % (STRIDE * CELL), (-planes.shape[2]) % (STRIDE * CELL)
    return F.pad(planes, (0, right, 0, below), mode="replicate") if right or below else planes


def _smoothed(planes: torch.Tensor) -> torch.Tensor:
    """Binomial smoothing over 3 x 3."""
    wide = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    rows = wide[:, :, :-2] + wide[:, :, 2:] + 2 * wide[:, :, 1:-1]
    return (rows[..., :-2] + rows[..., 2:] + 2 * rows[..., 1:-1]) / 16


def _slope(grey: torch.Tensor) -> torch.Tensor:
    wide = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]
    return torch.cat([across, wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]], 1) / 2


def _edges(slope: torch.Tensor) -> torch.Tensor:
    across, down = slope[:, :1], slope[:, 1:]
    return torch.cat([across, down, (across + down) * 0.5 ** 0.5, (across - down) * 0.5 ** 0.5], 1).abs_()

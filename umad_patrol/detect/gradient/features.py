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
    """Planes of one picture at half its size, by cells `(1, C, 4, h, w)` float32; `size` is the picture's (H, W).

    `surface` is log intensity, log(R/G) and log(B/G); `edges` the absolute derivative of log intensity
    in four orientations (0, 90, 45 and 135 degrees), `energy` the sum of their squares, `edge_cells` `(1, 4, 1, h, w)` the highest
    a cell; `tensor` the squares of the derivatives across and down, and their product; `noise` is the standard deviation that
    sensor noise gives log intensity. All are smoothed by a pixel.
    """

    surface: torch.Tensor
    edges: torch.Tensor
    energy: torch.Tensor
    tensor: torch.Tensor
    edge_cells: torch.Tensor
    noise: torch.Tensor
    size: tuple[int, int]


def measure(picture: torch.Tensor, noise: float) -> GradientFeatures:
    """Features of `(1, 3, H, W)` RGB in [0, 1]; NaN is black."""
    on = cells.operations(picture)
    red, green, blue = on.log_halved(_padded(picture.float()), DARK).split(1, dim=1)
    grey = (red + green).add_(blue).div_(3)
    planes = on.by_cells(torch.cat([grey, red - green, blue - green, _slope(grey)], 1))
    surface, across, down = planes[:, :3], planes[:, 3:4], planes[:, 4:]
    edges = torch.cat([across, down, (across + down).mul_(0.5 ** 0.5), (across - down).mul_(0.5 ** 0.5)], 1).abs_()
    tensor = torch.cat([across * across, down * down, across * down], 1)
    energy = (tensor[:, :1] + tensor[:, 1:2]).mul_(2)  # each derivative counts twice in four orientations
    noise_of_log = surface[:, :1].neg().exp_().mul_(noise)
    return GradientFeatures(surface, edges, energy, tensor, cells.highest_pixel(edges), noise_of_log, tuple(picture.shape[2:]))


def _padded(planes: torch.Tensor) -> torch.Tensor:
    """Planes widened at the right and below, to whole cells, by repeating their last column and row."""
    right, below = (-planes.shape[3]) % (STRIDE * CELL), (-planes.shape[2]) % (STRIDE * CELL)
    return F.pad(planes, (0, right, 0, below), mode="replicate") if right or below else planes


def _slope(grey: torch.Tensor) -> torch.Tensor:
    wide = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]
    return torch.cat([across, wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]], 1).div_(2)

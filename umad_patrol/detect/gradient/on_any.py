"""Moving pixels and sliding windows with torch, on any device. `on_cpu` does the same; a test holds them together."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def log_halved(picture: torch.Tensor, dark: float) -> torch.Tensor:
    """Log of `(1, 3, H, W)` at half its size plus `dark`, smoothed by a binomial over 3 x 3; NaN is black. H and W even."""
    logs = F.avg_pool2d(picture, 2).nan_to_num_(0.0).clamp_min_(0).add_(dark).log_()
    wide = F.pad(logs, (1, 1, 1, 1), mode="replicate")
    rows = wide[:, :, :-2] + wide[:, :, 2:] + 2 * wide[:, :, 1:-1]
    return (rows[..., :-2] + rows[..., 2:] + 2 * rows[..., 1:-1]) / 16


def by_cells(planes: torch.Tensor) -> torch.Tensor:
    """`(1, C, H, W)`, H and W even, as `(1, C, 4, H / 2, W / 2)`: the pixels of each 2 x 2, row by row."""
    return F.pixel_unshuffle(planes, 2).unflatten(1, (-1, 4))


def highest(cells: torch.Tensor, reach: int, outside: float) -> torch.Tensor:
    """Highest value within `reach` cells, beyond the picture `outside`. `(1, C, 1, h, w)`, as what comes back."""
    return F.max_pool2d(F.pad(cells[:, :, 0], (reach,) * 4, value=outside), 2 * reach + 1, 1)[:, :, None]


def mean(cells: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean within `reach` cells, zero beyond the picture. `(1, C, 1, h, w)`, as what comes back."""
    return F.avg_pool2d(F.pad(cells[:, :, 0], (reach,) * 4), 2 * reach + 1, 1)[:, :, None]


def doubled(cells: torch.Tensor) -> torch.Tensor:
    """`(1, 1, 4, h, w)` by cells as pixels `(1, 1, 4 h, 4 w)`, at twice the size, bilinear."""
    return F.interpolate(F.pixel_shuffle(cells[:, 0], 2), scale_factor=2, mode="bilinear", align_corners=False)

"""Windows over planes, in cells of 2 x 2: maxima and means by slices, as pooling is many times slower on a CPU.

Planes are `(1, C, H, W)`, with H and W even where cells are made of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

CELL = 2


def joined(planes: torch.Tensor, join: Callable = torch.maximum) -> torch.Tensor:
    """One value a cell: `join` of its four."""
    rows = join(planes[:, :, ::CELL], planes[:, :, 1::CELL])
    return join(rows[..., ::CELL], rows[..., 1::CELL])


def padded_even(planes: torch.Tensor) -> torch.Tensor:
    """Planes with an odd last row or column repeated, so that they hold whole cells."""
    right, below = planes.shape[3] % CELL, planes.shape[2] % CELL
    return F.pad(planes, (0, right, 0, below), mode="replicate") if right or below else planes


def spread(cells: torch.Tensor) -> torch.Tensor:
    """Each cell's value on its four pixels."""
    return F.interpolate(cells, scale_factor=CELL, mode="nearest")


def highest(cells: torch.Tensor, reach: int, outside: float = -torch.inf) -> torch.Tensor:
    """Highest value within `reach` cells, beyond the picture `outside`."""
    if not reach:
        return cells
    window = 2 * reach + 1
    return _running_max(_running_max(F.pad(cells, (reach,) * 4, value=outside), window, 2), window, 3)


def mean(cells: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean within `reach` cells, zero beyond the picture."""
    window = 2 * reach + 1
    return _running_sum(_running_sum(F.pad(cells, (reach,) * 4), window, 2), window, 3) / window ** 2


def _running_sum(values: torch.Tensor, window: int, dim: int) -> torch.Tensor:
    size = values.shape[dim] - window + 1
    total = values.narrow(dim, 0, size).clone()
    for start in range(1, window):
        total += values.narrow(dim, start, size)
    return total


def _running_max(values: torch.Tensor, window: int, dim: int) -> torch.Tensor:
    """Maximum of each `window` neighbours along `dim`, by doubling."""
    reached = 1
    while reached < window:
        step = min(reached, window - reached)
        length = values.shape[dim] - step
        values = torch.maximum(values.narrow(dim, 0, length), values.narrow(dim, step, length))
        reached += step
    return values

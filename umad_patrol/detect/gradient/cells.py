"""Planes by cells of 2 x 2 pixels.

By cells, planes are `(1, C, 4, h, w)`: the four pixels of a cell lie in planes of their own, so that what is one value a
cell, `(1, C, 1, h, w)`, meets them by broadcasting, and their highest is a maximum over one dimension.
"""

from __future__ import annotations

from types import ModuleType

import torch
import torch.nn.functional as F

from umad_patrol.detect.gradient import on_any, on_cpu

CELL = 2
PIXELS = CELL ** 2


def operations(planes: torch.Tensor) -> ModuleType:
    """Who moves pixels and slides windows where `planes` live: OpenCV on a CPU, many times faster there, else torch."""
    return on_cpu if planes.device.type == "cpu" else on_any


def highest_pixel(cells: torch.Tensor) -> torch.Tensor:
    """The highest of each cell's pixels, `(1, C, 1, h, w)`."""
    return cells.amax(2, keepdim=True)


def mean_pixel(cells: torch.Tensor) -> torch.Tensor:
    """The mean of each cell's pixels, `(1, C, 1, h, w)`."""
    return cells.sum(2, keepdim=True).div_(PIXELS)


def everywhere(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """Whether all of `side` x `side` pixels hold: `(1, 1, H, W)` bool to `(1, 1, H / side, W / side)`, rounded up."""
    below, right = (-pixels.shape[2]) % side, (-pixels.shape[3]) % side
    whole = F.pad(pixels.byte(), (0, right, 0, below), value=1) if below or right else pixels.view(torch.uint8)
    return whole.unflatten(2, (-1, side)).amin(3).unflatten(3, (-1, side)).amin(4).bool()


def padded_even(planes: torch.Tensor) -> torch.Tensor:
    """`(1, C, H, W)` with an odd last row or column repeated, so that it holds whole cells."""
    right, below = planes.shape[3] % CELL, planes.shape[2] % CELL
    return F.pad(planes, (0, right, 0, below), mode="replicate") if right or below else planes


def repeated(cells: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Each value `(1, C, 1, h, w)` on CELL x CELL places, cut to `size` (height, width)."""
    return F.interpolate(cells[:, :, 0], scale_factor=CELL, mode="nearest")[:, :, None, :size[0], :size[1]]

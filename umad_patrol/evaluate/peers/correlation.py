"""Correlation of two features over a window, in plain torch (Dosovitskiy et al.: FlowNet, ICCV 2015, equation 1 with 1x1 patches)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

_TILE = 64  # cells of a row that are multiplied at once; more costs needless products, fewer needless calls


def correlation(first: torch.Tensor, second: torch.Tensor, reach: int = 20, step: int = 2) -> torch.Tensor:
    """Mean over channels of `first(x) * second(x + d)`, for every d of -reach, -reach + step, ... reach, zero outside the picture.

    Features are `(N, C, H, W)`; the result is `(N, K * K, H, W)` with K = 2 reach / step + 1, d's rows before its columns. `reach`
    is a multiple of `step`. A row's cells of one phase (every `step`-th) meet one set of cells: a product of matrices a tile.
    """
    n, channels, height, width = first.shape
    window = 2 * reach // step + 1
    found = first.new_empty(n, window, window, height, width)
    around = F.pad(second, (reach, reach, reach, reach))
    for phase in range(step):
        cells, others = _tiles(first[..., phase::step], around[..., phase::step], window)
        for i in range(window):
            products = cells @ others[:, i * step:i * step + height]
            rows = _diagonals(products, window).flatten(2, 3)
            found[:, i, :, :, phase::step] = rows[:, :, :found[..., phase::step].shape[-1]].permute(0, 3, 1, 2)
    return found.flatten(1, 2) / channels


def _tiles(cells: torch.Tensor, others: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows cut into tiles: `(N, H, tiles, _TILE, C)`, and what each meets: `(N, H', tiles, C, _TILE + window - 1)`."""
    tiles = -(-cells.shape[-1] // _TILE)
    cells = F.pad(cells, (0, tiles * _TILE - cells.shape[-1])).permute(0, 2, 3, 1)
    others = F.pad(others, (0, tiles * _TILE + window - 1 - others.shape[-1])).permute(0, 2, 3, 1).contiguous()
    return cells.unflatten(2, (tiles, _TILE)), others.unfold(2, _TILE + window - 1, _TILE)


def _diagonals(products: torch.Tensor, window: int) -> torch.Tensor:
    """Of row j of each `(..., _TILE, _TILE + window - 1)` the columns from j on: `(..., _TILE, window)`."""
    products = products.contiguous()
    *outer, row, column = products.stride()
    return products.as_strided((*products.shape[:-1], window), (*outer, row + column, column))

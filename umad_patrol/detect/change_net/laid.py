"""A reference's features laid on the query: a keyframe is encoded once, wherever it is looked at from."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.encoder import STRIDES

FAR = 4.0   # beyond the border, in half sides, at most: what lies there is not valid, and stays finite


def lay(features: tuple[torch.Tensor, ...], seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Features of a reference, as the encoder gives them, at the cells of a query; bilinear, beyond the border that of the border.

    `seen` `(N, 2, h, w)` is the reference pixel (x, y), counted from where its features begin, that is seen at each of the query's
    cells of 4 px. Cell i of stride s looks from pixel s i: the encoder's convolutions are centred there.
    """
    return tuple(_sampled(plane, seen[..., ::stride // STRIDES[0], ::stride // STRIDES[0]] / stride) for plane, stride in zip(features, STRIDES))


def _sampled(plane: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    height, width = plane.shape[-2:]
    last = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=cells.device, dtype=cells.dtype)[:, None, None]
    grid = (2 * cells / last - 1).clamp(-FAR, FAR).permute(0, 2, 3, 1)
    # places are not told apart well enough in half precision
    return F.grid_sample(plane.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=True).to(plane.dtype)

"""A reference's features laid on the query: a keyframe is encoded once, wherever it is looked at from."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.encoder import STRIDES


def lay(features: tuple[torch.Tensor, ...], seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Features of a reference, as the encoder gives them, at the cells of a query; bilinear, beyond the border that of the border.

    `seen` `(N, 2, h, w)` is the reference pixel (x, y), counted from where its features begin, that is seen at each of the query's
    cells of 4 px. Cell i of stride s looks from pixel s i: the encoder's convolutions are centred there.
    """
    sampled = _by_grid if seen.device.type == "cuda" else _by_bags
    return tuple(sampled(plane, seen[..., ::stride // STRIDES[0], ::stride // STRIDES[0]] / stride) for plane, stride in zip(features, STRIDES))


def _by_grid(plane: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """`plane` `(N, C, H, W)` at columns and rows `cells` `(N, 2, h, w)`."""
    grid = torch.stack([2 * cells[:, i].float() / max(1, side - 1) - 1 for i, side in enumerate(plane.shape[:1:-1])], -1)
    return F.grid_sample(plane.float(), grid, padding_mode="border", align_corners=True).to(
        plane.dtype, memory_format=torch.channels_last)     # places need single precision


def _by_bags(plane: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """The same, channels last: a bag of four cells each, on a CPU, where channels lie together, less than half the time."""
    count, channels, height, width = plane.shape
    (left, right_share), (upper, lower_share) = (_between(cells[:, i], side) for i, side in enumerate((width, height)))
    right, lower = (left + 1).clamp(max=width - 1), (upper + 1).clamp(max=height - 1)
    first = (torch.arange(count, device=plane.device) * (height * width))[:, None, None]
    four = torch.stack([first + row * width + column for row in (upper, lower) for column in (left, right)], -1)
    shares = torch.stack([down * across for down in (1 - lower_share, lower_share) for across in (1 - right_share, right_share)], -1)
    table = plane.permute(0, 2, 3, 1).reshape(-1, channels).to(shares.dtype)    # places are not told apart well enough in half precision
    found = F.embedding_bag(four.view(-1, 4), table, per_sample_weights=shares.view(-1, 4), mode="sum")
    return found.view(*left.shape, channels).permute(0, 3, 1, 2).to(plane.dtype)


def _between(at: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The cell before each place along a side of so many, and the share of the one after it."""
    at = at.clamp(0, side - 1)
    before = at.floor()
    return before.long(), at - before

"""References as a robot sees them from a little beside: the network learns to have their features laid, not their pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.encoder import STRIDES

SHIFT_PX, TURN_RAD, SCALE, SHEAR, TILT = 24.0, 0.035, 0.08, 0.08, 0.06
STILL = 0.2     # of the references are where the query's camera was


@dataclass(frozen=True, eq=False)
class Moved:
    """References as seen from elsewhere, `seen` as `detect.change_net.laid.lay` takes it, and where the query still sees them."""

    pictures: torch.Tensor
    seen: torch.Tensor
    valid: torch.Tensor


def moved(references: torch.Tensor, valid: torch.Tensor, draw: torch.Generator) -> Moved:
    """`references` `(N, 3, H, W)` that lie on their queries, each seen from a place of its own; `valid` `(N, 1, H, W)` loses what is out of view."""
    count, _, height, width = references.shape
    reference_H_query = homographies(count, (width, height), draw)
    both_ways = torch.stack([reference_H_query, torch.linalg.inv(reference_H_query)])
    if references.device.type == "cuda":
        both_ways = both_ways.pin_memory().to(references.device, non_blocking=True)     # the GPU is not waited for
    seen, from_elsewhere = (_at(H, (width, height), 1) for H in both_ways)
    pictures = F.grid_sample(references, _normalized(from_elsewhere, (width, height)).to(references.dtype), mode="bicubic", padding_mode="border",
                             align_corners=True).clamp(0, 1)
    inside = (seen >= 0).all(1, keepdim=True) & (seen[:, :1] <= width - 1) & (seen[:, 1:] <= height - 1)
    fine = STRIDES[0]
    return Moved(pictures.contiguous(memory_format=torch.channels_last), seen[..., ::fine, ::fine], valid * inside)


def homographies(count: int, size: tuple[int, int], draw: torch.Generator, still_share: float = STILL) -> torch.Tensor:
    """Homographies `(count, 3, 3)` about the middle of pictures of `size` (width, height): shifted, turned, scaled, the ground sheared and tilted."""
    def within(limit: float) -> torch.Tensor:
        return (2 * torch.rand(count, generator=draw) - 1) * limit

    angle, scale, shear = within(TURN_RAD), torch.exp(SCALE * torch.randn(count, generator=draw).clamp(-2, 2)), within(SHEAR)
    H = torch.eye(3).repeat(count, 1, 1)
    H[:, 0, 0], H[:, 0, 1] = scale * angle.cos(), shear - scale * angle.sin()
    H[:, 1, 0], H[:, 1, 1] = scale * angle.sin(), scale * angle.cos()
    H[:, 2, 1] = within(TILT) / (size[1] / 2)
    H[:, 0, 2], H[:, 1, 2] = within(SHIFT_PX), within(SHIFT_PX)
    still = torch.rand(count, generator=draw) < still_share
    H[still] = torch.eye(3)
    middle = torch.eye(3)
    middle[:2, 2] = torch.tensor([(side - 1) / 2 for side in size])
    return middle @ H @ torch.linalg.inv(middle)


def _at(H: torch.Tensor, size: tuple[int, int], step: int) -> torch.Tensor:
    """Where H `(N, 3, 3)` takes every `step`th pixel: `(N, 2, h, w)` x, y."""
    width, height = size
    y, x = torch.meshgrid(torch.arange(0, height, step, device=H.device), torch.arange(0, width, step, device=H.device), indexing="ij")
    at = H @ torch.stack([x, y, torch.ones_like(x)]).to(H.dtype).reshape(1, 3, -1)
    return (at[:, :2] / at[:, 2:]).reshape(len(H), 2, *x.shape)


def _normalized(at: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    last = torch.tensor(size, device=at.device, dtype=at.dtype)[:, None, None] - 1
    return (2 * at / last - 1).permute(0, 2, 3, 1)

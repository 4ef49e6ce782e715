"""The change network: one encoder for both pictures, what differs at three strides, a light decoder, a score map a class."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.detect.change_net.encoder import STRIDES, WIDTHS, Bottleneck, Encoder, convolved
from umad_patrol.detect.change_net.laid import lay
from umad_patrol.records import ANOMALY, CHANGED, DYNAMIC

if TYPE_CHECKING:
    from umad_patrol.detect.change_net.engines import Engine

CLASSES = (ANOMALY, DYNAMIC, CHANGED)
SIDE = STRIDES[-1]      # sides of the pictures are multiples of this
OUTPUT_STRIDE = 2
REACH = (1, 2, 1)       # cells searched either way at each stride: 4, 16 and 16 px
MATCHED = 16            # channels that are correlated
SHORTEST = 1e-4         # features are at least so long where they are divided by their length: not 0 in half precision either
DECODED = (32, 48, 64)  # channels of the decoder at each stride
PRIOR = 0.02            # share of changed pixels that an untrained network says


class Difference(nn.Module):
    """What the query's and the reference's features at one stride say together: `(N, outward, h, w)`.

    Both, their absolute difference, the cosine of a projection of both at the same place and the largest one within
    `reach` cells, and the valid mask, mixed by one convolution. Where the reference is not valid the two count as equal.
    """

    def __init__(self, channels: int, outward: int, reach: int, correlated: bool = True) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, MATCHED, 1, bias=False) if correlated else None
        self.mix = convolved(3 * channels + (2 if correlated else 0) + 1, outward, 1)
        self._reach = reach

    def forward(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """`valid` `(N, 1, h, w)` is 0 or 1."""
        apart = (query - reference) * valid     # the reference is the query less this
        few = valid
        if self.project is not None:
            projected = self.project(query)
            few = torch.cat([valid, *correlation(projected, projected - self.project(apart), self._reach)], 1)
        return self.mix[1:](self._mixed(query, apart, few))

    def _mixed(self, query: torch.Tensor, apart: torch.Tensor, few: torch.Tensor) -> torch.Tensor:
        """The convolution of all of them side by side, part by part: what is not joined need not be copied."""
        channels, joint = query.shape[1], self.mix[0]
        of_query, of_reference, of_apart, of_few = (joint.weight[:, n * channels:(n + 1) * channels] for n in range(4))
        return (F.conv2d(query, of_query + of_reference, joint.bias) + F.conv2d(apart, -of_reference) + F.conv2d(apart.abs(), of_apart)
                + F.conv2d(few, of_few))


def correlation(query: torch.Tensor, reference: torch.Tensor, reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine of features `(N, C, h, w)` at the same place and the largest within `reach` cells either way: `(N, 1, h, w)` each."""
    around = F.pad(reference, [reach] * 4, mode="replicate")
    query, around = (features / features.norm(dim=1, keepdim=True).clamp_min(SHORTEST) for features in (query, around))
    return (_by_windows if query.device.type == "cuda" else _by_shifts)(query, around, reach)


def _by_windows(query: torch.Tensor, around: torch.Tensor, reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of features of length 1, the second padded, with few large kernels: for a GPU."""
    height, width = query.shape[-2:]
    here = (query * around[:, :, reach:reach + height, reach:reach + width]).sum(1, keepdim=True)
    cells = around.unfold(2, height, 1).unfold(3, width, 1)     # (N, C, rows, columns, h, w), a view
    return here, (query[:, :, None, None] * cells).sum(1).amax((1, 2))[:, None]


def _by_shifts(query: torch.Tensor, around: torch.Tensor, reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with little memory to read, channels together: for a CPU."""
    query, around = (features.permute(0, 2, 3, 1).contiguous() for features in (query, around))
    shifts = [slice(start, start - 2 * reach or None) for start in range(2 * reach + 1)]    # ends are counted from behind: a graph need not work them out
    cosines = [(query * around[:, down, across]).sum(-1)[:, None] for down in shifts for across in shifts]
    return cosines[len(cosines) // 2], functools.reduce(torch.maximum, cosines)


class ChangeNet(nn.Module):
    """Pictures `(N, 3, H, W)` RGB in [0, 1] and a valid mask `(N, 1, H, W)` of 0 and 1 to logits `(N, 3, H/2, W/2)`, CLASSES in order.

    Sides are multiples of SIDE. `encode` and `compare` are for who keeps a reference's features: `forward` is both.
    `correlated` false leaves the correlation out, to measure what it brings.
    """

    def __init__(self, correlated: bool = True) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.differences = nn.ModuleList(Difference(width, out, reach, correlated) for width, out, reach in zip(WIDTHS, DECODED, REACH))
        fine, middle, coarse = DECODED
        self.context = nn.Sequential(*(Bottleneck(coarse, coarse, 2, within=5) for _ in range(5)), convolved(coarse, middle, 1, act=False))
        self.middle = nn.Sequential(*(Bottleneck(middle, middle, 2, before=3) for _ in range(3)), convolved(middle, fine, 1, act=False))
        self.fine = nn.Sequential(nn.ReLU(inplace=True), convolved(fine, fine, 3, groups=fine, act=False), convolved(fine, fine, 1),
                                  *(Bottleneck(fine, fine, 2, before=3) for _ in range(2)))
        self.out = nn.Sequential(convolved(fine, fine, 3, groups=fine), nn.Conv2d(fine, (len(CLASSES) + 1) * OUTPUT_STRIDE ** 2, 1))
        nn.init.constant_(self.out[-1].bias, float(torch.logit(torch.tensor(PRIOR))))

    def encode(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features at the strides 4, 8 and 16."""
        return self.encoder(pictures)

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits from the features of two pictures and the valid mask at full size."""
        return less_gone(self.says(query, reference, valid))

    def says(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 4, H/2, W/2)` before they are taken together: of the CLASSES, and of what is gone, which would be new were the pictures exchanged."""
        fine = -F.max_pool2d(-valid, STRIDES[0])
        middle = -F.max_pool2d(-fine, 2)
        masks = fine, middle, -F.max_pool2d(-middle, 2)
        fourth, eighth, last = (difference(q, r, mask) for difference, q, r, mask in zip(self.differences, query, reference, masks))
        x = self.middle(eighth + _doubled(self.context(last)))
        return F.pixel_shuffle(self.out(self.fine(fourth + _doubled(x))), OUTPUT_STRIDE)

    def forward(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """`compare` of two pictures."""
        return compared(self, query, reference, valid)

    def says_both_ways(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor,
                       seen: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits as `says` gives them, and those of the pictures exchanged to learn from, which have no gradients.

        The reference's features are laid as `lay` does it; without places `seen` they lie where they are to.
        """
        count = query.shape[0]
        both = self.encode(torch.cat([query, reference]))
        query, reference = (tuple(f[part] for f in both) for part in (slice(count), slice(count, None)))
        reference = reference if seen is None else lay(reference, seen)
        with torch.no_grad():
            exchanged = self.says(reference, query, valid)
        return self.says(query, reference, valid), exchanged


def compared(halves: ChangeNet | Engine, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Logits of pictures `(N, 3, H, W)` and their valid mask by what has `encode` and `compare`: the network, or an engine that runs it."""
    return halves.compare(halves.encode(query), halves.encode(reference), valid)


def less_gone(said: torch.Tensor) -> torch.Tensor:
    """Logits `(N, 3, h, w)` of the CLASSES from those and that of what is gone, `(N, 4, h, w)`: *anomaly* is lowered by it, never raised.

    What was taken away looks much like what is new. Only what is new and not gone is left.
    """
    return torch.cat([said[:, :1] - _softplus(said[:, 3:]), said[:, 1:3]], 1)


def _softplus(x: torch.Tensor) -> torch.Tensor:
    """Of operations that every engine has vectorised: as one, ONNX Runtime's takes 1 ms of a picture's 25."""
    return x.relu() + torch.log1p((-x.abs()).exp())


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

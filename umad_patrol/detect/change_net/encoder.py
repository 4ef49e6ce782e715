"""The encoder: MobileNetV4-conv-small to stride 16.

Qin et al., "MobileNetV4: Universal Models for the Mobile Ecosystem", ECCV 2024, table 11. One tensor of features
at each of the strides 4, 8 and 16, WIDTHS channels each.
"""

from __future__ import annotations

import torch
from torch import nn

STRIDES = (4, 8, 16)
WIDTHS = (32, 64, 96)
MEAN, GAIN = 0.45, 4.4      # what a picture's values are shifted by, then multiplied with


def convolved(inward: int, outward: int, size: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """Convolution, normalisation and, where asked for, ReLU."""
    layers = [nn.Conv2d(inward, outward, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outward)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Bottleneck(nn.Module):
    """A universal inverted bottleneck: an optional depth-wise convolution before and one within the expansion (0: none)."""

    def __init__(self, inward: int, outward: int, expansion: int, before: int = 0, within: int = 0, stride: int = 1) -> None:
        super().__init__()
        middle = inward * expansion
        layers = []
        if before:
            layers.append(convolved(inward, inward, before, 1 if within else stride, inward, act=False))
        layers.append(convolved(inward, middle, 1))
        if within:
            layers.append(convolved(middle, middle, within, stride, middle))
        layers.append(convolved(middle, outward, 1, act=False))
        self.layers = nn.Sequential(*layers)
        self._adds = stride == 1 and inward == outward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + x if self._adds else self.layers(x)


class Encoder(nn.Module):
    """Features of RGB pictures `(N, 3, H, W)` in [0, 1], sides multiples of 16: `(N, WIDTHS[i], H/STRIDES[i], W/STRIDES[i])`."""

    def __init__(self) -> None:
        super().__init__()
        fourth, eighth, last = WIDTHS
        self.gain = GAIN
        self.fourth = nn.Sequential(convolved(3, 32, 3, 2), convolved(32, 32, 3, 2), convolved(32, fourth, 1))
        self.eighth = nn.Sequential(convolved(fourth, 96, 3, 2), convolved(96, eighth, 1), *(Bottleneck(eighth, eighth, 2, within=3) for _ in range(2)))
        self.last = nn.Sequential(
            Bottleneck(eighth, last, 3, before=5, within=5, stride=2),
            *(Bottleneck(last, last, 2, within=3) for _ in range(4)),
            Bottleneck(last, last, 4, before=3),
            *(Bottleneck(last, last, 2, within=3) for _ in range(2)),
        )

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shifted = pictures - MEAN
        fourth = self.fourth(shifted if self.gain == 1 else shifted * self.gain)
        eighth = self.eighth(fourth)
        return fourth, eighth, self.last(eighth)

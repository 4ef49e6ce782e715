"""What the peers are built of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (over `stride`), batch normalisation and ReLU."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def enlarged(features: torch.Tensor, size: tuple[int, int] | torch.Size, corners: bool = False) -> torch.Tensor:
    """`(N, C, h, w)` to `(N, C, *size)`, bilinear; `corners` lays the middles of the corner pixels on each other."""
    return F.interpolate(features, size=size, mode="bilinear", align_corners=corners)

"""DeepLabv3's head (Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017)."""

from __future__ import annotations

import torch
from torch import nn

from umad_patrol.evaluate.peers.blocks import conv_bn_relu

_RATES, _WIDTH = (12, 24, 36), 256


class DeepLabHead(nn.Module):
    """Convolutions of several rates side by side with the picture's mean, then one to the classes."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_bn_relu(inputs, _WIDTH, kernel=1), *(conv_bn_relu(inputs, _WIDTH, dilation=r) for r in _RATES)])
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, _WIDTH, kernel=1))
        self.project = nn.Sequential(*conv_bn_relu((len(_RATES) + 2) * _WIDTH, _WIDTH, kernel=1), nn.Dropout(0.5))
        self.classify = nn.Sequential(*conv_bn_relu(_WIDTH, _WIDTH), nn.Conv2d(_WIDTH, classes, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`(N, inputs, h, w)` to logits `(N, classes, h, w)`."""
        mean = self.mean(features).expand(-1, -1, *features.shape[-2:])
        return self.classify(self.project(torch.cat([*(branch(features) for branch in self.branches), mean], 1)))

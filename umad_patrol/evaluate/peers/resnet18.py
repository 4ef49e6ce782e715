"""ResNet-18 without its classifier (He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.evaluate.peers.blocks import conv_bn_relu

CHANNELS = (64, 128, 256, 512)  # of the four stages, at strides 4, 8, 16, 32


class ResNet18(nn.Module):
    """Features of a picture at strides 2 to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, CHANNELS[0], kernel=7, stride=2)
        sizes = zip((CHANNELS[0], *CHANNELS), CHANNELS, (1, 2, 2, 2))
        self.stages = nn.ModuleList(nn.Sequential(ResidualBlock(a, b, stride), ResidualBlock(b, b)) for a, b, stride in sizes)

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """`(N, 3, H, W)` to five features: the stem's 64 channels at stride 2, then those of the stages."""
        features = [self.stem(pictures)]
        deeper = F.max_pool2d(features[0], 3, stride=2, padding=1)
        for stage in self.stages:
            deeper = stage(deeper)
            features.append(deeper)
        return features


class ResidualBlock(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn_relu(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        same = stride == 1 and inputs == outputs
        self.past = nn.Identity() if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`(N, inputs, h, w)` to `(N, outputs, h / stride, w / stride)`."""
        return F.relu(self.second(self.first(features)) + self.past(features))

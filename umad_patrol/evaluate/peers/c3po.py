"""C-3PO with ResNet-18 (Wang, Gao, Wang: How to Reduce Change Detection to Semantic Segmentation, Pattern Recognition 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.evaluate.peers.blocks import conv_bn_relu, enlarged
from umad_patrol.evaluate.peers.deeplab_head import DeepLabHead
from umad_patrol.evaluate.peers.resnet18 import CHANNELS, ResNet18

_WIDTH = 512


class C3PO(nn.Module):
    """One encoder for both pictures, temporal features of all four stages merged at stride 4, DeepLabv3's head; 45 M parameters.

    As published with all kinds of change (I+A+D+E); the query is the later picture.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.trunk = ResNet18()
        self.temporal = nn.ModuleList(_TemporalFeatures(channels) for channels in CHANNELS)
        self.merge = _ScaleMerge()
        self.head = DeepLabHead(_WIDTH, classes)

    def forward(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Logits `(N, classes, H, W)` of two pictures `(N, 3, H, W)` RGB in [0, 1]."""
        pairs = [features.chunk(2) for features in self.trunk(torch.cat([query, reference]))[1:]]
        changes = [temporal(*pair) for temporal, pair in zip(self.temporal, pairs)]
        return enlarged(self.head(self.merge(changes)), query.shape[-2:])


class _TemporalFeatures(nn.Module):
    """What stays (I), appears (A), disappears (D) and is exchanged (E) between two features; A and D share a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.info, self.change, self.exchange = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3))

    def forward(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        appeared, disappeared = self.change(F.relu(query - reference)), self.change(F.relu(reference - query))
        return F.relu(self.info(query + reference) + appeared + disappeared + self.exchange((query - reference).abs()))


class _ScaleMerge(nn.Module):
    """A feature pyramid over the four stages, all its levels brought to the finest and merged there."""

    def __init__(self) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Sequential(nn.Conv2d(channels, _WIDTH, 1), nn.ReLU()) for channels in CHANNELS)
        self.smooth = nn.ModuleList(nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.ReLU()) for _ in CHANNELS)
        self.reduce = conv_bn_relu(len(CHANNELS) * _WIDTH, _WIDTH)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        levels, above = [], None
        for feature, lateral, smooth in reversed(list(zip(features, self.lateral, self.smooth))):
            level = lateral(feature)
            above = level if above is None else level + F.interpolate(above, size=level.shape[-2:])
            levels.append(smooth(above))
        return self.reduce(torch.cat([enlarged(level, features[0].shape[-2:]) for level in levels], 1))

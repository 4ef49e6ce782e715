"""CSCDNet (Sakurada, Shibuya, Wang: Weakly Supervised Silhouette-based Semantic Scene Change Detection, ICRA 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.evaluate.peers.blocks import conv_bn_relu, enlarged
from umad_patrol.evaluate.peers.correlation import correlation
from umad_patrol.evaluate.peers.resnet18 import ResNet18

_WINDOW = 21 * 21  # displacements of a correlation: -20 to 20 in steps of 2, both ways


class CSCDNet(nn.Module):
    """An encoder a picture, correlations at strides 2 and 8, a residual decoder; 94 M parameters.

    As published with correlation layers, but sizes need not divide by 64: each step up goes to the size of what it meets.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.encoders = nn.ModuleList([_Encoder(), _Encoder()])
        self.deepest = conv_bn_relu(2048, 1024)
        self.narrow = nn.Conv2d(1024, 512, 3, padding=1)
        self.narrow_bn = nn.BatchNorm2d(512)
        self.up32 = nn.ModuleList([_Decoder(512, 512, between=1024), _Decoder(512, 256)])
        self.up16 = nn.ModuleList([_Decoder(256, 256, between=512), _Decoder(256, 128)])
        self.up8 = nn.ModuleList([_Decoder(128, 128, before=256 + _WINDOW), _Decoder(128, 64)])
        self.up4 = nn.ModuleList([_Decoder(64, 64, between=128), _Decoder(64, 64)])
        self.finest = nn.Conv2d(64 + 128 + _WINDOW, 64, 7, padding=3, bias=False)
        self.finest_bn = nn.BatchNorm2d(64)
        self.classify = nn.Conv2d(64, classes, 1)

    def forward(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Logits `(N, classes, H, W)` of two pictures `(N, 3, H, W)` RGB in [0, 1]."""
        pairs = list(zip(self.encoders[0](query), self.encoders[1](reference)))
        both = [torch.cat(pair, 1) for pair in pairs]
        sizes = [features.shape[-2:] for features in both]
        decoded = self.narrow(self.deepest(both[5]))
        decoded = F.relu(self.narrow_bn(enlarged(decoded, sizes[4], corners=True)))
        decoded = self.up32[1](self.up32[0](decoded, between=both[4]), size=sizes[3])
        decoded = self.up16[1](self.up16[0](decoded, between=both[3]), size=sizes[2])
        decoded = self.up8[1](self.up8[0](decoded, before=_correlated(both[2], *pairs[2])), size=sizes[1])
        decoded = self.up4[1](self.up4[0](decoded, between=both[1]))
        decoded = torch.cat([enlarged(decoded, sizes[0], corners=True), _correlated(both[0], *pairs[0])], 1)
        decoded = enlarged(self.finest(decoded), query.shape[-2:], corners=True)
        return self.classify(F.relu(self.finest_bn(decoded)))


class _Encoder(nn.Module):
    """ResNet-18 and two convolutions below it: features at strides 2, 4, 8, 16, 32, 64."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ResNet18()
        self.below = nn.Sequential(conv_bn_relu(512, 1024, stride=2), conv_bn_relu(1024, 1024))

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        features = self.trunk(pictures)
        return [*features, self.below(features[-1])]


class _Decoder(nn.Module):
    """A residual block that other features join `before` its first or `between` its two convolutions, and that may enlarge."""

    def __init__(self, inputs: int, outputs: int, before: int = 0, between: int = 0) -> None:
        super().__init__()
        self.first = conv_bn_relu(inputs + before, inputs)
        self.second = nn.Conv2d(inputs + between, outputs, 3, padding=1, bias=False)
        self.second_bn = nn.BatchNorm2d(outputs)
        self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.past_bn = nn.Identity() if inputs == outputs else nn.BatchNorm2d(outputs)

    def forward(self, features: torch.Tensor, before: torch.Tensor | None = None, between: torch.Tensor | None = None,
                size: torch.Size | None = None) -> torch.Tensor:
        new = self.first(features if before is None else torch.cat([features, before], 1))
        new = self.second(new if between is None else torch.cat([new, between], 1))
        past = self.past(features)
        if size is not None:
            new, past = (enlarged(either, size, corners=True) for either in (new, past))
        return F.relu(self.second_bn(new) + self.past_bn(past))


def _correlated(both: torch.Tensor, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Features of both pictures and how they correlate."""
    return torch.cat([both, F.leaky_relu(correlation(query, reference), 0.1)], 1)

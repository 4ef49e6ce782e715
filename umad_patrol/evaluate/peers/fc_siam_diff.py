"""FC-Siam-diff (Daudt, Le Saux, Boulch: Fully Convolutional Siamese Networks for Change Detection, ICIP 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_CHANNELS = (16, 32, 64, 128)
_DEPTHS = (2, 2, 3, 3)  # convolutions a stage, on the way down and on the way up
_DROPOUT = 0.2


class FCSiamDiff(nn.Module):
    """A U-Net whose encoder sees both pictures and whose skips are |query - reference|; 1.35 M parameters.

    As published, but logits instead of their logarithmic softmax, and both pictures in one pass, so that training normalises
    them alike. The paper's transposed convolutions of stride 1 are convolutions.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS)
        self.down = nn.ModuleList(_stage([a] + [b] * depth) for a, b, depth in zip(inputs, _CHANNELS, _DEPTHS))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, output_padding=1) for c in _CHANNELS)
        outputs = (_CHANNELS[0], *_CHANNELS[:-1])
        self.up = nn.ModuleList(_stage([2 * a] + [a] * (depth - 1) + [b]) for a, b, depth in zip(_CHANNELS[1:], outputs[1:], _DEPTHS[1:]))
        self.up.insert(0, _stage([2 * _CHANNELS[0], _CHANNELS[0]]))
        self.classify = nn.Conv2d(_CHANNELS[0], classes, 3, padding=1)

    def forward(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Logits `(N, classes, H, W)` of two pictures `(N, 3, H, W)` RGB in [0, 1], 16 px a side or more."""
        features, deepest = self.encode(torch.cat([query, reference]))
        decoded = deepest[:len(query)]  # the paper decodes one picture's and leaves differing to the skips
        for feature, widen, stage in reversed(list(zip(features, self.widen, self.up))):
            of_query, of_reference = feature.chunk(2)
            decoded = stage(torch.cat([_filled(widen(decoded), feature.shape[-2:]), (of_query - of_reference).abs()], 1))
        return self.classify(decoded)

    def encode(self, pictures: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features at strides 1, 2, 4, 8, and the last of them at stride 16."""
        features = []
        for stage in self.down:
            features.append(stage(pictures))
            pictures = F.max_pool2d(features[-1], 2)
        return features, pictures


def _stage(channels: list[int]) -> nn.Sequential:
    """A convolution of 3x3, normalised, from each of `channels` to the next."""
    layers: list[nn.Module] = []
    for a, b in zip(channels, channels[1:]):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Dropout2d(_DROPOUT)]
    return nn.Sequential(*layers)


def _filled(features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """The last row and column repeated where halving an odd size has lost them."""
    lacking = size[1] - features.shape[-1], size[0] - features.shape[-2]
    return F.pad(features, (0, lacking[0], 0, lacking[1]), mode="replicate") if any(lacking) else features

"""A teacher to distil from: ESPNetv2 with its segmentation head, read from a checkpoint; never shipped.

Mehta et al., "ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network", CVPR 2019.
The names of the modules are those of the published checkpoints.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.errors import TrainingError
from umad_patrol.train.checkpoint import UNREADABLE

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VOC_VEHICLES, VOC_PERSON = (2, 6, 7, 14, 19), 15   # bicycle, bus, car, motorbike, train; person
BRANCHES = 4
DILATIONS = {13: (1, 2, 3, 4), 11: (1, 2, 3, 4), 9: (1, 2, 3, 4), 7: (1, 1, 2, 3)}
SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
DEPTH3, DEPTH4 = 3, 7


class Unit(nn.Module):
    """Convolution, normalisation and, where asked for, PReLU, by the checkpoint's names."""

    def __init__(self, inward: int, outward: int, size: int, stride: int = 1, groups: int = 1, act: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, size, stride, size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outward)
        self.act = nn.PReLU(outward) if act else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class Dilated(nn.Module):
    """A depth-wise dilated convolution."""

    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Activated(nn.Module):
    """Normalisation and PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn, self.act = nn.BatchNorm2d(channels), nn.PReLU(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(x))


class Pyramid(nn.Module):
    """An EESP block: reduce, dilated convolutions added up one after the other, merge."""

    def __init__(self, inward: int, outward: int, reach: int, stride: int = 1) -> None:
        super().__init__()
        part = outward // BRANCHES
        self.proj_1x1 = Unit(inward, part, 1, groups=BRANCHES)
        self.spp_dw = nn.ModuleList(Dilated(part, stride, dilation) for dilation in DILATIONS[reach])
        self.conv_1x1_exp = Unit(outward, outward, 1, groups=BRANCHES, act=False)
        self.br_after_cat = Activated(outward)
        self.module_act = nn.PReLU(outward)
        self._stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        reduced = self.proj_1x1(x)
        parts = [self.spp_dw[0](reduced)]
        for branch in self.spp_dw[1:]:
            parts.append(branch(reduced) + parts[-1])
        merged = self.conv_1x1_exp(self.br_after_cat(torch.cat(parts, 1)))
        if self._stride == 2:
            return merged
        return self.module_act(merged + x if merged.shape == x.shape else merged)


class Down(nn.Module):
    """Half the size: the mean of the input beside an EESP block's output, with the picture itself added."""

    def __init__(self, inward: int, outward: int, reach: int) -> None:
        super().__init__()
        self.eesp = Pyramid(inward, outward - inward, reach, stride=2)
        self.inp_reinf = nn.Sequential(Unit(3, 3, 3), Unit(3, outward, 1, act=False))
        self.act = nn.PReLU(outward)

    def forward(self, x: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        mean = F.avg_pool2d(x, 3, 2, 1)
        while picture.shape[-1] > mean.shape[-1]:
            picture = F.avg_pool2d(picture, 3, 2, 1)
        return self.act(torch.cat([mean, self.eesp(x)], 1) + self.inp_reinf(picture))


class Backbone(nn.Module):
    """The encoder to stride 16; `forward` gives the features at strides 2, 4, 8 and 16."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.level1 = Unit(3, widths[0], 3, 2)
        self.level2_0 = Down(widths[0], widths[1], 13)
        self.level3_0 = Down(widths[1], widths[2], 11)
        self.level3 = nn.ModuleList(Pyramid(widths[2], widths[2], 9) for _ in range(DEPTH3))
        self.level4_0 = Down(widths[2], widths[3], 9)
        self.level4 = nn.ModuleList(Pyramid(widths[3], widths[3], 7) for _ in range(DEPTH4))

    def forward(self, picture: torch.Tensor) -> list[torch.Tensor]:
        second = self.level1(picture)
        fourth = self.level2_0(second, picture)
        eighth = self.level3_0(fourth, picture)
        for layer in self.level3:
            eighth = layer(eighth)
        last = self.level4_0(eighth, picture)
        for layer in self.level4:
            last = layer(last)
        return [second, fourth, eighth, last]


def _normalised(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))


class _Named(nn.Module):
    """Modules under the name that the checkpoint has for them."""

    def __init__(self, name: str, *modules: nn.Module) -> None:
        super().__init__()
        self._inner = name
        setattr(self, name, nn.Sequential(*modules))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, self._inner)(x)


def _convolved(inward: int, outward: int, size: int, groups: int = 1) -> _Named:
    return _Named("cbr", nn.Conv2d(inward, outward, size, padding=size // 2, groups=groups, bias=False), nn.BatchNorm2d(outward), nn.PReLU(outward))


class Shuffle(nn.Module):
    """Channels of as many groups as there are scales, interleaved."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(1, (len(SCALES), -1)).transpose(1, 2).flatten(1, 2)


class Pooled(nn.Module):
    """Efficient pyramid pooling: one depth-wise convolution at each of five scales."""

    def __init__(self, inward: int, middle: int, outward: int, last: bool = False) -> None:
        super().__init__()
        self.projection_layer = _convolved(inward, middle, 1)
        self.stages = nn.ModuleList(nn.Conv2d(middle, middle, 3, padding=1, groups=middle, bias=False) for _ in SCALES)
        self.merge_layer = nn.Sequential(_Named("br", *_normalised(middle * len(SCALES))), Shuffle(),
                                         _convolved(middle * len(SCALES), middle, 3, middle), nn.Conv2d(middle, outward, 1, bias=last))
        self.br = nn.Identity() if last else _Named("br", *_normalised(outward))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.projection_layer(x)
        return self.br(self.merge_layer(torch.cat([_at_scale(x, scale, stage) for scale, stage in zip(SCALES, self.stages)], 1)))


def _at_scale(x: torch.Tensor, scale: float, stage: nn.Module) -> torch.Tensor:
    size = x.shape[-2:]
    other = [max(5, -int(-side * scale // 1)) for side in size]
    if scale > 1:
        return F.adaptive_avg_pool2d(stage(F.interpolate(x, other, mode="bilinear", align_corners=True)), size)
    if scale < 1:
        return F.interpolate(stage(F.adaptive_avg_pool2d(x, other)), size, mode="bilinear", align_corners=True)
    return stage(x)


class Gated(nn.Module):
    """A projection of the encoder's features, weighted channel by channel."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inward, outward, 1, bias=False), nn.Sigmoid())
        self.expansion_layer = _convolved(inward, outward, 3, math.gcd(inward, outward))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.expansion_layer(x) * self.wt_layer(x)


class Teacher(nn.Module):
    """ESPNetv2 for 21 VOC classes, frozen."""

    def __init__(self, widths: tuple[int, ...], classes: int = 21) -> None:
        super().__init__()
        planes, middle = (64, 48, 32, classes), 10
        self.widths = tuple(widths[1:])     # of the features at strides 4, 8, 16
        self.base_net = Backbone(widths)
        self.bu_dec_l1 = Pooled(widths[3], middle, planes[0])
        self.bu_dec_l2 = Pooled(planes[0], middle, planes[1])
        self.bu_dec_l3 = Pooled(planes[1], middle, planes[2])
        self.bu_dec_l4 = Pooled(planes[2], middle, planes[3], last=True)
        self.merge_enc_dec_l2 = Gated(widths[2], planes[0])
        self.merge_enc_dec_l3 = Gated(widths[1], planes[1])
        self.merge_enc_dec_l4 = Gated(widths[0], planes[2])
        self.bu_br_l2, self.bu_br_l3, self.bu_br_l4 = (_normalised(channels) for channels in planes[:3])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @torch.inference_mode()
    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features at strides 4, 8 and 16 of RGB pictures `(N, 3, H, W)` in [0, 1]."""
        return self.base_net((pictures - self.mean) / self.std)[1:]

    @torch.inference_mode()
    def classes(self, pictures: torch.Tensor) -> torch.Tensor:
        """Probability `(N, 21, H, W)` of every VOC class; sides must be multiples of 16."""
        second, fourth, eighth, last = self.base_net((pictures - self.mean) / self.std)
        x = _doubled(self.bu_dec_l1(last))
        x = _doubled(self.bu_dec_l2(self.bu_br_l2(self.merge_enc_dec_l2(eighth) + x)))
        x = _doubled(self.bu_dec_l3(self.bu_br_l3(self.merge_enc_dec_l3(fourth) + x)))
        x = self.bu_dec_l4(self.bu_br_l4(self.merge_enc_dec_l4(second) + x))
        return _doubled(x).softmax(1)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def load_teacher(path: str | Path) -> Teacher:
    """The teacher in a checkpoint of sacmehta/EdgeNets. Raises TrainingError where it is none."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)   # weights_only: tensors, no code
        teacher = Teacher(tuple(weights[f"base_net.{name}"].shape[0] for name in
                                ("level1.conv.weight", "level2_0.act.weight", "level3_0.act.weight", "level4_0.act.weight")))
        teacher.load_state_dict(weights)
    except UNREADABLE as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise TrainingError(f"{path} holds no ESPNetv2 segmentation weights ({why}); name a checkpoint of EdgeNets' espnetv2, or train without") from error
    return teacher.eval().requires_grad_(False)

"""A network for use: every normalisation folded into the convolution before it, the pictures' gain into the one after it."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from umad_patrol.detect.change_net.network import ChangeNet


def folded(network: ChangeNet) -> ChangeNet:
    """A copy in eval mode that gives the same, faster."""
    network = copy.deepcopy(network).eval()
    _fold(network)
    network.encoder.fourth[0][0].weight.data.mul_(network.encoder.gain)
    network.encoder.gain = 1.0
    return network.requires_grad_(False)


def _fold(module: nn.Module) -> None:
    for name, child in module.named_children():
        _fold(child)
        if isinstance(child, nn.Sequential):
            setattr(module, name, nn.Sequential(*_joined(list(child))))


def _joined(layers: list[nn.Module]) -> list[nn.Module]:
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and kept and isinstance(kept[-1], nn.Conv2d):
            kept[-1] = fuse_conv_bn_eval(kept[-1], layer)
        else:
            kept.append(layer)
    return kept

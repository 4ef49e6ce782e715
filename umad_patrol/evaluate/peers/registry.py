"""Peers by name."""

from __future__ import annotations

from torch import nn

from umad_patrol.errors import ConfigError
from umad_patrol.evaluate.peers.c3po import C3PO
from umad_patrol.evaluate.peers.cscdnet import CSCDNet
from umad_patrol.evaluate.peers.fc_siam_diff import FCSiamDiff

PEERS = {"FC-Siam-diff": FCSiamDiff, "CSCDNet": CSCDNet, "C-3PO ResNet-18": C3PO}


def make_peer(name: str, classes: int = 2) -> nn.Module:
    """The peer of that name with random weights. Raises ConfigError if there is none."""
    if name not in PEERS:
        raise ConfigError(f"there is no peer {name!r}; known are {', '.join(PEERS)}")
    return PEERS[name](classes)

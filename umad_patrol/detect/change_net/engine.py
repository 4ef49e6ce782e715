"""What runs the network."""

from __future__ import annotations

import torch

from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.network import ChangeNet


class TorchEngine:
    """Plain torch, channels last; half precision on a GPU."""

    name = "torch"

    def __init__(self, network: ChangeNet, device: torch.device) -> None:
        self._type = torch.float16 if device.type == "cuda" else torch.float32
        self._network = folded(network).to(device, self._type, memory_format=torch.channels_last)

    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of a picture `(1, 3, H, W)`, sides whole cells."""
        return self._network.encode(picture.to(self._type).contiguous(memory_format=torch.channels_last))

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(1, 3, H/2, W/2)` of two encoded pictures and their valid mask `(1, 1, H, W)`."""
        return self._network.compare(query, reference, valid.to(self._type))


def make_engine(name: str, network: ChangeNet, device: torch.device) -> TorchEngine:
    """The engine of that name."""
    return TorchEngine(network, device)

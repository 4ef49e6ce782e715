"""The network in torch itself."""

from __future__ import annotations

import torch

from umad_patrol.detect.change_net.engines.replay import Replayed
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.network import ChangeNet

Features = tuple[torch.Tensor, ...]


class TorchEngine:
    """Plain torch, channels last; half precision on a GPU."""

    name = "torch"

    def __init__(self, network: ChangeNet, device: torch.device) -> None:
        self._type = torch.float16 if device.type == "cuda" else torch.float32
        self._network = folded(network).to(device, self._type, memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, picture: torch.Tensor) -> Features:
        """Features of pictures `(N, 3, H, W)`, sides multiples of 16."""
        return self._network.encode(picture.to(self._type, memory_format=torch.channels_last))

    @torch.inference_mode()
    def compare(self, query: Features, reference: Features, valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        return self._network.compare(query, reference, valid.to(self._type))


class ReplayedEngine:
    """A TorchEngine on a GPU by CUDA graphs; `plain` is the engine itself, for who records it with what else is to be done."""

    name = TorchEngine.name

    def __init__(self, plain: TorchEngine) -> None:
        self.plain = plain
        self._encode = Replayed(plain.encode)
        self._compare = Replayed(lambda *tensors: (plain.compare(tensors[:3], tensors[3:6], tensors[6]),))

    @torch.inference_mode()
    def encode(self, picture: torch.Tensor) -> Features:
        """Features of pictures `(N, 3, H, W)`, sides multiples of 16."""
        return self._encode(picture)

    @torch.inference_mode()
    def compare(self, query: Features, reference: Features, valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        return self._compare(*query, *reference, valid)[0]

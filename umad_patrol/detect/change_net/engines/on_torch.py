"""The network in torch itself."""

from __future__ import annotations

import torch

from umad_patrol.detect.change_net.engines.replay import Replayed
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.network import ChangeNet


class TorchEngine:
    """Plain torch, channels last; half precision and CUDA graphs on a GPU."""

    name = "torch"

    def __init__(self, network: ChangeNet, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self._type = torch.float16 if on_gpu else torch.float32
        network = folded(network).to(device, self._type, memory_format=torch.channels_last)

        def compare(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (network.compare(tensors[:3], tensors[3:6], tensors[6]),)

        functions = network.encode, compare
        self._encode, self._compare = map(Replayed, functions) if on_gpu else functions

    @torch.inference_mode()
    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of pictures `(N, 3, H, W)`, sides multiples of 16."""
        return self._encode(picture.to(self._type).contiguous(memory_format=torch.channels_last))

    @torch.inference_mode()
    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        return self._compare(*query, *reference, valid.to(self._type))[0]

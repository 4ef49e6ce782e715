"""A published network trained on our pairs, with our loss, for the same time, so that accuracy is compared on equal terms."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from umad_patrol.detect.change_net.network import CLASSES, PRIOR
from umad_patrol.errors import WeightsError
from umad_patrol.evaluate.peers.fc_siam_diff import FCSiamDiff

FORMAT = "umad_patrol peer fc_siam_diff 1"


class SiamDiffPeer(nn.Module):
    """FC-Siam-diff with the classes of the change network, behind the same call: logits `(N, 3, H, W)`; the valid mask is ignored.

    Like the change network it begins by saying that next to nothing has changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = FCSiamDiff(len(CLASSES))
        nn.init.constant_(self.network.classify.bias, float(torch.logit(torch.tensor(PRIOR))))

    def forward(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        return self.network(query, reference)


def save_peer(peer: SiamDiffPeer, path: str | Path, card: dict) -> None:
    """Write the weights, marked as a peer's: beside, then renamed."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: value.detach().cpu().contiguous() for name, value in peer.state_dict().items()}
    beside.write_bytes(save(tensors, {"format": FORMAT, "card": json.dumps(card, sort_keys=True)}))
    beside.replace(path)


def load_peer(path: str | Path) -> SiamDiffPeer:
    """The peer in eval mode. Raises WeightsError naming the file and what is wrong with it."""
    try:
        with safe_open(path, "pt") as file:
            tensors, meta = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        if meta.get("format") != FORMAT:
            raise WeightsError(f"weights {str(path)!r} are of {meta.get('format', 'an unknown network')!r}, not {FORMAT!r}")
        peer = SiamDiffPeer()
        peer.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(f"weights {str(path)!r} cannot be read ({' '.join(str(error).split())[:160]})") from error
    return peer.eval().requires_grad_(False)

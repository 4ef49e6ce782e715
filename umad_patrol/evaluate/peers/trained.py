"""A published network trained on our pairs, with our loss, for the same time, and scored as ours is: accuracy on equal terms."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from umad_patrol.detect.change_net.network import CLASSES, PRIOR
from umad_patrol.detect.change_net.weights import check_finite
from umad_patrol.detect.contract import check_picture, check_sizes
from umad_patrol.errors import WeightsError
from umad_patrol.evaluate.peers.fc_siam_diff import FCSiamDiff
from umad_patrol.io.files import replaced

FORMAT = "umad_patrol peer fc_siam_diff 1"
SMALLEST_PX = 16    # a side that FC-Siam-diff can halve as often as it does


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
    tensors = {name: value.detach().cpu().contiguous() for name, value in peer.state_dict().items()}
    with replaced(path) as file:
        file.write_bytes(save(tensors, {"format": FORMAT, "card": json.dumps(card, sort_keys=True)}))


def load_peer(path: str | Path) -> SiamDiffPeer:
    """The peer in eval mode. Raises WeightsError naming the file and what is wrong with it."""
    try:
        with safe_open(path, "pt") as file:
            tensors, meta = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        if meta.get("format") != FORMAT:
            raise WeightsError(f"weights {str(path)!r} are of {meta.get('format', 'an unknown network')!r}, not {FORMAT!r}")
        check_finite(tensors, path)
        peer = SiamDiffPeer()
        peer.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(f"weights {str(path)!r} cannot be read ({' '.join(str(error).split())[:160]})") from error
    return peer.eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Cut:
    """A picture `(1, 3, H - top, W)` from row `top` down, and its whole size (H, W)."""

    picture: torch.Tensor
    size: tuple[int, int]
    top: int


class PeerDetector:
    """A trained peer as a detector: to be scored, not to patrol with."""

    name = "fc_siam_diff"
    classes = CLASSES

    def __init__(self, path: str | Path, device: torch.device):
        """Raises WeightsError."""
        self._peer = load_peer(path).to(device, memory_format=torch.channels_last)
        self.checksum = hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def prepare(self, picture: torch.Tensor, top: int = 0) -> Cut:
        """What lies from row `top` down, SMALLEST_PX rows or more. Raises DetectorError."""
        check_picture(picture)
        height, width = picture.shape[2:]
        top = max(0, min(top, height - SMALLEST_PX))
        return Cut(picture[:, :, top:], (height, width), top)

    @torch.inference_mode()
    def compare(self, query: Cut, reference: Cut, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, 3, H, W)` in [0, 1]. Raises DetectorError on unequal sizes."""
        check_sizes(query.size, reference.size, valid)
        seen = valid[:, :, query.top:].to(query.picture.dtype)
        return F.pad(self._peer(query.picture, reference.picture, seen).sigmoid() * seen, (0, 0, query.top, 0))

    def score(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, 3, H, W)` in [0, 1] of two aligned pictures. Raises DetectorError."""
        return self.compare(self.prepare(query), self.prepare(reference), valid)

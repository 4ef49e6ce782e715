"""Weights on disk: safetensors with the name of the network, a checksum of every number and how they came to be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.errors import WeightsError
from umad_patrol.io.files import replaced

SHIPPED = Path(__file__).with_name("change_net.safetensors")
FORMAT = "umad_patrol change_net 2"
COUNTERS = "num_batches_tracked"    # of the training only
CLOSER = "closer."                  # the tensors of the network that looks closer, where there is one of its own, begin with this


def save_weights(network: ChangeNet, path: str | Path, card: dict | None = None, closer: ChangeNet | None = None) -> str:
    """Write weights, perhaps those of a network that looks `closer` too, and a `card` that says how they came to be: beside, then renamed.

    Returns their checksum.
    """
    tensors = _tensors(network) | ({CLOSER + name: value for name, value in _tensors(closer).items()} if closer is not None else {})
    checksum = _checksum(tensors)
    with replaced(path) as file:
        file.write_bytes(save(tensors, {"format": FORMAT, "sha256": checksum, "card": json.dumps(card or {}, sort_keys=True)}))
    return checksum


def load_weights(path: str | Path = SHIPPED) -> tuple[ChangeNet, str]:
    """The network in eval mode and the checksum of all weights. Raises WeightsError naming the file and what is wrong with it."""
    path = Path(path)
    tensors, checksum = _checked(path)
    return _network({name: value for name, value in tensors.items() if not name.startswith(CLOSER)}, path), checksum


def load_closer(path: str | Path = SHIPPED) -> ChangeNet | None:
    """The network that looks closer, in eval mode; None where the first one does. Raises WeightsError."""
    path = Path(path)
    tensors = {name.removeprefix(CLOSER): value for name, value in _checked(path)[0].items() if name.startswith(CLOSER)}
    return _network(tensors, path) if tensors else None


def read_card(path: str | Path = SHIPPED) -> dict:
    """How the weights came to be. Raises WeightsError."""
    try:
        return json.loads(_read(Path(path))[1].get("card", "{}"))
    except ValueError as error:
        raise WeightsError(f"weights {str(path)!r} have an unreadable card: {error}") from error


def check_finite(tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Raise WeightsError unless all numbers are finite: what scores NaN is no region, so nothing would be found and nobody told."""
    wild = [name for name, value in tensors.items() if not value.isfinite().all()]
    if wild:
        raise WeightsError(f"weights {str(path)!r} hold NaN or infinite numbers ({len(wild)} of {len(tensors)} tensors, first {wild[0]}): "
                           "the training that made them went astray; name others")


def _tensors(network: ChangeNet) -> dict[str, torch.Tensor]:
    return {name: value.detach().float().cpu().contiguous() for name, value in network.state_dict().items() if not name.endswith(COUNTERS)}


def _checked(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """All tensors of a sound file and their checksum."""
    tensors, meta = _read(path)
    if meta.get("format") != FORMAT:
        raise WeightsError(f"weights {str(path)!r} are of {meta.get('format', 'an unknown network')!r}, not {FORMAT!r}")
    checksum = _checksum(tensors)
    if meta.get("sha256") != checksum:
        raise WeightsError(f"weights {str(path)!r} are damaged: their checksum is {checksum[:12]}…, {str(meta.get('sha256'))[:12]}… is written in them")
    check_finite(tensors, path)
    return tensors, checksum


def _network(tensors: dict[str, torch.Tensor], path: Path) -> ChangeNet:
    network = ChangeNet(correlated="differences.0.project.weight" in tensors)
    try:
        missing, unknown = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"weights {str(path)!r} do not fit the network: {' '.join(str(error).split())[:160]}") from error
    lacking = [name for name in missing if not name.endswith(COUNTERS)]
    if lacking or unknown:
        raise WeightsError(f"weights {str(path)!r} are of another network: {len(lacking)} of its tensors are lacking, {len(unknown)} are others; "
                           "name weights of this version with detect.weights")
    return network.eval().requires_grad_(False)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"weights {str(path)!r} cannot be read ({' '.join(str(error).split())[:120]}); "
                           "install the package anew, or name others with detect.weights") from error


def _checksum(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of names, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name}{tuple(tensors[name].shape)}{tensors[name].dtype}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()

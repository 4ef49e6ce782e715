"""Networks alone, side by side: ours, every detector as it is called, and the peers with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from umad_patrol.align.warp import Laid
from umad_patrol.comparer import one_thread
from umad_patrol.config import Settings
from umad_patrol.detect import Detector, Laying, make_detector
from umad_patrol.detect.change_net.engines import INT8
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.registry import DETECTORS
from umad_patrol.errors import DetectorError
from umad_patrol.evaluate.peers import PEERS, make_peer
from umad_patrol.evaluate.timing import once
from umad_patrol.io.images import to_image

KNOWN = "change_net, keyframe encoded"
KNOWN_INT8 = "in 8 bits, keyframe encoded"
Pairwise = Callable[[torch.Tensor, torch.Tensor], object]
_LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}


@dataclass(frozen=True, eq=False)
class Contestant:
    """A `call(query, reference)` on pictures `(N, 3, h, w)`; `network` is None where it is no network, which takes N = 1 alone."""

    call: Pairwise
    parameters: int
    network: nn.Module | None = None


class SeesAll(nn.Module):
    """A network of query, reference and valid mask as one of query and reference, everything being valid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Scores of two pictures `(N, 3, h, w)`."""
        return self.network(query, reference, torch.ones_like(query[:, :1]))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"change net": lambda: SeesAll(ChangeNet())}
"""Ours: by name what makes a network with `forward(query, reference)`; the others are related to the first."""


def contestants(settings: Settings, device: torch.device, peers: bool) -> dict[str, Callable[[], Contestant]]:
    """By name what makes each: our networks, the detectors, the peers."""
    ours = {name: partial(_of_network, make, device) for name, make in NETWORKS.items()}
    detectors = {f"detector {name}": partial(_of_detector, name, settings, device) for name in DETECTORS}
    if isinstance(make_detector(settings.detect, device), Laying):
        detectors[KNOWN] = partial(_of_known, settings, device)
        if (in_8_bits := _in_8_bits(settings, device)) is not None:
            detectors |= {"change_net in 8 bits": partial(_of_detector, "change_net", in_8_bits, device), KNOWN_INT8: partial(_of_known, in_8_bits, device)}
    theirs = {name: partial(_of_network, partial(make_peer, name), device) for name in PEERS}
    return ours | detectors | (theirs if peers else {})


def laid_out(contestant: Contestant, query: torch.Tensor, reference: torch.Tensor, half: bool) -> tuple[Callable[[], object], str]:
    """A call on the pictures, the network in the quicker of two memory layouts by a trial; and that layout's name."""
    if contestant.network is None:
        return lambda: contestant.call(query, reference), ""
    trials = {name: _trial(contestant, query, reference, half, layout) for name, layout in _LAYOUTS.items()}
    best = min(trials, key=trials.get)
    return _call(contestant, query, reference, half, _LAYOUTS[best]), best


def _trial(contestant: Contestant, query: torch.Tensor, reference: torch.Tensor, half: bool, layout: torch.memory_format) -> float:
    call = _call(contestant, query, reference, half, layout)
    call()
    return min(once(call, query.device) for _ in range(2))


def _call(contestant: Contestant, query: torch.Tensor, reference: torch.Tensor, half: bool,
          layout: torch.memory_format) -> Callable[[], object]:
    kind = torch.float16 if half else torch.float32
    contestant.network.to(dtype=kind, memory_format=layout)
    query, reference = (picture.to(dtype=kind, memory_format=layout) for picture in (query, reference))
    return torch.inference_mode()(lambda: contestant.call(query, reference))


def _of_network(make: Callable[[], nn.Module], device: torch.device) -> Contestant:
    with device:
        network = make().eval()
    return Contestant(network, _parameters(network), network)


def _of_detector(name: str, settings: Settings, device: torch.device) -> Contestant:
    detector = make_detector(replace(settings.detect, detector=name), device, torch.get_num_threads())
    call = _alone(detector, lambda query, reference: detector.score(query, reference, torch.ones_like(query[:, :1], dtype=torch.bool)))
    return Contestant(call, getattr(detector, "parameters", 0))


def _of_known(settings: Settings, device: torch.device) -> Contestant:
    """The detector on a patrol: of a keyframe that it has encoded before the features are laid."""
    detector, known = make_detector(settings.detect, device, torch.get_num_threads()), {}

    def call(query: torch.Tensor, reference: torch.Tensor) -> object:
        if not known:
            laid = Laid(to_image(reference), np.eye(3), tuple(query.shape[:1:-1]), device)
            known.update(prepared=detector.unpacked(detector.packed(detector.prepare(reference))), laid=laid, valid=torch.ones_like(query[:, :1], dtype=torch.bool))
        prepared = detector.prepare(query)
        return detector.compare(prepared, detector.lay(known["prepared"], known["laid"], prepared), known["valid"])

    return Contestant(_alone(detector, call), detector.parameters)


def _in_8_bits(settings: Settings, device: torch.device) -> Settings | None:
    """The settings with the engine int8; None where they have it anyway, or it does not work."""
    changed = replace(settings, detect=replace(settings.detect, engine=INT8))
    try:
        make_detector(changed.detect, device)
    except DetectorError:
        return None
    return changed if changed != settings else None


def _alone(detector: Detector, call: Pairwise) -> Pairwise:
    """The call as on a patrol: where an engine has threads of its own torch has one, as others would spin on the engine's cores."""
    if getattr(getattr(detector, "engine", None), "name", "torch") == "torch":
        return call

    def alone(query: torch.Tensor, reference: torch.Tensor) -> object:
        with one_thread():
            return call(query, reference)

    return alone


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())

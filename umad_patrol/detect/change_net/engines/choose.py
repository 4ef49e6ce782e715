"""The engine of a name, or the fastest that works here."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import Protocol

import torch

from umad_patrol.detect.change_net.engines.on_onnxruntime import Int8Engine, OnnxruntimeEngine
from umad_patrol.detect.change_net.engines.on_openvino import OpenvinoEngine
from umad_patrol.detect.change_net.engines.on_torch import ReplayedEngine, TorchEngine
from umad_patrol.detect.change_net.graphs import Graphs
from umad_patrol.detect.change_net.network import SIDE, ChangeNet, compared
from umad_patrol.errors import DetectorError

log = logging.getLogger(__name__)

GRAPH_ENGINES = {"onnxruntime": OnnxruntimeEngine, "openvino": OpenvinoEngine}     # by the package they need; `auto` tries them in this order
TOLERANCE = 1e-3    # of logits, and so of scores: engines that differ more from torch are not used
INT8 = Int8Engine.name  # what has to be asked for: its scores differ
INT8_TOLERANCE = 0.03   # of scores, in the mean
_TRIAL_SIZE = 3 * SIDE, 4 * SIDE


class Engine(Protocol):
    """Runs both halves of the network, in several threads at once if need be; tensors are on the device that it was made for."""

    name: str

    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features at the strides 4, 8 and 16 of pictures `(N, 3, H, W)`, float RGB in [0, 1], sides multiples of 16."""
        ...

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        ...


def make_engine(name: str, network: ChangeNet, device: torch.device, graphs: Graphs, threads: int = 1) -> Engine:
    """The engine of that name, with so many threads a call; `auto` is the fastest that works here and agrees.

    Raises DetectorError where the one that is asked for is not installed, has no graphs, fails or disagrees with torch.
    """
    if name == "torch" or (name == "auto" and device.type != "cpu"):
        plain = TorchEngine(network, device)
        return ReplayedEngine(plain) if device.type == "cuda" else plain
    if name == "auto":
        return _fastest(network, graphs, threads) or TorchEngine(network, device)
    if device.type != "cpu":
        raise DetectorError(f"engine {name!r} runs on the CPU, the device is {device}; set detect.engine to auto, or device to cpu")
    package = OnnxruntimeEngine.name if name == INT8 else name
    if not _installed(package):
        raise DetectorError(f"engine {name!r} is not installed; pip install {package}, or set detect.engine to auto or torch")
    return _started(name, network, replace(graphs, int8=name == INT8).read(), threads)


def _fastest(network: ChangeNet, graphs: Graphs, threads: int) -> Engine | None:
    """The first engine on graphs that works; None, with a warning if there should be one, if there is none."""
    names = [name for name in GRAPH_ENGINES if _installed(name)]
    try:
        parts = graphs.read() if names else {}
        for name in names:
            try:
                return _started(name, network, parts, threads)
            except DetectorError as error:
                log.warning("%s; trying the next", error)
    except DetectorError as error:
        log.warning("%s is left unused: %s", " or ".join(names), error)
    return None


def _started(name: str, network: ChangeNet, parts: dict[str, bytes], threads: int) -> Engine:
    """An engine that has shown that it agrees with torch. Raises DetectorError, whatever its library raises."""
    try:
        engine = (GRAPH_ENGINES | {INT8: Int8Engine})[name](parts, threads)
        logits, scores = differences_of(engine, network)
    except Exception as error:  # an installed library can be broken or too old in any way; that is no reason to go down
        raise DetectorError(f"engine {name!r} failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    difference, tolerance = (scores, INT8_TOLERANCE) if name == INT8 else (logits, TOLERANCE)
    if not difference <= tolerance:
        raise DetectorError(f"engine {name!r} differs from torch by {difference:.2g}, more than {tolerance:g}")
    return engine


@torch.inference_mode()
def differences_of(engine: Engine, network: ChangeNet) -> tuple[float, float]:
    """Largest difference of logits, and mean one of scores, between an engine and plain torch for two small pictures of noise."""
    noise = torch.Generator().manual_seed(0)
    query, reference = (torch.rand(1, 3, *_TRIAL_SIZE, generator=noise) for _ in range(2))
    valid = torch.ones(1, 1, *_TRIAL_SIZE)
    valid[..., :SIDE] = 0
    ours, theirs = (compared(one, query, reference, valid) for one in (engine, network))
    return float((ours - theirs).abs().max()), float((ours.sigmoid() - theirs.sigmoid()).abs().mean())


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False

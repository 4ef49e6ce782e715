"""The network's graphs in OpenVINO, on the CPU."""

from __future__ import annotations

import os
from queue import Empty, SimpleQueue
from typing import Any

import torch

from umad_patrol.detect.change_net.graphs import INPUTS, fed

MOST_AT_ONCE = 4    # calls that run side by side; more wait for one another


class OpenvinoEngine:
    """OpenVINO with `threads` threads for each call at a time, in single precision whatever the CPU would rather have."""

    name = "openvino"

    def __init__(self, graphs: dict[str, bytes], threads: int = 1) -> None:
        import openvino

        core, at_once = openvino.Core(), max(1, min(MOST_AT_ONCE, (os.cpu_count() or 1) // threads))
        settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": at_once, "INFERENCE_NUM_THREADS": threads * at_once,
                    "ENABLE_CPU_PINNING": False}
        self._parts = {part: _Part(core.compile_model(core.read_model(graph), "CPU", settings), INPUTS[part]) for part, graph in graphs.items()}

    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of pictures `(N, 3, H, W)`, sides multiples of 16."""
        return self._parts["encode"].run(picture)

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        return self._parts["compare"].run(*query, *reference, valid)[0]


class _Part:
    """A compiled graph and its idle requests: one serves one call at a time, and keeps its buffers."""

    def __init__(self, compiled: Any, inputs: tuple[str, ...]) -> None:
        self._compiled, self._inputs = compiled, inputs
        self._idle: SimpleQueue = SimpleQueue()

    def run(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        found = request.infer(fed(self._inputs, tensors), share_inputs=True)     # its outputs are copies
        outputs = tuple(torch.from_numpy(found[i]) for i in range(len(self._compiled.outputs)))
        self._idle.put(request)
        return outputs

"""The network's graphs in ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import torch

from umad_patrol.detect.change_net.graphs import INPUTS, fed

if TYPE_CHECKING:
    import onnxruntime

ERRORS_ONLY = 3     # severity of what ONNX Runtime writes to standard error


class OnnxruntimeEngine:
    """ONNX Runtime with `threads` threads for each call at a time; a call with one thread runs in the caller's.

    Several threads share one picture, operation by operation, or where there are more the pictures: so they need not wait for one another.
    """

    name = "onnxruntime"

    def __init__(self, graphs: dict[str, bytes], threads: int = 1) -> None:
        self._threads, self._together = threads, _sessions(graphs, threads)
        self._apart = _sessions(graphs, 1) if threads > 1 else self._together
        self._pool = ThreadPoolExecutor(os.cpu_count(), "onnxruntime")      # begun when first needed

    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of pictures `(N, 3, H, W)`, sides multiples of 16."""
        return self.run("encode", picture)

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3, H/2, W/2)` of two times N encoded pictures and their valid masks `(N, 1, H, W)`."""
        return self.run("compare", *query, *reference, valid)[0]

    def run(self, part: str, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the graph `part` gives for its inputs, in order."""
        if self._threads == 1 or len(tensors[0]) == 1:
            return _run(self._together[part], part, tensors)
        shares = zip(*(tensor.chunk(self._threads) for tensor in tensors))
        return tuple(map(torch.cat, zip(*self._pool.map(partial(_run, self._apart[part], part), shares))))


def _sessions(graphs: dict[str, bytes], threads: int) -> dict[str, onnxruntime.InferenceSession]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")    # others need the cores
    options.enable_mem_pattern = False      # sizes vary from frame to frame
    options.enable_cpu_mem_arena = False    # it would hold the most that any call has taken, beside what malloc holds anyway
    options.log_severity_level = ERRORS_ONLY
    return {part: onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]) for part, graph in graphs.items()}


def _run(session: onnxruntime.InferenceSession, part: str, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, session.run(None, fed(INPUTS[part], tensors))))


class Int8Engine(OnnxruntimeEngine):
    """The same on graphs that calculate in 8 bits (`quantized.py`)."""

    name = "int8"

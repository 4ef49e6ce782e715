"""A function of tensors on a GPU, recorded once for each set of shapes and launched whole from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)

MOST_GRAPHS = 6     # each keeps its own memory; further shapes run kernel by kernel
WARM_UPS = 3        # as torch's notes on CUDA graphs ask for
Tensors = tuple[torch.Tensor, ...]


class Replayed:
    """`function(*tensors)`, which gives a tuple of tensors, by CUDA graphs; eager where none can be recorded."""

    def __init__(self, function: Callable[..., Tensors]) -> None:
        self._function = function
        self._graphs: dict[tuple, Callable[[Tensors], Tensors] | None] = {}
        self._lock = threading.Lock()

    def __call__(self, *tensors: torch.Tensor) -> Tensors:
        key = tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors)
        with self._lock:    # inputs and outputs of a graph lie at fixed addresses
            if key not in self._graphs and len(self._graphs) < MOST_GRAPHS:
                self._graphs[key] = self._recorded(tensors)
            replay = self._graphs.get(key)
            return self._function(*tensors) if replay is None else replay(tensors)

    def _recorded(self, tensors: Tensors) -> Callable[[Tensors], Tensors] | None:
        try:
            return record(self._function, tensors)
        except RuntimeError as error:
            log.warning("no CUDA graph for %s: %s", [tuple(tensor.shape) for tensor in tensors], error)
            return None


def record(function: Callable[..., Tensors], tensors: Tensors) -> Callable[[Tensors], Tensors]:
    """A replay of `function` for tensors of these shapes; what it gives is the caller's own. Raises RuntimeError."""
    inputs = [tensor.clone() for tensor in tensors]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            function(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):    # other threads may use the GPU meanwhile
        outputs = function(*inputs)

    def replay(tensors: Tensors) -> Tensors:
        torch._foreach_copy_(inputs, tensors)   # one launch where they lie alike
        graph.replay()
        copies = tuple(torch.empty_like(output) for output in outputs)
        torch._foreach_copy_(copies, outputs)
        return copies

    return replay

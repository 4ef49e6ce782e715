"""A graph that calculates in 8 bits: on CPUs that have instructions for it up to four times as many products a cycle.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018; by ONNX Runtime,
after training. Weights have 7 bits and a scale a channel: CPUs without such instructions add two products up in 16 bits, which 8 would overflow.
What the graph is given and gives stays in single precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

IN_8_BITS = ["Conv", "Add", "Relu"]     # operators


def quantized(graph: bytes, part: str, samples: Iterable[dict[str, np.ndarray]]) -> bytes:
    """The graph of `encode` or `compare` in 8 bits, whose ranges hold all that occurs as it is fed with `samples` by input name.

    Needs onnx and onnxruntime. What `samples` raises it lets through.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder:
        given, plain, small = (str(Path(folder) / name) for name in ("given.onnx", "plain.onnx", "small.onnx"))
        Path(given).write_bytes(graph)
        quant_pre_process(given, plain, skip_symbolic_shape=True)
        last = [node.name for node in onnx.load(plain).graph.node if node.op_type == "Conv"][-1]
        quantize_static(plain, small, _Reader(iter(samples)), op_types_to_quantize=IN_8_BITS, nodes_to_exclude=[last] if part == "compare" else [],
                        per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        model = onnx.load(small)
    for entry in (model, model.graph, *model.graph.node):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del model.graph.value_info[:]
    domains = {node.domain for node in model.graph.node}
    used = [entry for entry in model.opset_import if entry.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(used)
    return model.SerializeToString(deterministic=True)


class _Reader:
    """What ONNX Runtime calls a calibration data reader."""

    def __init__(self, samples: Iterator[dict[str, np.ndarray]]) -> None:
        self._samples = samples

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._samples, None)

"""The network for others: ONNX graphs and TorchScript, of any height and width in multiples of 16, checked against torch.

What is written carries the checksum of its weights; the graphs of the halves are what the engines run.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from umad_patrol.detect.change_net.encoder import STRIDES
from umad_patrol.detect.change_net.engines.choose import INT8_TOLERANCE, differences_of
from umad_patrol.detect.change_net.engines.on_onnxruntime import Int8Engine, OnnxruntimeEngine
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.graphs import HALVES, INPUTS, OUTPUTS, WEIGHTS_KEY, graph_name, graph_path, split, stamped
from umad_patrol.detect.change_net.network import OUTPUT_STRIDE, SIDE, ChangeNet, compared
from umad_patrol.detect.change_net.quantized import quantized
from umad_patrol.detect.change_net.weights import load_closer, load_weights
from umad_patrol.errors import DetectorError

FORMATS = ("onnx", "torchscript")
Samples = Callable[[str, bool], Iterable[dict[str, np.ndarray]]]     # of `encode` or `compare`, and whether of the network that looks closer: inputs by name
TOLERANCE = 1e-3    # of logits and of scores
CHECKED_SIZES = ((2, 6 * SIDE, 9 * SIDE), (1, SIDE, 4 * SIDE))    # pictures at once, height, width
_TRACED_SIZE = 2, 4 * SIDE, 6 * SIDE    # unlike one another and unlike 1, which would be taken for constants
_MOST = 1024        # cells of a side, and pictures at once, that a graph is declared for
Way = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]   # query, reference and valid to logits


@dataclass(frozen=True)
class Exported:
    """Files that were written and the largest differences from torch that were met in checking them; of those in 8 bits the mean one of scores."""

    paths: tuple[str, ...]
    checksum: str
    logits_difference: float
    scores_difference: float
    int8_scores_difference: float | None = None


def export(weights: str | Path, folder: str | Path, form: str, whole: bool = True, samples: Samples | None = None) -> Exported:
    """Write the network of `weights`, and the one that looks closer if there is one, to `folder` as "onnx" or "torchscript".

    Without ONNX's `forward` if not `whole`; with `samples` ONNX's halves in 8 bits as well. Files appear together, after all were checked. Raises
    WeightsError, or DetectorError where a library that is needed is not installed or an export differs from torch by more than TOLERANCE, in 8 bits
    by more than INT8_TOLERANCE.
    """
    weights, folder = Path(weights), Path(folder)
    network, checksum = load_weights(weights)
    named, differences, in_8_bits = {}, [], []
    for one, closer in tqdm(((network, False), (load_closer(weights), True)), "exporting", unit="network", disable=None):
        if one is None:
            continue
        one = folded(one)
        if form == "onnx":
            files, ways = _onnx(one, checksum, HALVES + (("forward",) if whole else ()))
            named |= {graph_path(folder, weights, part, closer): data for part, data in files.items()}
            if samples is not None:
                small = {part: stamped(quantized(split(files[part])[0], part, samples(part, closer)), checksum) for part in HALVES}
                named |= {graph_path(folder, weights, part, closer, int8=True): data for part, data in small.items()}
                in_8_bits.append(differences_of(Int8Engine(small), one)[1])
        else:
            data, ways = _torchscript(one, checksum)
            named[folder / f"{graph_name(weights, closer)}.torchscript.pt"] = data
        differences += [_differences(one, way) for way in ways]
    logits, scores = (max(values) for values in zip(*differences))
    if not max(logits, scores) <= TOLERANCE:
        raise DetectorError(f"the {form} export differs from torch by {logits:.2g} in logits and {scores:.2g} in scores, "
                            f"more than {TOLERANCE:g}; nothing was written")
    if in_8_bits and not max(in_8_bits) <= INT8_TOLERANCE:
        raise DetectorError(f"in 8 bits scores differ from torch by {max(in_8_bits):.2g} in the mean, more than {INT8_TOLERANCE:g}; nothing was written")
    _write(named)
    return Exported(tuple(map(str, named)), checksum, logits, scores, max(in_8_bits, default=None))


def _onnx(network: ChangeNet, checksum: str, parts: tuple[str, ...]) -> tuple[dict[str, bytes], list[Way]]:
    """The graphs by name, and the ways to run them all."""
    if lacking := [name for name in ("onnx", "onnxscript", "onnxruntime") if not _importable(name)]:
        raise DetectorError(f"ONNX export and its check need {', '.join(lacking)}: pip install 'umad_patrol[export]'")
    graphs = {part: stamped(_graph(network, part), checksum) for part in tqdm(parts, "tracing", unit="graph", leave=False, disable=None)}
    engine = OnnxruntimeEngine(graphs)
    return graphs, [partial(compared, engine)] + ([lambda *pictures: engine.run("forward", *pictures)[0]] if "forward" in parts else [])


def _graph(network: ChangeNet, part: str) -> bytes:
    """One part as a serialised ONNX model, without the marks that the exporter leaves of where it ran."""
    given = _given(network)[part]
    batch, rows, columns = (torch.export.Dim(name, min=1, max=_MOST) for name in ("batch", "rows", "columns"))
    scales = [SIDE * tensor.shape[2] // (_TRACED_SIZE[1]) for tensor in given]
    shapes = tuple({0: batch, 2: scale * rows, 3: scale * columns} if scale > 1 else {0: batch, 2: rows, 3: columns} for scale in scales)
    with _quiet():
        program = torch.onnx.export(_Part(network, part), given, dynamo=True, input_names=INPUTS[part], output_names=OUTPUTS[part],
                                    dynamic_shapes=(shapes,), verbose=False)
    return _plain(program.model_proto, part).SerializeToString(deterministic=True)


def _plain(model: object, part: str) -> object:
    """An ONNX model with sides of outputs named as those of inputs are, and no traces of the exporting machine."""
    graph = model.graph
    for entry in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del graph.value_info[:]
    strides = STRIDES if part == "encode" else (OUTPUT_STRIDE,)
    for output, stride in zip(graph.output, strides):
        dims, scale = output.type.tensor_type.shape.dim, SIDE // stride
        for dim, name in zip((dims[0], dims[2], dims[3]), ("batch", *(f"{scale}*{side}" if scale > 1 else side for side in ("rows", "columns")))):
            dim.dim_param = name
    return model


def _torchscript(network: ChangeNet, checksum: str) -> tuple[bytes, list[Way]]:
    """One module with the methods `encode`, `compare` and `forward`, and the ways to run them, as `_onnx` has them."""
    given, buffer = _given(network), io.BytesIO()
    pictures, features, (query, reference, valid) = given["encode"], given["compare"], given["forward"]
    with _quiet():
        traced = torch.jit.trace_module(network, {"encode": pictures, "compare": (features[:3], features[3:6], valid),
                                                  "forward": (query, reference, valid)})
        torch.jit.save(traced, buffer, _extra_files={"umad_patrol.json": json.dumps({WEIGHTS_KEY: checksum})})
    return buffer.getvalue(), [partial(compared, traced), traced]


class _Part(nn.Module):
    """One half of the network, or all of it, as a module of flat tensors."""

    def __init__(self, network: ChangeNet, part: str) -> None:
        super().__init__()
        self.network, self._part = network, part

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...] | torch.Tensor:
        if self._part == "compare":
            return self.network.compare(given[:3], given[3:6], given[6])
        return self.network.encode(*given) if self._part == "encode" else self.network(*given)


def _given(network: ChangeNet) -> dict[str, tuple[torch.Tensor, ...]]:
    """Example inputs by part. No tensor is there twice: the exporter would take two inputs for one."""
    query, reference, valid = _pictures(*_TRACED_SIZE)
    with torch.no_grad():
        features = (*network.encode(query), *network.encode(reference))
    return {"encode": (query,), "compare": (*features, valid), "forward": (query, reference, valid)}


def _pictures(count: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two pictures, the second a changed first one, and a mask with a hole: always the same."""
    noise = torch.Generator().manual_seed(count * height + width)
    query = torch.rand(count, 3, height, width, generator=noise)
    reference = (0.8 * query + 0.2 * torch.rand(count, 3, height, width, generator=noise)).roll(3, 3)
    reference[..., width // 2:] = torch.rand(count, 3, height, width - width // 2, generator=noise)
    valid = torch.ones(count, 1, height, width)
    valid[..., :height // 3, :width // 4] = 0
    return query, reference, valid


@torch.no_grad()
def _differences(network: Way, way: Way) -> tuple[float, float]:
    """Largest differences of logits and of scores between torch and an export over CHECKED_SIZES; NaN is infinity."""
    logits = scores = 0.0
    for size in CHECKED_SIZES:
        given = _pictures(*size)
        theirs, ours = way(*given), network(*given)
        logits = max(logits, float((theirs - ours).abs().nan_to_num(torch.inf).max()))
        scores = max(scores, float((theirs.sigmoid() - ours.sigmoid()).abs().nan_to_num(torch.inf).max()))
    return logits, scores


def _write(files: dict[Path, bytes]) -> None:
    """Write all beside their places, then rename them."""
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside[path].write_bytes(data)
        for path, other in beside.items():
            other.replace(path)
    finally:
        for other in beside.values():
            other.unlink(missing_ok=True)


def _importable(name: str) -> bool:
    try:
        __import__(name)
    except Exception:   # installed but broken is as bad as absent
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters have to say to their own developers."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)

"""The network's halves as ONNX graphs on disk, stamped with the checksum of the weights that they were made from.

The stamp is the end of the file: two entries of the model's `metadata_props`, as protobuf appends them, so that it is read
without a library and any ONNX tool shows it. The second is the SHA-256 of all before the stamp.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from umad_patrol.detect.change_net.encoder import STRIDES
from umad_patrol.errors import DetectorError

WEIGHTS_KEY, GRAPH_KEY = "umad_patrol.weights", "umad_patrol.graph"
_PROPERTY = b"\x72"     # field 14 of onnx.ModelProto: metadata_props
HALVES = ("encode", "compare")
INPUTS = {
    "encode": ("picture",),
    "compare": tuple(f"{whose}_{stride}" for whose in ("query", "reference") for stride in STRIDES) + ("valid",),
    "forward": ("query", "reference", "valid"),
}
OUTPUTS = {"encode": tuple(f"features_{stride}" for stride in STRIDES), "compare": ("logits",), "forward": ("logits",)}


@dataclass(frozen=True)
class Graphs:
    """Where the graphs of some weights lie: beside them, `NAME.encode.onnx` and `NAME.compare.onnx` for `NAME.safetensors`.

    Those of the network that looks closer, if there is one of its own, are `NAME.closer.encode.onnx` and so on; those that calculate in 8 bits
    `NAME.int8.encode.onnx` and `NAME.closer.int8.encode.onnx`.
    """

    weights: Path
    checksum: str
    closer: bool = False
    int8: bool = False

    def path(self, part: str) -> Path:
        """The file of `encode` or `compare`."""
        return graph_path(self.weights.parent, self.weights, part, self.closer, self.int8)

    def read(self) -> dict[str, bytes]:
        """Both halves by name. Raises DetectorError naming the file if one is missing, damaged or of other weights."""
        return {part: self._checked(self.path(part)) for part in HALVES}

    def _checked(self, path: Path) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DetectorError(f"there is no readable graph {str(path)!r} ({error.strerror}); {self._remedy()}") from error
        graph, weights, own = split(data)
        if own != hashlib.sha256(graph).hexdigest():
            raise DetectorError(f"graph {str(path)!r} is damaged or not from `umad-patrol export`; {self._remedy()}")
        if weights != self.checksum:
            raise DetectorError(f"graph {str(path)!r} was made from weights {weights[:12]}…, loaded are {self.checksum[:12]}…; {self._remedy()}")
        return data

    def _remedy(self) -> str:
        return f"make it with: umad-patrol export '{self.weights.parent}' --weights '{self.weights}'{' --int8 PAIRS' * self.int8} (or set detect.engine to torch)"


def fed(names: tuple[str, ...], tensors: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray]:
    """Tensors on the CPU as a graph's inputs.

    Copied, where that is needed, by numpy or OpenCV: torch's threads would spin for a while after it, on cores that the engine wants.
    """
    return {name: _planar(tensor.detach().numpy()) for name, tensor in zip(names, tensors)}


def _planar(values: np.ndarray) -> np.ndarray:
    """`(N, C, h, w)` float32 with each plane in one piece; from channels last by OpenCV, in a fourth of numpy's time."""
    count, channels, height, width = values.shape
    last = values.transpose(0, 2, 3, 1)
    if channels == 1 or values.dtype != np.float32 or not last.flags.c_contiguous:
        return np.ascontiguousarray(values, np.float32)
    planar = np.empty(values.shape, np.float32)
    for source, target in zip(last.reshape(count, -1, channels), planar.reshape(count, channels, -1)):
        cv2.transpose(source, dst=target)
    return planar


def graph_path(folder: Path, weights: Path, part: str, closer: bool = False, int8: bool = False) -> Path:
    """Where in `folder` the graph of a part of these weights lies."""
    return folder / f"{graph_name(weights, closer)}{'.int8' * int8}.{part}.onnx"


def graph_name(weights: Path, closer: bool) -> str:
    """What names of files begin with that are made of these weights."""
    return f"{weights.stem}.closer" if closer else weights.stem


def stamped(graph: bytes, checksum: str) -> bytes:
    """A serialised ONNX model with the checksum of its weights and its own."""
    return graph + _entry(WEIGHTS_KEY, checksum) + _entry(GRAPH_KEY, hashlib.sha256(graph).hexdigest())


def split(data: bytes) -> tuple[bytes, str, str]:
    """A model without its stamp, and the checksums of weights and graph that the stamp holds; empty where there is none."""
    found = _STAMP.search(data[-_STAMP_BYTES:])
    return (data[:-_STAMP_BYTES], found[1].decode(), found[2].decode()) if found else (data, "", "")


def _entry(key: str, value: str) -> bytes:
    """A StringStringEntryProto as a field of the model; all lengths are below 128, one byte."""
    body = b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12" + bytes([len(value)]) + value.encode()
    return _PROPERTY + bytes([len(body)]) + body


def _form() -> tuple[re.Pattern, int]:
    """What a stamp looks like, and its length in bytes."""
    blank = "0" * 64
    entries = _entry(WEIGHTS_KEY, blank), _entry(GRAPH_KEY, blank)
    pattern = b"".join(re.escape(entry[:-64]) + b"([0-9a-f]{64})" for entry in entries)
    return re.compile(pattern, re.DOTALL), sum(map(len, entries))


_STAMP, _STAMP_BYTES = _form()

"""The features of a keyframe as a safetensors file."""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from umad_patrol.errors import MapError
from umad_patrol.records import Features


def to_bytes(features: Features) -> bytes:
    """Points as float32; descriptors as they are, but floats in half precision."""
    descriptors = np.asarray(features.descriptors)
    if np.issubdtype(descriptors.dtype, np.floating):
        descriptors = descriptors.astype(np.float16)
    return save({"points": np.ascontiguousarray(features.points, dtype=np.float32).reshape(-1, 2),
                 "descriptors": np.ascontiguousarray(descriptors), "size": np.array(features.size, dtype=np.int32)})


def from_bytes(data: bytes, name: str) -> Features:
    """The features that `to_bytes` wrote, floats as float32. Raises MapError naming the file."""
    try:
        tensors = load(data)
        points, descriptors, (width, height) = tensors["points"], tensors["descriptors"], tensors["size"].tolist()
    except (SafetensorError, KeyError, ValueError) as error:
        raise MapError(f"{name} holds no features ({error}); teach the map again") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(descriptors):
        raise MapError(f"{name} holds {points.shape} points and {descriptors.shape} descriptors; teach the map again")
    if descriptors.dtype == np.float16:
        descriptors = descriptors.astype(np.float32)
    return Features(points, descriptors, (width, height))

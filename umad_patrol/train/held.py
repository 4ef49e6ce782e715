"""The pairs that training is validated with, as a folder of pairs: to look at, to score, to choose thresholds on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from umad_patrol.io import umad_bits
from umad_patrol.io.images import write_image


def write_pairs(samples: list[tuple[torch.Tensor, ...]], folder: Path) -> None:
    """Write samples as `data.tensors` gives them to `folder`/NUMBER/ with labels in UMAD's bits; what is too small to be asked for counts as moved."""
    for index, (query, reference, valid, target, weight) in enumerate(samples):
        out = folder / f"{index:04d}"
        out.mkdir()
        seen = valid[0].numpy() > 0.5
        write_image(out / "query.png", _bgr(query))
        write_image(out / "reference.png", _bgr(reference))
        write_image(out / "valid.png", seen.astype(np.uint8) * 255)
        write_image(out / "labels.png", labels(target.numpy() > 0.5, (weight[0].numpy() == 0) & seen))


def labels(target: np.ndarray, unasked: np.ndarray) -> np.ndarray:
    """UMAD's bits `(H, W)` uint8 of classes `(3, H, W)` bool and of what is not asked for `(H, W)` bool."""
    anomaly, dynamic, changed = target
    bits = np.where(anomaly & ~unasked, umad_bits.ANOMALY, 0) | np.where(dynamic, umad_bits.DYNAMIC_IN_QUERY, 0)
    return (bits | np.where((changed & ~anomaly) | unasked, umad_bits.MOVED_IN_QUERY, 0)).astype(np.uint8)


def _bgr(picture: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture.numpy()[::-1].transpose(1, 2, 0))

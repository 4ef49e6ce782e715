"""What alignment leaves: a reference that lies a few pixels off, here more and there less, and does not cover everything."""

from __future__ import annotations

import cv2
import numpy as np

LARGEST_PX = 16.0


def residual_lookup(side: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of the query lies in the reference, `(H, W, 2)` float32 x, y: smooth, with parallax at things that stand nearer."""
    height, width = side
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    largest = rng.choice([0.7, 1.5, 3.0, 6.0, 10.0], p=[0.25, 0.3, 0.25, 0.13, 0.07])
    flow = cv2.resize(rng.uniform(-largest, largest, (2, 2, 2)).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        flow += cv2.resize(rng.normal(0, 0.7, (6, 6, 2)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 4))):
        flow += _standing(rows, columns, rng)[..., None] * _clipped(rng.normal(0, (4.0, 1.5), 2))
    if rng.random() < 0.3:
        flow += _swaying(rows, columns, rng)
    return np.dstack([columns, rows]) + np.clip(flow, -LARGEST_PX, LARGEST_PX)


def with_border(lookup: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sometimes shifted, turned or scaled so far that the reference ends within the picture."""
    if rng.random() < 0.65:
        return lookup
    height, width = lookup.shape[:2]
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    moved = corners + rng.uniform(-0.16, 0.16, (4, 2)).astype(np.float32) * (width, height)
    valid = cv2.fillConvexPoly(np.zeros((height, width), np.uint8), moved.astype(np.int32), 1)
    return np.where(valid[..., None] > 0, lookup, np.float32(-1e4))


def laid(picture: np.ndarray, lookup: np.ndarray, smooth: bool = True) -> np.ndarray:
    """A picture of the reference as it lies on the query; 0 where the reference has none."""
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    return cv2.remap(picture, lookup[..., 0], lookup[..., 1], how, borderMode=cv2.BORDER_CONSTANT)


def _standing(rows: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An upright patch with hard or soft edges."""
    height, width = rows.shape
    x, y, wide, high = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.03, 0.3) * width, rng.uniform(0.1, 0.7) * height
    soft = rng.uniform(0.5, 8)
    inside = np.minimum(wide - np.abs(columns - x), high - np.abs(rows - y))
    return np.clip(inside / soft + 0.5, 0, 1)


def _swaying(rows: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Foliage in the wind: a patch moved to and fro from leaf to leaf."""
    height, width = rows.shape
    grain = rng.uniform(4, 12)
    field = rng.normal(0, rng.uniform(0.5, 2.5), (int(height / grain) + 2, int(width / grain) + 2, 2)).astype(np.float32)
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) * _standing(rows, columns, rng)[..., None]


def _clipped(shift: np.ndarray) -> np.ndarray:
    return np.clip(shift, -LARGEST_PX, LARGEST_PX).astype(np.float32)

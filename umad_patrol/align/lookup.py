"""Warps that are no single homography: for a grid of query pixels, the reference pixel that is seen there.

A lookup is `(h, w, 2)` float64 reference pixels (x, y) at nodes every `STEP` query pixels, one node beyond each border;
between the nodes it is linear. `NOWHERE` stands for what the reference cannot show.
"""

from __future__ import annotations

import cv2
import numpy as np

STEP = 8
NOWHERE = -1e6   # so far off that whatever is interpolated with it falls outside of every picture


def nodes(size: tuple[int, int]) -> np.ndarray:
    """The query pixels `(h, w, 2)` at which a lookup for a picture of `size` (width, height) is given."""
    x, y = (STEP * np.arange(-1, -(-side // STEP) + 1) + (STEP - 1) / 2 for side in size)
    return np.stack(np.meshgrid(x, y), axis=-1)


def node_of(pixels: np.ndarray) -> np.ndarray:
    """Where query pixels `(..., 2)` lie among the nodes: (column, row), not rounded."""
    return (pixels - (STEP - 1) / 2) / STEP + 1


def clean(lookup: np.ndarray) -> np.ndarray:
    """A lookup with NOWHERE in place of NaN and of what is far outside of any picture."""
    lost = ~(np.abs(lookup) < -NOWHERE).all(axis=-1, keepdims=True)
    return np.where(lost, NOWHERE, lookup)


def full(lookup: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The reference pixel `(H, W, 2)` float32 of every query pixel."""
    width, height = size
    wide = cv2.resize(lookup.astype(np.float32), None, fx=STEP, fy=STEP, interpolation=cv2.INTER_LINEAR)
    return wide[STEP:STEP + height, STEP:STEP + width]


def sample(lookup: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What a lookup, or any `(h, w, C)` over its nodes, holds at query pixels `(N, 2)`: `(N, C)`; beyond the grid that of its border."""
    at = node_of(np.asarray(points, np.float64).reshape(-1, 2))
    last = np.array(lookup.shape[1::-1]) - 1
    at = np.clip(np.nan_to_num(at), 0, last)
    low = np.minimum(at.astype(np.intp), last - 1)
    right, down = (at - low).T[..., None]
    x, y = low.T
    upper = lookup[y, x] * (1 - right) + lookup[y, x + 1] * right
    lower = lookup[y + 1, x] * (1 - right) + lookup[y + 1, x + 1] * right
    return upper * (1 - down) + lower * down


def resampled(field: np.ndarray, query_S_other: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A field `(h, w)` over the nodes of another picture, at the nodes of a query of `size`; `other = inv(query_S_other) query`."""
    node_S_pixel = np.array([[1 / STEP, 0, 1 - (STEP - 1) / 2 / STEP], [0, 1 / STEP, 1 - (STEP - 1) / 2 / STEP], [0, 0, 1]])
    there = node_S_pixel @ np.linalg.inv(query_S_other) @ np.linalg.inv(node_S_pixel)
    return cv2.warpAffine(field, there[:2], nodes(size).shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def overlap(lookup: np.ndarray, reference_size: tuple[int, int]) -> float:
    """The share of the query that lies on a reference picture of `reference_size` (width, height), 0 to 1; every other node is asked."""
    inner = lookup[1:-1:2, 1:-1:2]
    return float(((inner > -0.5) & (inner < np.array(reference_size) - 0.5)).all(axis=-1).mean())

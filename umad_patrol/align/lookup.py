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
    x, y = lookup[..., 0], lookup[..., 1]
    lost = ~((np.abs(x) < -NOWHERE) & (np.abs(y) < -NOWHERE))
    return np.where(lost[..., None], NOWHERE, lookup) if lost.any() else lookup


def of_homography(query_H_reference: np.ndarray, size: tuple[int, int], reference_size: tuple[int, int]) -> np.ndarray:
    """What a homography shows in a query picture of `size`, as a lookup; NOWHERE behind the reference camera."""
    H = np.asarray(query_H_reference, np.float64)
    middle = H[2, :2] @ ((np.array(reference_size) - 1) / 2) + H[2, 2]
    at, inverse = nodes(size), np.linalg.inv(H) * (-1.0 if middle < 0 else 1.0)
    x, y, z = (row[0] * at[..., 0] + (row[1] * at[..., 1] + row[2]) for row in inverse)
    z = np.where(z > 1e-9, z, np.nan)
    return clean(np.stack([x / z, y / z], axis=-1))


def full(lookup: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The reference pixel `(H, W, 2)` float32 of every query pixel."""
    width, height = size
    wide = cv2.resize(lookup.astype(np.float32), None, fx=STEP, fy=STEP, interpolation=cv2.INTER_LINEAR)
    return wide[STEP:STEP + height, STEP:STEP + width]


def at(lookup: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The reference pixel `(len(rows), len(columns), 2)` float32 of the query pixels in these columns and rows; beyond the grid that of its border."""
    found = lookup.astype(np.float32)
    for axis, pixels in enumerate((rows, columns)):
        where = np.clip(node_of(np.asarray(pixels, np.float32)), 0, found.shape[axis] - 1)
        low = np.minimum(where.astype(np.intp), found.shape[axis] - 2)
        share = (where - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        found = found.take(low, axis) * (1 - share) + found.take(low + 1, axis) * share
    return found


def inside(lookup: np.ndarray, size: tuple[int, int], reference_size: tuple[int, int], tolerance_px: float = 0.0) -> np.ndarray:
    """Where `(H, W)` bool a query of `size` lies between the outermost pixel centres of a reference picture.

    How far inside is told by the nodes and linear between them; where two borders meet that leaves out a little too much.
    """
    width, height = size
    x, y = lookup[..., 0], lookup[..., 1]
    margin = np.minimum(np.minimum(x, reference_size[0] - 1 - x), np.minimum(y, reference_size[1] - 1 - y)).astype(np.float32)
    if margin.min() >= -tolerance_px:
        return np.ones((height, width), bool)
    wide = cv2.resize(margin, None, fx=STEP, fy=STEP, interpolation=cv2.INTER_LINEAR)
    return wide[STEP:STEP + height, STEP:STEP + width] >= -tolerance_px


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
    x, y = lookup[1:-1:2, 1:-1:2, 0], lookup[1:-1:2, 1:-1:2, 1]
    seen = (x > -0.5) & (x < reference_size[0] - 0.5) & (y > -0.5) & (y < reference_size[1] - 0.5)
    return np.count_nonzero(seen) / seen.size

"""Where an alignment takes points of the reference."""

from __future__ import annotations

import numpy as np

from umad_patrol.align import lookup
from umad_patrol.geometry.homography import transform
from umad_patrol.records import Alignment

_STEPS = 12
_SETTLED_PX = 1e-3
_DELTA = 0.5   # pixels, of the numeric derivative


def to_query(alignment: Alignment, points: np.ndarray) -> np.ndarray:
    """Reference pixels `(N, 2)` as the alignment lays them on the query, `(N, 2)`; NaN for what goes to infinity or is not shown.

    A lookup says where query pixels come from; it is inverted by Newton's method from the nearest node.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if alignment.lookup is None:
        return transform(alignment.query_H_reference, points)
    there = _nearest_nodes(alignment.lookup, points)
    for _ in range(_STEPS):
        off = lookup.sample(alignment.lookup, there) - points
        J = np.stack([(lookup.sample(alignment.lookup, there + d) - lookup.sample(alignment.lookup, there - d)) / (2 * _DELTA)
                      for d in np.diag([_DELTA, _DELTA])], axis=-1)
        flat = np.abs(np.linalg.det(J)) < 1e-6
        J[flat] = np.eye(2)
        step = np.linalg.solve(J, off[..., None])[..., 0]
        there = there - np.clip(step, -lookup.STEP, lookup.STEP)
    off = np.linalg.norm(lookup.sample(alignment.lookup, there) - points, axis=1)
    return np.where((off < _SETTLED_PX)[:, None], there, np.nan)


def _nearest_nodes(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The query pixel `(N, 2)` of the node whose reference pixel is nearest to each point."""
    height, width = grid.shape[:2]
    flat = grid.reshape(-1, 2)
    nearest = np.array([int(np.argmin(((flat - point) ** 2).sum(axis=1))) for point in points], dtype=np.intp)
    row, column = np.divmod(nearest, width)
    return (np.stack([column, row], axis=1) - 1.0) * lookup.STEP + (lookup.STEP - 1) / 2

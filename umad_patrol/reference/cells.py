"""Points sorted into square cells of the ground plan, to find those near a place without looking at all of them."""

from __future__ import annotations

import numpy as np

_ROW = np.int64(1) << 31  # cells of one row are neighbours in the order of keys


class Cells:
    """An index over points `(N, 2+)`: only x and y count. `size_m` is the edge of a cell."""

    def __init__(self, points: np.ndarray, size_m: float) -> None:
        self._size_m = float(size_m)
        keys = self._keys(np.floor(np.asarray(points, dtype=np.float64)[:, :2] / self._size_m).astype(np.int64))
        self.order = np.argsort(keys, kind="stable")
        self._sorted = keys[self.order]

    def ranges(self, place: np.ndarray) -> list[slice]:
        """Slices of `order` that hold all points within `size_m` of `place` (x, y, ...) in the ground plan, and some further ones."""
        column, row = np.floor(np.asarray(place, dtype=np.float64)[:2] / self._size_m).astype(np.int64)
        first = self._keys(np.array([[column + i, row - 1] for i in (-1, 0, 1)]))
        starts, ends = np.searchsorted(self._sorted, first), np.searchsorted(self._sorted, first + 2, side="right")
        return [slice(a, b) for a, b in zip(starts, ends) if a < b]

    def near(self, place: np.ndarray) -> np.ndarray:
        """The indices of those points."""
        found = [self.order[piece] for piece in self.ranges(place)]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    @staticmethod
    def _keys(cells: np.ndarray) -> np.ndarray:
        return cells[:, 0] * _ROW + cells[:, 1]

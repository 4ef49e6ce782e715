"""What stands in the map already: walls, poles, hedges, from the map's cloud."""

from __future__ import annotations

import numpy as np

VOXEL_M = 0.2
STEP_M = 0.1
CELL_M = 1.0        # side of the cells whose lowest point is taken for the ground
CLEARANCE_M = 0.25  # what is lower belongs to the ground: kerbs, grass, the noise of the LiDAR
NEAR_M = 0.5        # structure this near to the end of a ray is what a thing leans on, not what hides its place
HIP_M = 1.0
REACH = 1 << 20     # voxels a side, so that three indices fit in 63 bits


class Structure:
    """Filled voxels of the map above the ground, to ask whether a line of sight is free.

    `points` `(N, 3)` in `map`, z up, metres. A voxel counts from two points on.
    """

    def __init__(self, points: np.ndarray):
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)]
        voxels, counts = np.unique(_codes(points[_above_ground(points)], VOXEL_M), return_counts=True)
        self._voxels = voxels[counts >= 2]

    def __len__(self) -> int:
        return len(self._voxels)

    def blocks(self, eye: np.ndarray, target: np.ndarray) -> bool:
        """Whether something mapped stands between `eye` and `target` (both `(3,)`, in `map`)."""
        distance = float(np.linalg.norm(target - eye))
        if distance <= 2 * NEAR_M or not len(self._voxels):
            return False
        along = np.arange(NEAR_M, distance - NEAR_M, STEP_M)
        codes = _codes(eye + along[:, None] * ((target - eye) / distance), VOXEL_M)
        found = np.searchsorted(self._voxels, codes)
        return bool((self._voxels[np.minimum(found, len(self._voxels) - 1)] == codes).any())

    def fills(self, place: np.ndarray) -> bool:
        """Whether something mapped stands at `place` `(3,)` on the ground, from below knee to hip: a hedge, a wall, a bin."""
        heights = np.arange(CLEARANCE_M + VOXEL_M / 2, HIP_M, VOXEL_M)
        column = np.column_stack([np.full((len(heights), 2), place[:2]), place[2] + heights])
        codes = _codes(column, VOXEL_M)
        if not len(self._voxels):
            return False
        found = np.minimum(np.searchsorted(self._voxels, codes), len(self._voxels) - 1)
        return bool((self._voxels[found] == codes).any())


def _above_ground(points: np.ndarray) -> np.ndarray:
    flat = np.column_stack([points[:, :2], np.zeros(len(points))])
    _, cell = np.unique(_codes(flat, CELL_M), return_inverse=True)
    lowest = np.full(cell.max() + 1 if len(cell) else 0, np.inf)
    np.minimum.at(lowest, cell, points[:, 2])
    return points[:, 2] > lowest[cell] + CLEARANCE_M


def _codes(points: np.ndarray, side_m: float) -> np.ndarray:
    cells = np.floor(points / side_m).astype(np.int64) + REACH // 2
    return (cells[:, 0] * REACH + cells[:, 1]) * REACH + cells[:, 2]

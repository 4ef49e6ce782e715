"""What stands in the map already: walls, poles, hedges, from the map's cloud."""

from __future__ import annotations

import numpy as np

VOXEL_M = 0.2
STEP_M = 0.1
CELL_M = 1.0        # side of the cells whose lowest points are taken for the ground
LOWEST, MOST_LOW = 0.05, 5  # share of a cell's points that lie below that, and how many at most: returns from below the floor, off wet ground and glass
BLOCK_M = 16.0      # the ground planes of keyframes tell of points so near to them at least
AT_ONCE = 2_000_000  # distances
APART_M = 1.0       # keyframes so near to one another are as good as one
CLEARANCE_M = 0.25  # what is lower belongs to the ground: kerbs, grass, the noise of the LiDAR
NEAR_M = 0.5        # structure this near to the end of a ray is what a thing leans on, not what hides its place
HIP_M = 1.0
REACH = 1 << 20     # voxels a side, so that three indices fit in 63 bits


class Structure:
    """Filled voxels of the map above the ground, to ask whether a line of sight is free.

    `points` `(N, 3)` in `map`, z up, metres. A voxel counts from two points on. With places `eyes` `(K, 3)` and the planes `grounds` `(K, 4)`
    before them, as keyframes have, what lies on the plane of the nearest one is no structure either: a ramp, or a floor above another.
    """

    def __init__(self, points: np.ndarray, eyes: np.ndarray | None = None, grounds: np.ndarray | None = None):
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)]
        points = points[_above_lowest(points)]
        voxels, first, of, counts = np.unique(_codes(points, VOXEL_M), return_index=True, return_inverse=True, return_counts=True)
        if eyes is not None and grounds is not None:
            planes = _planes(points[first], np.asarray(eyes, np.float64), np.asarray(grounds, np.float64))[of]
            counts = np.bincount(of, (points * planes[:, :3]).sum(1) + planes[:, 3] > CLEARANCE_M, len(voxels))
        self._voxels = voxels[counts >= 2]

    def __len__(self) -> int:
        return len(self._voxels)

    def blocks(self, eye: np.ndarray, target: np.ndarray) -> bool:
        """Whether something mapped stands between `eye` and `target` (both `(3,)`, in `map`)."""
        distance = float(np.linalg.norm(target - eye))
        if distance <= 2 * NEAR_M:
            return False
        along = np.arange(NEAR_M, distance - NEAR_M, STEP_M)
        return self._any(eye + along[:, None] * ((target - eye) / distance))

    def fills(self, place: np.ndarray) -> bool:
        """Whether something mapped stands at `place` `(3,)` on the ground, anywhere from below knee to hip: a hedge, a wall, a bin."""
        heights = np.arange(CLEARANCE_M + VOXEL_M / 2, HIP_M, VOXEL_M)
        return self._any(np.column_stack([np.full((len(heights), 2), place[:2]), place[2] + heights]))

    def _any(self, points: np.ndarray) -> bool:
        """Whether any of points `(N, 3)` lies in a filled voxel."""
        if not len(self._voxels):
            return False
        codes = _codes(points, VOXEL_M)
        found = np.minimum(np.searchsorted(self._voxels, codes), len(self._voxels) - 1)
        return bool((self._voxels[found] == codes).any())


def _above_lowest(points: np.ndarray) -> np.ndarray:
    flat = np.column_stack([points[:, :2], np.zeros(len(points))])
    _, cell, counts = np.unique(_codes(flat, CELL_M), return_inverse=True, return_counts=True)
    upwards = points[np.lexsort((points[:, 2], cell)), 2]
    lowest = upwards[np.cumsum(counts) - counts + np.minimum(LOWEST * counts, MOST_LOW).astype(np.intp)] if len(points) else upwards
    return points[:, 2] > lowest[cell] + CLEARANCE_M


def _planes(points: np.ndarray, eyes: np.ndarray, grounds: np.ndarray) -> np.ndarray:
    """The ground planes `(N, 4)` of the keyframes nearest to points; infinitely far below where none is near that has one."""
    eyes, grounds = (rows[np.isfinite(grounds).all(axis=1)] for rows in (eyes, grounds))
    some = np.unique(_codes(eyes, APART_M), return_index=True)[1]
    eyes, grounds = eyes[some], grounds[some]
    at, blocks = (np.floor(places[:, :2] / BLOCK_M).astype(np.int64) for places in (eyes, points))
    order = np.lexsort((blocks[:, 1], blocks[:, 0]))
    starts = np.flatnonzero(np.append(True, (np.diff(blocks[order], axis=0) != 0).any(axis=1))) if len(points) else []
    planes = np.tile([0.0, 0.0, 0.0, np.inf], (len(points), 1))
    for block in np.split(order, starts[1:]) if len(points) else ():
        near = np.flatnonzero(np.abs(at - blocks[block[0]]).max(axis=1) <= 1)
        for some in np.array_split(block, 1 + len(block) * len(near) // AT_ONCE) if len(near) else ():
            planes[some] = grounds[near[((eyes[near] ** 2).sum(1) - 2 * points[some] @ eyes[near].T).argmin(axis=1)]]
    return planes


def _codes(points: np.ndarray, side_m: float) -> np.ndarray:
    cells = np.floor(points / side_m).astype(np.int64) + REACH // 2
    return (cells[:, 0] * REACH + cells[:, 1]) * REACH + cells[:, 2]

"""What of a map's cloud stands before a keyframe: enough of it to lay the picture, and no more."""

from __future__ import annotations

import numpy as np

from umad_patrol.geometry.plane import height
from umad_patrol.records import Camera

_NEAR_M, _SIGHT_M = 12.0, 40.0  # every point up to the first, one a coarse voxel up to the second
_COARSE_M = 0.4
_TILE_M = 4.0
_STANDING_M = 0.1   # above the ground; lower is the ground
_MARGIN = 0.25      # of the picture's sides, for queries beside the keyframe
_CELL_PX = 8        # the nearest point of each such cell is kept


class Standing:
    """The points `(M, 3)` float32 in `map` of a cloud, laid out so that those before a camera are found in milliseconds."""

    def __init__(self, points: np.ndarray) -> None:
        points = np.asarray(points, np.float32).reshape(-1, 3)
        self._all = _Tiles(points)
        self._coarse = _Tiles(points[np.unique(_keys(points, _COARSE_M), return_index=True)[1]])

    def before(self, map_T_camera: np.ndarray, camera: Camera, ground: np.ndarray) -> np.ndarray:
        """The nearest points `(N, 3)` float32, one for every 8 x 8 pixels, that stand on the ground plane before a camera."""
        place, widest = map_T_camera[:2, 3], max(camera.K[0, 2], camera.width - camera.K[0, 2]) + _MARGIN * camera.width
        aslant = float(np.hypot(1, widest / camera.K[0, 0]))     # how much farther than its depth a point at the side lies
        near, far = self._all.around(place, _NEAR_M * aslant), self._coarse.around(place, _SIGHT_M * aslant)
        return np.concatenate([_seen(near, map_T_camera, camera, ground, 0.0, _NEAR_M), _seen(far, map_T_camera, camera, ground, _NEAR_M, _SIGHT_M)])


class _Tiles:
    """Points `(M, 3)` by the square of `map` that they stand in."""

    def __init__(self, points: np.ndarray) -> None:
        keys = _keys(points[:, :2], _TILE_M)
        order = np.argsort(keys, kind="stable")
        self._points = points[order]
        _, first = np.unique(keys[order], return_index=True)
        self._ends = np.append(first, len(points))
        self._middles = (np.floor(self._points[first, :2] / _TILE_M) + 0.5) * _TILE_M

    def around(self, place: np.ndarray, reach_m: float) -> np.ndarray:
        """The points of the tiles within reach."""
        near = np.flatnonzero(np.abs(self._middles - place).max(axis=1) < reach_m + _TILE_M / 2) if len(self._middles) else ()
        return np.concatenate([self._points[:0], *(self._points[self._ends[i]:self._ends[i + 1]] for i in near)])


def _keys(points: np.ndarray, side_m: float) -> np.ndarray:
    """One number `(N,)` int64 for each cube, or square, of `side_m` that points lie in; within 2^20 of them each way."""
    return np.floor(points / side_m).astype(np.int64) @ (np.int64(1) << np.arange(0, 21 * points.shape[1], 21))


def _seen(points: np.ndarray, map_T_camera: np.ndarray, camera: Camera, ground: np.ndarray, from_m: float, to_m: float) -> np.ndarray:
    R, place = map_T_camera[:3, :3].astype(np.float32), map_T_camera[:3, 3].astype(np.float32)
    depth = points @ R[:, 2] - place @ R[:, 2]
    points = points[(depth > from_m) & (depth <= to_m)]
    points = points[height(ground, points) > _STANDING_M]
    x, y, z = ((points - place) @ R @ camera.K.T.astype(np.float32)).T
    column, row = x / np.maximum(z, 1e-6) + _MARGIN * camera.width, y / np.maximum(z, 1e-6) + _MARGIN * camera.height
    sides = (np.array([camera.width, camera.height]) * (1 + 2 * _MARGIN) / _CELL_PX).astype(np.intp)
    inside = (z > 0) & (column >= 0) & (row >= 0) & (column < sides[0] * _CELL_PX) & (row < sides[1] * _CELL_PX)
    cell = (row[inside] / _CELL_PX).astype(np.intp) * sides[0] + (column[inside] / _CELL_PX).astype(np.intp)
    nearest = np.full(sides.prod(), np.inf, np.float32)
    np.minimum.at(nearest, cell, z[inside])
    return points[inside][z[inside] == nearest[cell]]

"""How much nearer the scene is than bare ground, node by node: the excess of inverse depth, in 1/m, from scattered samples."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.align.lookup import node_of
from umad_patrol.align.poses import Geometry

_BARE = 0.02             # how much a node counts as bare ground by itself, in points
_BARE_FROM, _BARE_TO = 0.02, 0.08  # camera heights over depth, 35 m and 9 m at 0.7 m, between which that begins
_REACHES = (12.0, 4.0, 1.5, 0.7)   # in nodes: how far a point speaks, from far to near
_HOLD = 0.02             # how much what farther points say counts against a nearer one
_CLOUD = 0.3             # how much a node with cloud counts, in points; and only as far as the last reach
_NEAREST_M, _FARTHEST_M = 0.4, 40.0
_FLAT = 0.012            # 1/m; less is ground


@dataclass(frozen=True, eq=False)
class Samples:
    """Excess `(N,)` at nodes (column, row) `(N, 2)`, not rounded."""

    nodes: np.ndarray
    excess: np.ndarray


def of_cloud(known: Geometry, at: np.ndarray) -> Samples:
    """What the cloud of the geometry tells of the nodes `at` `(h, w, 2)`: the nearest of the points that fall on each."""
    if known.cloud is None or not len(known.cloud):
        return Samples(np.zeros((0, 2)), np.zeros(0))
    T = known.query_T_reference
    x, y, z = (sum(T[i, j] * known.cloud[:, j] for j in range(3)) + T[i, 3] for i in range(3))
    ahead = (z > _NEAREST_M) & (z < _FARTHEST_M)
    x, y, z = x[ahead], y[ahead], z[ahead]
    pixels = np.stack([known.K_query[i, 0] * x / z + known.K_query[i, 1] * y / z + known.K_query[i, 2] for i in range(2)], axis=-1)
    nodes = np.rint(node_of(pixels))
    inside = (nodes[:, 0] >= 0) & (nodes[:, 0] < at.shape[1]) & (nodes[:, 1] >= 0) & (nodes[:, 1] < at.shape[0])
    excess = 1.0 / z[inside] - known.ground_inverse_depth(pixels[inside])
    column, row = nodes[inside].astype(np.intp).T
    nearest = np.full(at.shape[:2], -np.inf)
    np.maximum.at(nearest, (row, column), np.where(excess < _FLAT, 0.0, excess))
    row, column = np.nonzero(np.isfinite(nearest))
    return Samples(np.stack([column, row], axis=1).astype(np.float64), nearest[row, column])


def spread(known: Geometry, at: np.ndarray, points: Samples, cloud: Samples) -> np.ndarray:
    """The excess at the nodes `at` `(h, w, 2)`, `(h, w)` float32, by normalised convolution (Knutsson and Westin 1993).

    Far reaches come first and fill what nearer ones leave open; below the horizon what nothing is known of is bare ground.
    """
    shape, field = at.shape[:2], np.zeros(at.shape[:2], np.float32)
    bare = _bareness(known, at)
    total, count = _gathered(points, shape, 1.0)
    for reach in _REACHES if len(points.excess) else _REACHES[-1:]:
        if reach == _REACHES[-1]:
            of_cloud_total, of_cloud_count = _gathered(cloud, shape, _CLOUD)
            total, count = total + of_cloud_total, count + of_cloud_count
        hold = np.float32(_HOLD / (2 * np.pi * reach ** 2))  # as `_HOLD` of one point in place
        field = (cv2.GaussianBlur(total, (0, 0), reach) + hold * field) / (cv2.GaussianBlur(count, (0, 0), reach) + bare + hold)
    return field


def _bareness(known: Geometry, at: np.ndarray) -> np.ndarray:
    """How much each node counts as bare ground before anything is seen there, `(h, w)`: nothing near the horizon and above."""
    down = known.ground_inverse_depth(at) * abs(known.ground[3])
    return (_BARE * np.clip((down - _BARE_FROM) / (_BARE_TO - _BARE_FROM), 0.0, 1.0)).astype(np.float32)


def _gathered(samples: Samples, shape: tuple[int, int], weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count over the nodes `(h, w)` float32, each sample counting `weight`."""
    column, row = np.clip(np.rint(samples.nodes), 0, np.array(shape[::-1]) - 1).astype(np.intp).T
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    np.add.at(total, (row, column), weight * samples.excess)
    np.add.at(count, (row, column), weight)
    return total, count

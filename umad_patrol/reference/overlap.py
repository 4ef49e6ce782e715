"""How much of the same scene two poses see, told from geometry alone."""

from __future__ import annotations

import numpy as np

from umad_patrol.geometry.camera import rays
from umad_patrol.records import Camera

_COLUMNS, _ROWS = 8, 6  # of the grid of pixels on which overlap is measured


def sample_rays(camera: Camera) -> np.ndarray:
    """Directions `(3, P)` of an even grid of pixels."""
    axes = [(np.arange(n) + 0.5) / n * size - 0.5 for n, size in ((_COLUMNS, camera.width), (_ROWS, camera.height))]
    return np.ascontiguousarray(rays(camera, np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)).T)


def mutual_overlap(query: np.ndarray, poses: np.ndarray, grounds: np.ndarray, directions: np.ndarray, camera: Camera) -> np.ndarray:
    """`(C,)`: the share of the query's picture that each keyframe sees, times the share of the keyframe's that the query sees.

    `query` `(4, 4)` and `poses` `(C, 4, 4)` are map_T_camera, `grounds` `(C, 4)` planes in `map` (NaN: none), `directions`
    those of `sample_rays`. What lies below the horizon is on the ground, the rest is far away. The product treats alike
    a keyframe ahead, which lacks the near ground, and one behind, which shows it smaller.
    """
    R_query, t_query, R, t = query[:3, :3], query[:3, 3], poses[:, :3, :3], poses[:, :3, 3]
    grounds = np.where(np.isfinite(grounds).all(axis=1)[:, None], grounds, [0.0, 0.0, 0.0, 1.0])  # everything is far away
    poses_R_query = np.swapaxes(R, 1, 2) @ R_query
    t_there = ((t_query - t)[:, None] @ R)[:, 0]
    t_back = (t - t_query) @ R_query
    n = grounds[:, :3]
    there = _seen(poses_R_query, t_there, n @ R_query, n @ t_query + grounds[:, 3], directions, camera)
    back = _seen(np.swapaxes(poses_R_query, 1, 2), t_back, (n[:, None] @ R)[:, 0], (n * t).sum(axis=1) + grounds[:, 3], directions, camera)
    return there * back


def _seen(R: np.ndarray, t: np.ndarray, normals: np.ndarray, heights: np.ndarray, directions: np.ndarray, camera: Camera) -> np.ndarray:
    """The share of a first camera's rays whose scene points lie in the pictures of second cameras.

    `second_T_first` is R `(C, 3, 3)`, t `(C, 3)`; `normals` and `heights` are the ground's in the first camera. A ray meets the
    ground at 1 / w with w = -n.ray / height, so its point is R ray + w t up to scale; w is 0 from the horizon on.
    """
    w = np.maximum(-(normals @ directions) / np.where(np.abs(heights) < 1e-9, 1e-9, heights)[:, None], 0.0)
    KR, Kt = camera.K @ R, t @ camera.K.T
    x, y, z = np.moveaxis((KR.reshape(-1, 3) @ directions).reshape(len(R), 3, -1) + Kt[:, :, None] * w[:, None], 1, 0)
    inside = (z > 0) & (x > -0.5 * z) & (x < (camera.width - 0.5) * z) & (y > -0.5 * z) & (y < (camera.height - 0.5) * z)
    return inside.mean(axis=1)

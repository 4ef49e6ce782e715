"""Homographies `(3, 3)` float64 between pictures: `query_H_reference` takes reference pixels to query pixels."""

from __future__ import annotations

import numpy as np

from umad_patrol.errors import AlignmentError


def normalise(H: np.ndarray) -> np.ndarray:
    """`H` scaled so that H[2, 2] = 1. Raises AlignmentError if it is not finite, singular or sends (0, 0) to infinity."""
    H = np.asarray(H, dtype=np.float64)
    if H.shape != (3, 3) or not np.isfinite(H).all():
        raise AlignmentError(f"homography {H.tolist()} is not 3x3 and finite")
    if abs(H[2, 2]) <= 1e-12 * np.abs(H).max() or np.linalg.matrix_rank(H) < 3:
        raise AlignmentError(f"homography {H.tolist()} is singular; the two views share no plane")
    return H / H[2, 2]


def transform(H: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points `(N, 2)` taken through `H`; NaN for a point that goes to infinity."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    x, w = _lifted(H, points)
    w = np.where(np.abs(w) < 1e-12, np.nan, w)
    return x / w[:, None]


def rotation_homography(K_query: np.ndarray, R_query_reference: np.ndarray, K_reference: np.ndarray) -> np.ndarray:
    """What a camera that only turns does to its picture: K' R K^-1 (Hartley & Zisserman, 2nd ed., eq. 8.15)."""
    return normalise(K_query @ np.asarray(R_query_reference)[:3, :3] @ np.linalg.inv(K_reference))


def plane_homography(K_query: np.ndarray, query_T_reference: np.ndarray, plane: np.ndarray, K_reference: np.ndarray) -> np.ndarray:
    """What a moved camera sees of a plane: K' (R - t n^T / d) K^-1 (Hartley & Zisserman, 2nd ed., result 13.1).

    `plane` is `(nx, ny, nz, d)` with n.x + d = 0 in the reference camera's coordinates. Raises AlignmentError if the
    reference camera's centre lies on the plane.
    """
    n, d = np.asarray(plane, dtype=np.float64)[:3], float(plane[3])
    if not abs(d) > 1e-9:
        raise AlignmentError(f"plane {np.asarray(plane).tolist()} goes through the camera; no homography comes of it")
    R, t = query_T_reference[:3, :3], query_T_reference[:3, 3]
    return normalise(K_query @ (R - np.outer(t, n) / d) @ np.linalg.inv(K_reference))


def corners(size: tuple[int, int]) -> np.ndarray:
    """The centres `(4, 2)` of the corner pixels of a picture of (width, height), clockwise from the upper left."""
    w, h = size
    return np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], dtype=np.float64)


def overlap(query_H_reference: np.ndarray, reference_size: tuple[int, int], query_size: tuple[int, int], steps: int = 32) -> float:
    """The share of the query picture, 0 to 1, on which the reference lies; sampled on `steps` x `steps` points.

    Sizes are (width, height). Pixels that see the reference from behind do not count.
    """
    H = np.asarray(query_H_reference, dtype=np.float64)
    if not np.isfinite(H).all() or abs(np.linalg.det(H / np.abs(H).max())) < 1e-15:
        return 0.0
    x, y = ((np.arange(steps) + 0.5) / steps * side - 0.5 for side in query_size)
    back = np.linalg.inv(H) * np.sign(H[2] @ np.append(corners(reference_size).mean(axis=0), 1.0))
    u, v, w = (row[0] * x + (row[1] * y + row[2])[:, None] for row in back)
    inside = [(-0.5 * w < plane) & (plane < (side - 0.5) * w) for plane, side in zip((u, v), reference_size)]
    return np.count_nonzero((w > 0) & inside[0] & inside[1]) / steps ** 2


def is_sane(H: np.ndarray, size: tuple[int, int], max_scale: float = 4.0) -> bool:
    """Whether a picture of (width, height) stays a picture: not mirrored, not folded, nowhere scaled beyond `max_scale`."""
    H = np.asarray(H, dtype=np.float64)
    if H.shape != (3, 3) or not np.isfinite(H).all():
        return False
    w = _lifted(H, corners(size))[1]
    if not ((w > 0).all() or (w < 0).all()):
        return False  # the horizon crosses the picture
    area = np.linalg.det(H) / w ** 3  # the Jacobian's determinant at each corner
    return bool((area > max_scale ** -2).all() and (area < max_scale ** 2).all())


def _lifted(H: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mapped = points @ H[:, :2].T + H[:, 2]
    return mapped[:, :2], mapped[:, 2]

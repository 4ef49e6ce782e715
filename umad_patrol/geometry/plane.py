"""Planes `(nx, ny, nz, d)` float64 with n.x + d = 0, |n| = 1; for ground planes in `map` n points up."""

from __future__ import annotations

import numpy as np

UP = (0.0, 0.0, 1.0)


def through(point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """The plane through a point `(3,)` with this normal `(3,)`."""
    n = np.asarray(normal, dtype=np.float64)
    n = n / np.linalg.norm(n)
    return np.append(n, -float(n @ np.asarray(point, dtype=np.float64)))


def height(plane: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far points `(N, 3)` lie above the plane (below: negative), in metres."""
    plane = np.asarray(plane, dtype=np.float64)
    return np.asarray(points, dtype=np.float64) @ plane[:3] + plane[3]


def fit_plane(points: np.ndarray, up: tuple[float, float, float] = UP, tolerance_m: float = 0.05,
              max_tilt_deg: float = 90.0, tries: int = 128, seed: int = 0) -> np.ndarray | None:
    """The plane that most of the points `(N, 3)` lie on, with its normal on the side of `up`.

    RANSAC over planes tilted at most `max_tilt_deg` from `up`, then least squares over those within `tolerance_m`, twice.
    NaN points are left out. None where fewer than three points, or only points on a line, support a plane.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    up_ = np.asarray(up, dtype=np.float64) / np.linalg.norm(up)
    best = _consensus(points, up_, tolerance_m, max_tilt_deg, tries, np.random.default_rng(seed)) if len(points) >= 3 else None
    for _ in range(2):
        if best is None:
            return None
        best = _least_squares(points[np.abs(height(best, points)) <= tolerance_m], up_)
    return best


def transform_plane(B_T_A: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """A plane given in A, in B: the plane vector times the inverse motion (Hartley & Zisserman, 2nd ed., eq. 3.6)."""
    n = np.asarray(B_T_A, dtype=np.float64)[:3, :3] @ np.asarray(plane, dtype=np.float64)[:3]
    return np.append(n, float(plane[3]) - float(n @ B_T_A[:3, 3]))


def intersect(plane: np.ndarray, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays from `origin` `(3,)` along `directions` `(N, 3)` meet the plane: points `(N, 3)` and valid `(N,)` bool.

    A ray that is parallel to the plane or leaves it is not valid; its point is NaN.
    """
    plane, origin = np.asarray(plane, dtype=np.float64), np.asarray(origin, dtype=np.float64)
    directions = np.asarray(directions, dtype=np.float64).reshape(-1, 3)
    slope = directions @ plane[:3]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = -(origin @ plane[:3] + plane[3]) / slope
    valid = np.isfinite(along) & (along > 0) & (np.abs(slope) > 1e-12)
    points = origin + np.where(valid, along, np.nan)[:, None] * directions
    return points, valid


def _consensus(points: np.ndarray, up: np.ndarray, tolerance_m: float, max_tilt_deg: float, tries: int,
               rng: np.random.Generator) -> np.ndarray | None:
    triples = points[rng.integers(0, len(points), (tries, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    flat = lengths > 1e-9
    normals = normals[flat] / lengths[flat, None]
    normals *= np.where(normals @ up < 0, -1.0, 1.0)[:, None]
    offsets = -np.einsum("ij,ij->i", normals, triples[flat, 0])
    level = normals @ up >= np.cos(np.radians(max_tilt_deg)) - 1e-12
    normals, offsets = normals[level], offsets[level]
    if not len(normals):
        return None
    support = (np.abs(points @ normals.T + offsets) <= tolerance_m).sum(axis=0)
    best = int(np.argmax(support))
    return np.append(normals[best], offsets[best])


def _least_squares(points: np.ndarray, up: np.ndarray) -> np.ndarray | None:
    if len(points) < 3:
        return None
    centre = points.mean(axis=0)
    values, vectors = np.linalg.eigh((points - centre).T @ (points - centre))
    if values[1] <= 1e-12 * max(values[2], 1e-12):
        return None  # all on one line
    normal = vectors[:, 0]
    return through(centre, normal if normal @ up >= 0 else -normal)

"""The cloud of a map: gathered sweep by sweep, always down-sampled, kept as PCD; written by Open3D, read without."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from umad_patrol.errors import MapError, PatrolError
from umad_patrol.io.open3d import open3d

_LAYOUT = {b"FIELDS": b"x y z", b"SIZE": b"4 4 4", b"TYPE": b"F F F", b"COUNT": b"1 1 1"}    # of PCD 0.7, as Open3D writes it
_HEADER_END, _POINT_BYTES = b"\nDATA binary\n", 12
SIDE = 1 << 20      # voxels each way, so that three numbers fit into one of 63 bits
_PENDING = 500_000  # points that wait at least until it is worth down-sampling anew,
_SHARE = 4          # or as many as this part of the voxels that are known: going through all of them takes its time


class CloudGrid:
    """Points `(N, 3)` float32 in `map`, one a voxel, the mean of all that fell into it: memory grows with the place, not with the time.

    Voxels lie where they lie from the first sweep on, so that it does not matter in which order the rest comes.
    """

    def __init__(self, voxel_m: float) -> None:
        self._voxel_m = voxel_m
        self._origin: np.ndarray | None = None      # of the voxels, whole voxels from that of `map`
        self._keys = np.zeros(0, dtype=np.int64)    # of the voxels that hold something, in order
        self._sums = np.zeros((0, 4))               # of their points from the origin on, and how many
        self._pending: list[np.ndarray] = []
        self._waiting = 0                           # points in them

    def add(self, points: np.ndarray) -> None:
        """Add the points of one sweep; those that are not finite, or SIDE / 2 voxels and more from the first sweep, are left out."""
        points = np.asarray(points, dtype=np.float32).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            self._pending.append(points)
            self._waiting += len(points)
        if self._waiting > max(_PENDING, len(self._keys) // _SHARE):
            self._merge()

    def points(self) -> np.ndarray:
        """The down-sampled cloud so far."""
        if self._pending:
            self._merge()
        return (self._sums[:, :3] / self._sums[:, 3:] + (0 if self._origin is None else self._origin * self._voxel_m)).astype(np.float32)

    def _merge(self) -> None:
        if self._origin is None:
            self._origin = np.floor(np.median(self._pending[0].astype(np.float64), axis=0) / self._voxel_m)
        points = np.vstack(self._pending).astype(np.float64) - self._origin * self._voxel_m
        self._pending, self._waiting = [], 0
        cells = np.floor(points / self._voxel_m)
        inside = (np.abs(cells) < SIDE // 2).all(axis=1)
        keys = (cells[inside].astype(np.int64) + SIDE // 2) @ (SIDE ** np.arange(2, -1, -1))
        new, which = np.unique(keys, return_inverse=True)
        sums = np.column_stack([np.bincount(which, axis, len(new)) for axis in (*points[inside].T, np.ones(len(keys)))])
        at = np.searchsorted(self._keys, new)
        known = np.append(self._keys, -1)[at] == new
        self._sums[at[known]] += sums[known]
        self._keys = np.insert(self._keys, at[~known], new[~known])
        self._sums = np.insert(self._sums, at[~known], sums[~known], axis=0)


def check_open3d() -> None:
    """Raise MapError where no cloud could be written."""
    try:
        open3d()
    except PatrolError as error:
        raise MapError(f"no cloud can be kept: {error}") from error


def write_cloud(points: np.ndarray, path: Path) -> None:
    """Write `(M, 3)` as binary PCD."""
    o3d = open3d()
    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(np.ascontiguousarray(points, dtype=np.float32)))
    if not o3d.t.io.write_point_cloud(str(path), cloud, write_ascii=False, compressed=False):
        raise MapError(f"cannot write {str(path)!r}; is the disk full?")


def read_cloud(path: Path) -> np.ndarray:
    """The points `(M, 3)` float32 of a PCD file as `write_cloud` writes it. Raises MapError."""
    try:
        return cloud_in(path.read_bytes(), path)
    except OSError as error:
        raise MapError(f"{str(path)!r} cannot be read ({error.strerror}); copy the map again, or teach it again") from error


def cloud_in(data: bytes, path: Path) -> np.ndarray:
    """The points `(M, 3)` float32 in the bytes of the PCD file at `path`. Raises MapError.

    Without Open3D, which would take a patrol 70 MB and more than a second for this alone.
    """
    header, _, body = data.partition(_HEADER_END)
    said = dict(line.partition(b" ")[::2] for line in header.splitlines())
    if any(said.get(name) != value for name, value in _LAYOUT.items()) or len(body) % _POINT_BYTES or not body:
        raise MapError(f"{str(path)!r} holds no points x y z in binary; teach the map again")
    return np.frombuffer(body, "<f4").reshape(-1, 3).astype(np.float32)

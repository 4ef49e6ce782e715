"""The cloud of a map: gathered sweep by sweep, always down-sampled, kept as PCD; made and written by Open3D, read without."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from umad_patrol.errors import MapError
from umad_patrol.io.open3d import open3d

_LAYOUT = {b"FIELDS": b"x y z", b"SIZE": b"4 4 4", b"TYPE": b"F F F", b"COUNT": b"1 1 1"}    # of PCD 0.7, as Open3D writes it
_HEADER_END, _POINT_BYTES = b"\nDATA binary\n", 12
FARTHEST_M = 1e7    # as far as UTM reaches; where the smallest voxels have no numbers any more Open3D would refuse the whole cloud
_PENDING = 500_000  # points that wait until it is worth down-sampling anew


class CloudGrid:
    """Points `(N, 3)` float32 in `map`, at most one a voxel: memory grows with the place, not with the time."""

    def __init__(self, voxel_m: float) -> None:
        self._voxel_m = voxel_m
        self._points = np.zeros((0, 3), dtype=np.float32)
        self._pending: list[np.ndarray] = []

    def add(self, points: np.ndarray) -> None:
        """Add the points of one sweep; those that are not finite or lie farther than FARTHEST_M are left out."""
        points = np.asarray(points, dtype=np.float32).reshape(-1, 3)
        points = points[(np.abs(points) <= FARTHEST_M).all(axis=1)]     # not a number: no
        if len(points):
            self._pending.append(points)
        if sum(map(len, self._pending)) > _PENDING:
            self._merge()

    def points(self) -> np.ndarray:
        """The down-sampled cloud so far."""
        if self._pending:
            self._merge()
        return self._points

    def _merge(self) -> None:
        o3d = open3d()
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.vstack([self._points, *self._pending]).astype(np.float64)))
        self._points = np.asarray(cloud.voxel_down_sample(self._voxel_m).points).astype(np.float32)
        self._pending = []


def write_cloud(points: np.ndarray, path: Path) -> None:
    """Write `(M, 3)` as binary PCD."""
    o3d = open3d()
    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(np.ascontiguousarray(points, dtype=np.float32)))
    if not o3d.t.io.write_point_cloud(str(path), cloud, write_ascii=False, compressed=False):
        raise MapError(f"cannot write {str(path)!r}; is the disk full?")


def read_cloud(path: Path) -> np.ndarray:
    """The points `(M, 3)` float32 of a PCD file as `write_cloud` writes it. Raises MapError.

    Without Open3D, which would take a patrol 70 MB and more than a second for this alone.
    """
    try:
        header, _, body = path.read_bytes().partition(_HEADER_END)
    except OSError as error:
        raise MapError(f"{str(path)!r} cannot be read ({error.strerror}); copy the map again, or teach it again") from error
    said = dict(line.partition(b" ")[::2] for line in header.splitlines())
    if any(said.get(name) != value for name, value in _LAYOUT.items()) or len(body) % _POINT_BYTES or not body:
        raise MapError(f"{str(path)!r} holds no points x y z in binary; teach the map again")
    return np.frombuffer(body, "<f4").reshape(-1, 3).astype(np.float32)

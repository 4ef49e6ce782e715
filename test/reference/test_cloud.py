"""Clouds come back as they were written, without Open3D; what is no such file is refused by name."""

import subprocess
import sys

import numpy as np
import pytest
from maps import ground_cloud, teach

from umad_patrol.errors import MapError
from umad_patrol.io.open3d import open3d
from umad_patrol.reference.cloud import CloudGrid, read_cloud, write_cloud

ALONE = """
import sys
from umad_patrol.config import Settings, with_values
from umad_patrol.pipeline import Pipeline
pipeline = Pipeline.open(sys.argv[1], with_values(Settings(), {"device": "cpu"}))
pipeline.warm_up()
assert pipeline.map.cloud() is not None
pipeline.close()
print("open3d" in sys.modules)
"""


@pytest.mark.parametrize("count", [1, 5000])
def test_a_cloud_comes_back_as_open3d_reads_it(tmp_path, rng, count):
    points = rng.normal(0, 30, (count, 3)).astype(np.float32)
    write_cloud(points, tmp_path / "cloud.pcd")
    found = read_cloud(tmp_path / "cloud.pcd")
    np.testing.assert_array_equal(found, points)
    np.testing.assert_array_equal(found, open3d().t.io.read_point_cloud(str(tmp_path / "cloud.pcd")).point.positions.numpy())
    assert found.dtype == np.float32 and found.flags.writeable


@pytest.mark.parametrize("damage", [
    lambda data: data[:-5], lambda data: b"", lambda data: data[:data.index(b"binary\n") + 7], lambda data: data.replace(b"x y z", b"x y i"),
    lambda data: data.replace(b"DATA binary", b"DATA ascii"), lambda data: data.replace(b"SIZE 4 4 4", b"SIZE 8 8 8"), lambda data: b"\n \n" + data[200:],
])
def test_what_is_no_cloud_is_refused_by_name(tmp_path, rng, damage):
    path = tmp_path / "cloud.pcd"
    write_cloud(rng.normal(0, 1, (50, 3)).astype(np.float32), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MapError, match="cloud.pcd.*teach the map again"):
        read_cloud(path)
    path.unlink()
    with pytest.raises(MapError, match="cloud.pcd.*No such file.*copy the map again"):
        read_cloud(path)


def test_the_work_grows_with_the_drive_not_with_its_square(rng, monkeypatch):
    """What is known is gone through once for every quarter that it grows by."""
    monkeypatch.setattr("umad_patrol.reference.cloud._PENDING", 1000)
    grid, known = CloudGrid(0.1), []
    merge = grid._merge
    monkeypatch.setattr(grid, "_merge", lambda: (known.append(len(grid._keys)), merge()))
    for metres in range(200):
        grid.add(rng.uniform(0, 1, (500, 3)) + [metres, 0, 0])
    assert len(grid.points()) > 50_000 and sum(known) < 10 * known[-1]


def test_a_point_that_lies_nowhere_spoils_no_cloud(rng):
    near = rng.uniform(-5, 5, (100, 3))
    for absurd in (1e10, 3e38, -2e7):
        grid = CloudGrid(0.1)
        grid.add(np.vstack([near, [[absurd, 0.0, 0.0]]]))
        assert 50 < len(grid.points()) <= 100 and np.abs(grid.points()).max() <= 5


def test_a_voxel_holds_the_mean_of_its_points_whatever_the_order(rng):
    points = rng.uniform(-20, 20, (30_000, 3)).astype(np.float32)
    grid, other = CloudGrid(0.5), CloudGrid(0.5)
    for part in np.split(points, 10):
        grid.add(part)
        grid.points()
    other.add(points[:3000])
    for part in np.split(points[3000:], 9)[::-1]:
        other.add(part)
    found = grid.points()
    np.testing.assert_allclose(other.points(), found, atol=1e-5)
    cells, which, counts = np.unique(np.floor(points.astype(np.float64) / 0.5), axis=0, return_inverse=True, return_counts=True)
    means = np.column_stack([np.bincount(which.ravel(), points[:, axis]) for axis in range(3)]) / counts[:, None]
    np.testing.assert_allclose(found[np.lexsort(found.T)], means[np.lexsort(means.astype(np.float32).T)], atol=1e-5)
    cloud = open3d().geometry.PointCloud(open3d().utility.Vector3dVector(points.astype(np.float64)))
    assert abs(len(cloud.voxel_down_sample(0.5).points) / len(found) - 1) < 0.02     # Open3D's voxels begin at the cloud's corner


def test_far_from_the_origin_of_the_map_it_is_as_near_it(rng):
    near, far = CloudGrid(0.25), CloudGrid(0.25)
    points = np.round(rng.uniform(-20, 20, (5000, 3)) * 8) / 8      # whole eighths: single precision holds them at 500 km as well
    near.add(points)
    far.add(points + [500_000, 400_000, 0])
    np.testing.assert_allclose(far.points() - [500_000, 400_000, 0], near.points(), atol=0.05)


def test_a_patrol_does_without_open3d(tmp_path):
    teach(tmp_path / "map", cloud=ground_cloud(np.random.default_rng(3)))
    done = subprocess.run([sys.executable, "-c", ALONE, str(tmp_path / "map")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]

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


def test_a_point_that_lies_nowhere_spoils_no_cloud(rng):
    near = rng.uniform(-5, 5, (100, 3))
    for absurd in (1e10, 3e38, -2e7):
        grid = CloudGrid(0.1)
        grid.add(np.vstack([near, [[absurd, 0.0, 0.0]]]))
        assert 50 < len(grid.points()) <= 100 and np.abs(grid.points()).max() <= 5


def test_a_patrol_does_without_open3d(tmp_path):
    teach(tmp_path / "map", cloud=ground_cloud(np.random.default_rng(3)))
    done = subprocess.run([sys.executable, "-c", ALONE, str(tmp_path / "map")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]

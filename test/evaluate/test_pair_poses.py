"""poses.yaml: there and back, and damaged."""

import numpy as np
import pytest

from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.pair_poses import PairPoses, Sweep, poses_text, read_poses
from umad_patrol.geometry import se3


def test_what_is_written_is_read(tmp_path):
    T = se3.matrix([1.5, -2, 0.7], [0.5, -0.5, 0.5, -0.5])
    said = PairPoses(T, T, None, np.array([0, 0, 1, -0.1]), "hall", Sweep(0.2, 4.0, 0.01, 0.1, "wet-dry"))
    (tmp_path / "poses.yaml").write_text(poses_text(said))
    found = read_poses(tmp_path / "poses.yaml")
    np.testing.assert_allclose(found.map_T_reference, T, atol=1e-9)
    np.testing.assert_allclose(found.ground, said.ground)
    assert found.map_T_query_true is None and found.place == "hall" and found.sweep == said.sweep


@pytest.mark.parametrize("text", ["", "place: 7\n", "{}"])
def test_every_key_may_be_missing(tmp_path, text):
    (tmp_path / "poses.yaml").write_text(text)
    found = read_poses(tmp_path / "poses.yaml")
    assert found.map_T_reference is None and found.ground is None and found.sweep is None


@pytest.mark.parametrize("text, said", [
    ("- 1\n", "list"), ("a: [", "cannot read"), ("map_T_query: [1, 2]", "[1, 2]"), ("map_T_query: nonsense", "nonsense"),
    ("map_T_query: [.nan, 0, 0, 0, 0, 0, 1]", "nan"), ("map_T_reference: [0, 0, 0, 0, 0, 0, 0]", "quaternion"), ("ground: [0, 0, 1]", "ground"),
    ("ground: [0, 0, 9, 0]", "length 9"), ("ground: {a: 1}", "ground"), ("sweep: 3", "sweep"), ("sweep: {offset_m: 1}", "sweep"),
    ("sweep: {offset_m: .nan, rotation_deg: 0, noise_m: 0, noise_deg: 0, light: x}", "finite"),
])
def test_damaged_poses_are_refused_by_name(tmp_path, text, said):
    (tmp_path / "poses.yaml").write_text(text)
    with pytest.raises(DatasetError, match="poses.yaml") as refused:
        read_poses(tmp_path / "poses.yaml")
    assert said in str(refused.value)


def test_poses_that_are_no_text(tmp_path):
    (tmp_path / "poses.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="poses.yaml"):
        read_poses(tmp_path / "poses.yaml")

"""What of a cloud is kept for a keyframe."""

import numpy as np
import pytest

from umad_patrol.records import Camera
from umad_patrol.reference.standing import Standing

CAMERA = Camera(640, 400, np.array([[455.0, 0, 319.5], [0, 455, 180.0], [0, 0, 1]]))
GROUND = np.array([0.0, 0, 1, 0])
POSE = np.eye(4)
POSE[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along the map's x axis
POSE[:3, 3] = 0, 0, 0.7


def before(*points):
    return Standing(np.array(points, np.float32).reshape(-1, 3)).before(POSE, CAMERA, GROUND)


def test_ground_what_is_behind_beside_and_too_far_is_left_out():
    stands = [5.0, 0.5, 1.0]
    kept = before(stands, [5, 0.5, 0.05], [-5, 0, 1], [2, 9, 1], [60, 0, 1])
    np.testing.assert_allclose(kept, [stands])


def test_of_points_in_one_cell_the_nearest_stays():
    np.testing.assert_allclose(before([8.0, 0, 0.7], [4.0, 0, 0.7], [6.0, 0, 0.7]), [[4.0, 0, 0.7]])


def test_far_away_one_point_a_coarse_voxel_is_enough():
    rng = np.random.default_rng(0)
    wall = np.column_stack([np.full(20000, 30.0), rng.uniform(-5, 5, 20000), rng.uniform(0.2, 5, 20000)])
    near = wall * [0.2, 0.2, 1.0]
    assert len(before(*wall)) < 450 and len(before(*near)) > 1500


@pytest.mark.parametrize("shift", [0.0, 4000.0, -4000.0])
def test_all_of_a_near_wall_is_covered_wherever_the_map_lies(shift):
    y, z = np.meshgrid(np.arange(-2, 2, 0.05), np.arange(0.2, 2, 0.05))
    wall = np.stack([np.full(y.size, 6.0), y.ravel(), z.ravel()], axis=1)
    pose = POSE.copy()
    pose[:2, 3] += shift
    kept = Standing((wall + [shift, shift, 0]).astype(np.float32)).before(pose, CAMERA, GROUND) - [shift, shift, 0]
    assert all(np.linalg.norm(kept - p, axis=1).min() < 0.25 for p in wall[::37])


def test_nothing_is_nothing():
    assert before().shape == (0, 3)


def test_in_a_large_map_the_same_is_found_and_little_is_looked_at():
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-2, 400, (60_000, 2)), rng.uniform(0.2, 3, 60_000)]).astype(np.float32)
    standing = Standing(points)
    found = standing.before(POSE, CAMERA, GROUND)
    near = points[(points[:, 0] < 41) & (np.abs(points[:, 1]) < 60)]
    assert len(found) > 30 and {tuple(p) for p in found.tolist()} == {tuple(p) for p in Standing(near).before(POSE, CAMERA, GROUND).tolist()}
    assert len(standing._coarse.around(POSE[:2, 3], 60.0)) < 0.1 * len(points)


def test_far_things_at_the_side_of_a_wide_picture_are_kept():
    wide = Camera(640, 400, np.array([[320.0, 0, 319.5], [0, 320, 180.0], [0, 0, 1]]))
    kept = Standing(np.array([[39.0, 50.0, 1.0], [39.0, -50.0, 1.0]], np.float32)).before(POSE, wide, GROUND)
    assert len(kept) == 2


def test_near_things_at_the_side_of_a_wide_picture_are_kept():
    """Its depth is less than 12 m, its distance is not: what stands behind it would be taken for the nearest."""
    wide = Camera(640, 400, np.array([[160.0, 0, 319.5], [0, 160, 180.0], [0, 0, 1]]))
    wall, behind = [10.0, 19.0, 1.0], [20.0, 38.0, 1.3]
    np.testing.assert_allclose(Standing(np.array([wall, behind], np.float32)).before(POSE, wide, GROUND)[:1], [wall])

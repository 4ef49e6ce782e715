import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.geometry import plane as planes
from umad_patrol.geometry import se3

small = st.floats(-0.3, 0.3)


def on_plane(rng, normal, n=400, noise=0.0):
    points = rng.uniform(-5, 5, (n, 3))
    points[:, 2] = -(points[:, :2] @ np.array(normal[:2])) / normal[2] + 1.5
    return points + rng.normal(0, noise, points.shape) if noise else points


@given(small, small)
def test_an_exact_plane_is_found(a, b):
    normal = np.array([a, b, 1]) / np.linalg.norm([a, b, 1])
    fitted = planes.fit_plane(on_plane(np.random.default_rng(1), normal))
    assert np.allclose(fitted[:3], normal, atol=1e-9)
    assert planes.height(fitted, np.array([[0, 0, 1.5]]))[0] == pytest.approx(0, abs=1e-9)


def test_a_wall_and_noise_do_not_move_the_ground(rng):
    ground = on_plane(rng, (0, 0, 1), noise=0.01)
    wall = np.column_stack([np.full(600, 3.0), rng.uniform(-5, 5, 600), rng.uniform(1.5, 6, 600)])
    fitted = planes.fit_plane(np.vstack([ground, wall, [[np.nan, 0, 0]]]), max_tilt_deg=20)
    assert np.degrees(np.arccos(fitted[2])) < 0.3 and fitted[3] == pytest.approx(-1.5, abs=0.01)
    free = planes.fit_plane(np.vstack([ground, wall]))
    assert abs(free[0]) > 0.9  # without the limit the wall, with more points, wins


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((10, 3)), np.full((10, 3), np.nan),
                                    np.outer(np.arange(50), [1, 1, 0]), np.eye(3)[:2]])
def test_no_plane(points):
    assert planes.fit_plane(points) is None


@given(st.tuples(*[small] * 6))
def test_planes_move_with_their_points(numbers):
    q = np.array([*numbers[:3], 1.0])
    B_T_A = se3.matrix(np.array(numbers[3:]) * 10, q / np.linalg.norm(q))
    plane = planes.through(np.array([1, 2, 3]), np.array([0.1, -0.2, 1]))
    points, _ = planes.intersect(plane, np.array([0, 0, 9.0]), np.array([[0, 0, -1], [1, 0, -3], [0.2, 1, -1]]))
    moved = planes.transform_plane(B_T_A, plane)
    assert np.allclose(planes.height(moved, points @ B_T_A[:3, :3].T + B_T_A[:3, 3]), 0, atol=1e-9)
    assert np.linalg.norm(moved[:3]) == pytest.approx(1)


def test_rays_that_miss_are_not_valid():
    ground = np.array([0, 0, 1, 0.0])
    points, valid = planes.intersect(ground, np.array([0, 0, 2.0]), np.array([[0, 0, -1], [0, 0, 1], [1, 0, 0], [1, 0, -1.0]]))
    assert valid.tolist() == [True, False, False, True]
    assert np.allclose(points[[0, 3]], [[0, 0, 0], [2, 0, 0]]) and np.isnan(points[1:3]).all()


def test_the_normal_points_up():
    assert planes.fit_plane(np.random.default_rng(0).uniform(-1, 1, (50, 3)) * [1, 1, 0])[2] > 0.99
    assert planes.fit_plane(np.random.default_rng(0).uniform(-1, 1, (50, 3)) * [1, 1, 0], up=(0, 0, -1))[2] < -0.99

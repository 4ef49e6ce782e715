import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.errors import AlignmentError
from umad_patrol.geometry import homography as hom
from umad_patrol.geometry import plane as planes
from umad_patrol.geometry import se3
from umad_patrol.geometry.camera import project, rays
from umad_patrol.records import Camera

SIZE = (1280, 720)
REFERENCE = Camera(*SIZE, np.array([[640, 0, 639.5], [0, 642, 359.5], [0, 0, 1]]))
QUERY = Camera(*SIZE, np.array([[700, 0, 620.0], [0, 690, 350.0], [0, 0, 1]]))
small = st.floats(-0.2, 0.2)


def motion(x, y, z, a=0.0, b=0.0, c=0.0):
    q = np.array([a, b, c, 1.0])
    return se3.matrix(np.array([x, y, z]), q / np.linalg.norm(q))


@given(st.tuples(small, small, small, small, small, small))
def test_a_plane_seen_twice(numbers):
    query_T_reference = motion(*numbers)
    ground = planes.through(np.array([0, 0.7, 0]), np.array([0.05, -1, 0.02]))
    pixels = np.array([[100, 600], [1100, 500], [640, 700], [300, 450.0]])
    points, valid = planes.intersect(ground, np.zeros(3), rays(REFERENCE, pixels))
    assert valid.all()
    seen = points @ query_T_reference[:3, :3].T + query_T_reference[:3, 3]
    H = hom.plane_homography(QUERY.K, query_T_reference, ground, REFERENCE.K)
    front = seen[:, 2] > 0.05
    assert np.allclose(hom.transform(H, pixels)[front], project(seen, QUERY)[front], atol=1e-5)


@given(st.tuples(small, small, small))
def test_a_turned_camera_sees_any_depth_the_same(angles):
    T = motion(0, 0, 0, *angles)
    points = np.array([[0, 0, 1], [0.2, 0.1, 5], [-3, 1, 20.0]])
    H = hom.rotation_homography(QUERY.K, T, REFERENCE.K)
    assert np.allclose(hom.transform(H, project(points, REFERENCE)), project(points @ T[:3, :3].T, QUERY), atol=1e-6)


def test_rotation_is_the_plane_at_infinity():
    T = motion(0.1, 0, 0, 0, 0.05, 0)
    far = hom.plane_homography(QUERY.K, T, np.array([0, 0, 1, -1e9]), REFERENCE.K)
    assert np.allclose(far, hom.rotation_homography(QUERY.K, T, REFERENCE.K), atol=1e-6)


def test_points_at_infinity_are_nan():
    H = np.array([[1, 0, 0], [0, 1, 0], [0.01, 0, 1.0]])
    assert np.isnan(hom.transform(H, [[-100, 5]])).all()


@pytest.mark.parametrize("H", [np.full((3, 3), np.nan), np.zeros((3, 3)), np.ones((3, 3)), np.eye(4),
                               np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0.0]])])
def test_what_cannot_be_normalised(H):
    with pytest.raises(AlignmentError):
        hom.normalise(H)


def test_a_plane_through_the_camera_is_refused():
    with pytest.raises(AlignmentError, match="goes through the camera"):
        hom.plane_homography(QUERY.K, np.eye(4), np.array([0, -1, 0, 0.0]), REFERENCE.K)


@pytest.mark.parametrize("shift, share", [((0, 0), 1), ((640, 0), 0.5), ((-640, 360), 0.25), ((1280, 0), 0), ((0, -720), 0)])
def test_overlap_of_shifts(shift, share):
    H = np.eye(3)
    H[:2, 2] = shift
    for scale in (1, -3):
        assert hom.overlap(scale * H, SIZE, SIZE) == pytest.approx(share, abs=0.02)


def test_overlap_counts_query_pixels():
    assert hom.overlap(np.diag([0.5, 0.5, 1]), SIZE, SIZE) == pytest.approx(0.25, abs=0.02)
    assert hom.overlap(np.diag([2.0, 2.0, 1]), SIZE, SIZE) == 1
    assert hom.overlap(np.eye(3) * np.nan, SIZE, SIZE) == 0 == hom.overlap(np.ones((3, 3)), SIZE, SIZE)


def test_overlap_of_a_camera_that_looks_back():
    back = hom.rotation_homography(QUERY.K, np.diag([-1.0, 1, -1]), REFERENCE.K)
    assert hom.overlap(back, SIZE, SIZE) == 1  # a homography cannot tell front from back; a half turn must be refused by angle


def test_sane_and_not():
    assert hom.is_sane(np.eye(3), SIZE) and hom.is_sane(-2 * np.eye(3), SIZE)
    turn = hom.rotation_homography(QUERY.K, motion(0, 0, 0, 0.02, 0.05, 0.01), REFERENCE.K)
    assert hom.is_sane(turn, SIZE)
    mirrored = np.diag([-1.0, 1, 1])
    horizon = np.array([[1, 0, 0], [0, 1, 0], [-1 / 640, 0, 1.0]])
    for H in (mirrored, horizon, np.diag([5.0, 5, 1]), np.diag([0.2, 0.2, 1]), np.full((3, 3), np.inf), np.eye(2)):
        assert not hom.is_sane(H, SIZE)


def test_corners():
    assert hom.corners((3, 2)).tolist() == [[0, 0], [2, 0], [2, 1], [0, 1]]


def test_the_share_that_a_small_picture_covers_is_exact():
    """Pictures reach half a pixel beyond their outermost centres."""
    for shift, share in ((0.0, 1.0), (8.0, 0.5), (-4.0, 0.75), (15.5, 1 / 32), (16.0, 0.0)):
        assert hom.overlap(np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1.0]]), (16, 16), (16, 16)) == share

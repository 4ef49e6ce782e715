import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from umad_patrol.errors import LocalizationError
from umad_patrol.geometry import se3

numbers = st.floats(-10, 10)
vectors = st.tuples(numbers, numbers, numbers)


@st.composite
def motions(draw):
    q = np.array(draw(st.tuples(numbers, numbers, numbers, numbers)))
    assume(np.linalg.norm(q) > 0.1)
    return se3.matrix(np.array(draw(vectors)), q / np.linalg.norm(q))


def turned(degrees, axis=(0, 0, 1), at=(0, 0, 0)):
    half = np.radians(degrees) / 2
    return se3.matrix(np.array(at, float), np.append(np.sin(half) * np.array(axis, float), np.cos(half)))


def test_a_quarter_turn_about_z_takes_x_to_y():
    T = turned(90, at=(1, 2, 3))
    assert np.allclose(T @ [1, 0, 0, 1], [1, 3, 3, 1])


@pytest.mark.parametrize("q", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)])
def test_half_turns_keep_their_quaternion(q):
    assert np.allclose(se3.quat_xyzw(se3.matrix(np.zeros(3), np.array(q))), q)


@given(motions())
def test_quaternion_and_matrix_agree(T):
    assert se3.is_rigid(T)
    again = se3.matrix(T[:3, 3], se3.quat_xyzw(T))
    assert np.allclose(again, T, atol=1e-12)


@given(motions(), motions())
def test_inverse_undoes(A, B):
    assert np.allclose(se3.inverse(A) @ A, np.eye(4), atol=1e-9)
    assert np.allclose(se3.inverse(np.stack([A, B]))[1], np.linalg.inv(B), atol=1e-9)


@given(motions(), motions(), st.floats(0, 1))
def test_interpolation_shares_the_angle_and_the_way(A, B, fraction):
    C = se3.interpolate(A, B, fraction)
    assert se3.is_rigid(C)
    assert np.allclose(se3.interpolate(A, B, 0), A, atol=1e-9) and np.allclose(se3.interpolate(A, B, 1), B, atol=1e-9)
    whole = se3.angle_deg(A[:3, :3].T @ B[:3, :3])
    assert se3.angle_deg(A[:3, :3].T @ C[:3, :3]) == pytest.approx(fraction * whole, abs=1e-4)
    assert se3.distance_m(A, C) == pytest.approx(fraction * se3.distance_m(A, B), abs=1e-9)


def test_interpolation_goes_on_beyond_the_end():
    C = se3.interpolate(turned(0), turned(10, at=(1, 0, 0)), 1.5)
    assert np.allclose(C, turned(15, at=(1.5, 0, 0)))


@pytest.mark.parametrize("degrees", [0, 1e-6, 0.001, 1, 45, 90, 179, 180])
def test_angle(degrees):
    assert se3.angle_deg(turned(degrees, axis=(0, 0.6, 0.8))) == pytest.approx(degrees, abs=1e-7, rel=1e-6)


@pytest.mark.parametrize("t, q, said", [
    ((0, 0, np.nan), (0, 0, 0, 1), "not finite"),
    ((0, 0, 0), (0, np.inf, 0, 1), "not finite"),
    ((0, 0, 0), (0, 0, 0, 0), "length 0"),
    ((0, 0, 0), (0, 0, 0, 1.2), "length 1.2"),
    ((0, 0), (0, 0, 0, 1), "2 + 4"),
])
def test_bad_poses_are_refused(t, q, said):
    with pytest.raises(LocalizationError, match=said.replace("+", r"\+")):
        se3.matrix(np.array(t, float), np.array(q, float))


def test_what_is_not_rigid():
    mirrored, sheared, lifted = np.diag([1, 1, -1, 1.0]), np.eye(4), np.eye(4)
    sheared[0, 1], lifted[3, 0] = 0.1, 1
    for T in (mirrored, sheared, lifted, np.eye(3), np.full((4, 4), np.nan)):
        assert not se3.is_rigid(T) and se3.fault(T) == "is not a finite rigid motion"


def test_what_lies_nowhere_on_earth():
    utm, nowhere = turned(30, at=(780_000, 9_980_000, 40)), turned(30, at=(0, -1e300, 0))
    assert se3.is_rigid(utm) and se3.fault(nowhere) == "lies at (0, -1e+300, 0), farther than 1e+07 m from the origin"

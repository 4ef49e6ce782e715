import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.errors import LocalizationError
from umad_patrol.geometry.trajectory import BackwardJump, PoseBuffer
from umad_patrol.records import Pose

S = 10**9


def pose(seconds, x=None):
    T = np.eye(4)
    T[0, 3] = seconds if x is None else x
    return Pose(round(seconds * S), T)


def filled(*seconds):
    trajectory = PoseBuffer()
    for second in seconds:
        trajectory.append(pose(second))
    return trajectory


@given(st.integers(0, 10 * S))
def test_between_poses_the_motion_is_even(stamp):
    assert filled(*range(11)).at(stamp, 1.0)[0, 3] == pytest.approx(stamp / S, abs=1e-9)


def test_large_stamps_keep_their_nanoseconds():
    start = 1_700_000_000 * S
    trajectory = PoseBuffer()
    for i in range(2):
        trajectory.append(Pose(start + i * 1000, pose(i).parent_T_child))
    assert trajectory.at(start + 250, 1.0)[0, 3] == pytest.approx(0.25)


def test_a_little_past_the_newest_the_motion_goes_on():
    assert filled(1, 1.1).at(round(1.15 * S), 0.5, 0.1)[0, 3] == pytest.approx(1.15)


def test_without_a_speed_the_robot_stands():
    assert filled(1).at(round(1.05 * S), 0.5, 0.1)[0, 3] == 1
    assert filled(1, 3).at(round(3.05 * S), 0.5, 0.1)[0, 3] == 3


def test_the_answer_is_a_copy():
    trajectory = filled(1)
    trajectory.at(S, 1.0)[0, 3] = 99
    assert trajectory.at(S, 1.0)[0, 3] == 1


@pytest.mark.parametrize("trajectory, second, said", [
    (PoseBuffer(), 1, "none has come yet"),
    (filled(5, 5.1), 4.9, "0.100 s before the first pose"),
    (filled(1, 3), 1.3, "gap of 2.000 s is wider than input.max_pose_gap_s 0.5 s, nearest is 0.30 s away"),
    (filled(1, 1.5000001), 1.3, "gap of 0.501 s is wider than input.max_pose_gap_s 0.5 s"),
    (filled(1, 1.1), 2.41, "no pose within 0.05 s of image 2.410 s: the newest is 1.31 s older"),
])
def test_where_no_pose_is_known_the_numbers_are_said(trajectory, second, said):
    with pytest.raises(LocalizationError, match=said):
        trajectory.at(round(second * S), 0.5, 0.05)


def test_order_is_held():
    trajectory = filled(1, 2)
    for second in (2, 1.99):
        with pytest.raises(LocalizationError, match="order of time") as error:
            trajectory.append(pose(second))
        assert not isinstance(error.value, BackwardJump)
    assert len(trajectory) == 2


def test_time_running_backwards_is_told_apart():
    trajectory = filled(100, 101)
    with pytest.raises(BackwardJump, match="backwards by 100.000 s") as error:
        trajectory.append(pose(1))
    assert error.value.reason == "time ran backwards"
    trajectory.clear()
    assert trajectory.newest_ns is None and not len(trajectory)
    trajectory.append(pose(1))
    assert trajectory.newest_ns == S and len(trajectory) == 1


FAR = np.eye(4)
FAR[0, 3] = 1e9


@pytest.mark.parametrize("T", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.eye(3), np.diag([1, 1, -1, 1.0]), FAR])
def test_no_motion_no_entry(T):
    trajectory = filled(1)
    with pytest.raises(LocalizationError, match="pose at 2.000 s"):
        trajectory.append(Pose(2 * S, T))
    assert len(trajectory) == 1


def test_a_buffer_stays_small_and_keeps_the_newest():
    buffer = PoseBuffer(10)
    for i in range(1000):
        buffer.append(pose(i))
        assert len(buffer) < 20
    assert buffer.newest_ns == 999 * S
    assert buffer.at(round(990.5 * S), 1.0)[0, 3] == pytest.approx(990.5)


def test_the_jitter_of_two_poses_close_in_time_is_no_speed():
    trajectory = PoseBuffer()
    for seconds, x in ((0.0, 0.0), (0.1, 0.1), (0.2, 0.2), (0.201, 0.23)):     # 30 m/s, if that were one
        trajectory.append(pose(seconds, x))
    assert 0.23 <= trajectory.at(round(0.25 * S), 0.5, 0.1, 10.0)[0, 3] < 0.3
    two = PoseBuffer()
    for seconds, x in ((0.2, 0.2), (0.201, 0.23)):
        two.append(pose(seconds, x))
    assert two.at(round(0.25 * S), 0.5, 0.1, 10.0)[0, 3] == 0.23


def test_past_a_jump_there_is_no_motion_to_go_on_with():
    trajectory = PoseBuffer()
    for seconds, x in ((1.0, 1.0), (1.1, 9.0)):
        trajectory.append(pose(seconds, x))
    with pytest.raises(LocalizationError, match="jumped by 8.00 m"):
        trajectory.at(round(1.15 * S), 0.5, 0.1, 2.0)

"""What lies above something nearer: whether it stands behind it, and the glimpses that tell."""

import dataclasses

import numpy as np
import pytest

from umad_patrol.alerts.glimpses import KEPT, MOST, MOVED_M, Glimpses, behind_over_part
from umad_patrol.alerts.thing import Spot
from umad_patrol.config import AlertSettings

SETTINGS = AlertSettings()


def spot(place, eye=(0.0, 0.0), frame=1, sigma_m=0.3):
    return Spot(0, frame, None, np.array(place, float), sigma_m ** 2 * np.eye(2), np.array(eye, float))


@pytest.mark.parametrize("moved_m, sure", [(0.0, False), (0.3, False), (2.0, True)])
def test_what_stays_as_the_camera_moves_stands_behind_and_what_comes_along_is_a_part(moved_m, sure):
    """A part 0.3 m above the ground of a thing 5 m away is where its ray meets the ground: 8.75 m away from a camera 0.7 m high."""
    ratio, at = 0.7 / (0.7 - 0.3), np.array([5.0, 0.4])
    eyes = np.array([[0.0, 0.0], [0.1, 0.0], [moved_m, 0.0]])
    part = [spot(eye + ratio * (at - eye), eye) for eye in eyes]
    stands = [spot(ratio * at, eye) for eye in eyes]
    one, other = (behind_over_part(seen[:2], seen[2], ratio) for seen in (stands, part))
    assert one == pytest.approx(-other, abs=1e-9) and (one > 2.0) == sure
    shift = (ratio - 1) * (moved_m - 0.05)      # of the part's place
    assert one == pytest.approx(shift ** 2 / (2 * 1.5 * 0.3 ** 2))


def test_a_place_has_the_glimpses_from_where_the_camera_moved_and_no_others():
    glimpses = Glimpses(SETTINGS)
    assert glimpses.add(spot((9.0, 0.0))) == []
    assert glimpses.add(spot((9.0, 3.0))) == []     # another place
    for frame, x in enumerate((0.5 * MOVED_M, 1.1 * MOVED_M, 2.3 * MOVED_M), 2):
        before = glimpses.add(spot((9.1, 0.0), (x, 0.0), frame))
    assert [s.eye[0] for s in before] == [0.0, pytest.approx(1.1 * MOVED_M)]


def test_a_place_is_forgotten_after_a_window_without_it_and_so_are_the_oldest_of_many():
    glimpses, window = Glimpses(SETTINGS), SETTINGS.window
    glimpses.add(spot((9.0, 0.0), frame=1))
    assert len(glimpses.add(spot((9.0, 0.0), (1.0, 0.0), window))) == 1
    assert glimpses.add(spot((9.0, 0.0), (2.0, 0.0), 2 * window)) == []
    for i in range(MOST):
        glimpses.add(spot((9.0, 10.0 + 2 * i), frame=2 * window))
    assert glimpses.add(spot((9.0, 0.0), (3.0, 0.0), 2 * window)) == []
    assert len(glimpses.add(spot((9.0, 8.0 + 2 * MOST), (3.0, 0.0), 2 * window))) == 1


def test_of_a_long_look_the_latest_glimpses_count():
    glimpses = Glimpses(SETTINGS)
    for i in range(3 * KEPT):
        before = glimpses.add(spot((9.0, 0.0), (i, 0.0), i + 1))
    assert [s.eye[0] for s in before] == list(range(2 * KEPT - 1, 3 * KEPT - 1))


def test_settings_may_change_on_the_way():
    glimpses = Glimpses(SETTINGS)
    glimpses.add(spot((9.0, 0.0)))
    glimpses.settings = dataclasses.replace(SETTINGS, gate_m=0.05)
    assert glimpses.add(spot((9.1, 0.0), frame=2)) == []

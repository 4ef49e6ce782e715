"""What one frame says of a place: clean, taken, hidden by what stands before it, or not seen."""

import numpy as np
import pytest
from patrol_scene import CAMERA, Patrol, pose, standing

from umad_patrol.alerts.track import Tracker
from umad_patrol.alerts.view import CLEAN, HIDDEN, TAKEN, UNSEEN, View
from umad_patrol.config import AlertSettings

FOOT, SIZE = np.array([6.0, 0.4, 0.0]), (0.4, 0.5)


def state(share=1.0, range_m=3.0, mask=False, seen_from_m=9.0):
    """What is said of a thing of whose box something `range_m` away covers the left `share`."""
    left, top, right, bottom = View(CAMERA, pose(0.0), None, None).box(FOOT, SIZE)
    front = (int(left), int(top), int(round(share * (right - left))), int(bottom - top) + 2)
    new = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    if mask:
        new[front[1]:front[1] + front[3], front[0]:front[0] + front[2]] = 255
    return View(CAMERA, pose(0.0), None, new, None, ((front, range_m),)).state(FOOT, SIZE, seen_from_m)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("share, range_m, hidden", [(1.0, 3.0, True), (0.6, 3.0, True), (0.4, 3.0, False), (1.0, 5.2, True), (1.0, 5.6, False),
                                                    (1.0, 6.0, False), (1.0, 8.0, False), (1.0, np.inf, False)])
def test_what_is_nearer_and_covers_half_of_a_thing_hides_it(share, range_m, hidden, mask):
    assert state(share, range_m, mask) == (HIDDEN if hidden else TAKEN if mask else CLEAN)


@pytest.mark.parametrize("seen_from_m, hidden, free", [(5.0, UNSEEN, UNSEEN), (6.0, HIDDEN, UNSEEN), (7.0, HIDDEN, CLEAN)])
def test_a_place_is_judged_from_about_as_near_as_the_thing_was_seen_from(seen_from_m, hidden, free):
    assert state(seen_from_m=seen_from_m) == hidden and state(share=0.0, seen_from_m=seen_from_m) == free


def test_what_is_followed_is_found_where_it_stands_and_nowhere_else():
    tracker = Tracker(AlertSettings())
    Patrol(tracker, [standing((7.0, 0.5), (0.4, 0.3, 0.5), detect=1.0)]).drive([pose(0.3 * i) for i in range(4)])
    assert np.hypot(*(tracker.followed_at((7.1, 0.4, 0.0)).centre - (7.0, 0.5))) < 0.3
    assert tracker.followed_at((7.0, 1.5, 0.0)) is None and tracker.followed_at((7.0, 0.5, 4.0)) is None


def test_what_moves_is_not_known_to_stand_where_it_was_seen():
    tracker = Tracker(AlertSettings())
    walks = lambda seconds, T, rng: standing((4.0 + 1.5 * seconds, 0.5), (0.4, 0.3, 0.5), detect=1.0)(seconds, T, rng)
    Patrol(tracker, [walks]).drive([pose(0.0)] * 6)
    place = tracker.explain()[0][1]
    assert tracker.followed_at((*place, 0.0)) is None

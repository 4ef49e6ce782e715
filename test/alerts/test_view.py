"""What one frame says of a place: clean, taken, hidden by what stands before it, or not seen."""

import numpy as np
import pytest
from patrol_scene import CAMERA, pose

from umad_patrol.alerts.view import CLEAN, HIDDEN, TAKEN, UNSEEN, View

FOOT, SIZE = np.array([6.0, 0.4, 0.0]), (0.4, 0.5)


def state(share=1.0, range_m=3.0, mask=False, seen_from_m=9.0):
    """What is said of a thing of whose box something `range_m` away covers the left `share`."""
    left, top, right, bottom = View(CAMERA, pose(0.0), None, None).box(FOOT, SIZE)
    front = (int(left), int(top), int(round(share * (right - left))), int(bottom - top) + 2)
    new = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    if mask:
        new[front[1]:front[1] + front[3], front[0]:front[0] + front[2]] = 255
    fronts = np.array([[front[0], front[1], front[0] + front[2], front[1] + front[3], range_m, 0.0]])
    return View(CAMERA, pose(0.0), None, new, None, fronts).state(FOOT, SIZE, seen_from_m)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("share, range_m, hidden", [(1.0, 3.0, True), (0.6, 3.0, True), (0.4, 3.0, False), (1.0, 5.2, True), (1.0, 5.6, False),
                                                    (1.0, 6.0, False), (1.0, 8.0, False), (1.0, np.inf, False)])
def test_what_is_nearer_and_covers_half_of_a_thing_hides_it(share, range_m, hidden, mask):
    assert state(share, range_m, mask) == (HIDDEN if hidden else TAKEN if mask else CLEAN)


@pytest.mark.parametrize("seen_from_m, hidden, free", [(5.0, UNSEEN, UNSEEN), (6.0, HIDDEN, UNSEEN), (7.0, HIDDEN, CLEAN)])
def test_a_place_is_judged_from_about_as_near_as_the_thing_was_seen_from(seen_from_m, hidden, free):
    assert state(seen_from_m=seen_from_m) == hidden and state(share=0.0, seen_from_m=seen_from_m) == free

"""What one frame says of a place: clean, taken, hidden by what stands before it, or not seen."""

import numpy as np
import pytest
from patrol_scene import CAMERA, pose

from umad_patrol.alerts.structure import Structure
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


def empty(valid=None, mask=None, structure=None, fronts=None, at=0.0):
    return View(CAMERA, pose(at), valid, mask, structure, fronts)


def painted(*boxes):
    mask = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    for left, top, right, bottom in boxes:
        mask[int(top):int(bottom), int(left):int(right)] = 255
    return mask


def test_the_box_of_a_thing_is_where_it_is_seen():
    """A pixel is 6 m / 910 wide there, the camera 0.7 m above the ground."""
    left, top, right, bottom = empty().box(FOOT, SIZE)
    assert right - left == pytest.approx(0.4 * 910 / 6) and (left + right) / 2 == pytest.approx(639.5 - 0.4 * 910 / 6)
    assert bottom == pytest.approx(359.5 + 0.7 * 910 / 6) and bottom - top == pytest.approx(0.5 * 910 / 6)


@pytest.mark.parametrize("foot", [(-3.0, 0.0, 0.0), (0.05, 0.0, 0.0), (6.0, 5.0, 0.0), (6.0, -5.0, 0.0), (6.0, 0.0, 9.0), (1.0, 0.0, -2.0)],
                         ids=["behind", "in the camera", "left", "right", "above", "below"])
def test_a_place_out_of_the_picture_has_no_box_and_is_not_seen(foot):
    assert empty().box(np.array(foot), SIZE) is None and empty().state(np.array(foot), SIZE, 99.0) == UNSEEN


@pytest.mark.parametrize("edge_px, state", [(0, UNSEEN), (8, UNSEEN), (16, CLEAN), (40, CLEAN)])
@pytest.mark.parametrize("side", [1, -1])
def test_a_place_at_the_side_of_the_picture_is_not_seen_well(side, edge_px, state):
    y = side * (639.5 - edge_px) * 6 / 910 - side * SIZE[0] / 2       # the thing ends so far from the side
    assert empty().state(np.array([6.0, y, 0.0]), SIZE, 9.0) == state


@pytest.mark.parametrize("edge_px, state", [(8, UNSEEN), (16, CLEAN)])
def test_nor_is_one_at_its_lower_edge(edge_px, state):
    x = 0.7 * 910 / (360 - edge_px)
    assert empty().state(np.array([x, 0.0, 0.0]), SIZE, 9.0) == state


@pytest.mark.parametrize("height_px, state", [(8, UNSEEN), (15, CLEAN)])
def test_what_would_be_tiny_may_well_be_missed(height_px, state):
    assert empty().state(FOOT, (0.4, height_px * 6 / 910), 9.0) == state


@pytest.mark.parametrize("share, state", [(1.0, CLEAN), (0.95, CLEAN), (0.8, UNSEEN), (0.5, UNSEEN), (0.0, UNSEEN)])
def test_a_place_is_clean_where_nearly_all_of_it_was_compared(share, state):
    left, _, right, _ = empty().box(FOOT, SIZE)
    valid = np.ones((CAMERA.height, CAMERA.width), bool)
    valid[:, :round(right - share * (right - left))] = False
    assert empty(valid).state(FOOT, SIZE, 9.0) == state


def test_a_place_behind_a_wall_is_not_seen():
    y, z = np.meshgrid(np.arange(-3, 3, 0.05), np.arange(0.05, 2, 0.05))
    floor = np.column_stack([np.tile(np.arange(0, 8, 0.1), 60), np.repeat(np.arange(-3, 3, 0.1), 80), np.zeros(4800)])
    for x, state in ((4.0, UNSEEN), (7.5, CLEAN)):
        wall = np.column_stack([np.full(y.size, x), y.ravel(), z.ravel()])
        assert empty(structure=Structure(np.vstack([floor, wall]))).state(FOOT, SIZE, 9.0) == state


@pytest.mark.parametrize("beside, state", [(0.0, TAKEN), (0.4, TAKEN), (0.7, CLEAN), (2.0, CLEAN)])
@pytest.mark.parametrize("axis", [0, 1])
def test_something_new_within_half_a_things_size_of_it_may_be_it(beside, axis, state):
    box = np.array(empty().box(FOOT, SIZE))
    size = box[2:] - box[:2]
    corner = box[:2] - (1 + beside) * size * np.eye(2)[axis]    # left of it, or above
    assert empty(mask=painted((*corner, *(corner + size)))).state(FOOT, SIZE, 9.0) == state


def test_what_is_known_to_be_something_else_takes_no_place_but_what_reaches_into_it_does():
    left, top, right, bottom = empty().box(FOOT, SIZE)
    beside = (left - 40, top - 60, right + 5, bottom - 10)
    stray = (left + 10, top - 120, right - 10, bottom - 20)     # what of it is seen from here lies within the other, not all of it
    far = np.inf, 0.0
    alone = empty(mask=painted(beside), fronts=np.array([(*beside, *far)]))
    assert alone.state(FOOT, SIZE, 9.0) == TAKEN and alone.state(FOOT, SIZE, 9.0, [beside]) == CLEAN
    both = empty(mask=painted(beside, stray), fronts=np.array([(*beside, *far), (*stray, *far)]))
    assert both.state(FOOT, SIZE, 9.0, [beside]) == TAKEN
    inside = (left + 2, top + 2, right - 2, bottom - 12)     # a part of what is known
    assert empty(mask=painted(beside, inside), fronts=np.array([(*beside, *far), (*inside, *far)])).state(FOOT, SIZE, 9.0, [beside]) == CLEAN


@pytest.mark.parametrize("passes", [True, False])
def test_of_what_is_nearer_only_what_passes_counts_where_that_is_asked(passes):
    box = empty().box(FOOT, SIZE)
    view = empty(fronts=np.array([(*box, 3.0, float(passes))]))
    assert view.covers(box, 6.0) and view.covers(box, 6.0, passing=True) == passes and not view.covers(box, 3.5)
    assert not empty().covers(box, 6.0)

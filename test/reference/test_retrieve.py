import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maps import CAMERA, pose

from umad_patrol.config import RetrieveSettings
from umad_patrol.errors import LocalizationError
from umad_patrol.geometry import se3
from umad_patrol.reference.cells import Cells
from umad_patrol.reference.overlap import mutual_overlap, sample_rays
from umad_patrol.reference.retrieve import Retriever

LEVEL_GROUND = np.array([0, 0, 1, 0.0])


def route(poses, light=None, runs=("noon",), grounds=None):
    poses = np.array(poses)
    return types.SimpleNamespace(poses=poses, camera=CAMERA, runs=runs, light=np.zeros((len(poses), 7)) if light is None else np.array(light),
                                 grounds=np.tile(LEVEL_GROUND, (len(poses), 1)) if grounds is None else grounds)


def straight(step=0.25, n=40, **where):
    return [pose(i * step, **where) for i in range(n)]


def retriever(poses, **settings):
    return Retriever(route(poses), RetrieveSettings(**settings))


@given(st.floats(0, 9.75), st.floats(-0.3, 0.3), st.floats(-8, 8))
def test_the_nearest_of_a_straight_route_is_best(x, y, yaw):
    found = retriever(straight()).find(pose(x, y, yaw))
    assert len(found) == 1
    assert abs(found[0].index - x / 0.25) <= 1.01    # the overlap is counted in cells: keyframes next to each other may tie
    assert found[0].distance_m == pytest.approx(np.hypot(x - found[0].index * 0.25, y))
    assert found[0].angle_deg == pytest.approx(abs(yaw), abs=1e-4)
    assert 0 < found[0].overlap <= 1


def test_in_place_it_is_the_very_keyframe():
    found = retriever(straight()).find(pose(2.5))[0]
    assert (found.index, found.distance_m, found.overlap) == (10, 0.0, 1.0)


def test_the_limits_hold():
    finder = retriever(straight(), max_distance_m=0.5, max_angle_deg=10)
    assert finder.find(pose(1, y=0.51), 4) == [] and finder.find(pose(1, yaw_deg=10.1), 4) == []
    assert finder.find(pose(1, yaw_deg=180)) == [] and finder.find(pose(9e6)) == [] and finder.find(pose(-9e6)) == []
    assert len(finder.find(pose(1, y=0.49))) == 1 and len(finder.find(pose(1, yaw_deg=9.9))) == 1
    assert all(m.distance_m <= 0.5 for m in finder.find(pose(1, y=0.3), 4))


def test_a_turned_keyframe_in_place_loses_to_a_straight_one_nearby():
    poses = [pose(0, yaw_deg=14), pose(0.2)]
    assert retriever(poses).find(pose(0))[0].index == 1


def test_the_other_direction_of_a_road_is_another_view():
    poses = straight(n=10) + straight(n=10, yaw_deg=180)
    assert retriever(poses).find(pose(1.01))[0].index == 4
    assert retriever(poses).find(pose(1.01, yaw_deg=179))[0].index == 14


@pytest.mark.parametrize("x", [1.02, 1.1, 1.2])
def test_two_references_bracket_the_query(x):
    two = retriever(straight()).find(pose(x, y=0.05), 2)
    assert sorted(m.index for m in two) == [4, 5]
    assert two[0].index == round(x / 0.25)


def test_three_and_four_keep_their_distance():
    for count in (3, 4):
        found = retriever(straight()).find(pose(1.1), count)
        assert len({m.index for m in found}) == count and {m.index for m in found} <= {2, 3, 4, 5, 6, 7}


def test_crowded_keyframes_do_not_serve_as_pairs():
    poses = [pose(1.0), pose(1.01), pose(1.02), pose(0.8), pose(1.3)]
    two = retriever(poses).find(pose(1.0), 2)
    assert two[0].index == 0 and two[1].index in (3, 4)
    crowd = retriever(poses[:3]).find(pose(1.0), 2)
    assert len(crowd) == 2  # better a near pair than none


def test_at_the_end_of_the_route_both_lie_behind():
    assert [m.index for m in retriever(straight(n=3)).find(pose(0.6), 2)] == [2, 1]


def test_like_light_is_preferred_among_runs():
    poses = straight(n=5) + [pose(i * 0.25, y=0.05) for i in range(5)]
    noon, dusk = np.full(7, 0.8), np.full(7, 0.3)
    runs = Retriever(route(poses, [noon] * 5 + [dusk] * 5, ("noon", "dusk")), RetrieveSettings())
    assert runs.find(pose(0.5))[0].index == 2
    assert runs.find(pose(0.5), light=noon)[0].index == 2 and runs.find(pose(0.5), light=dusk)[0].index == 7
    one = Retriever(route(poses, [noon] * 5 + [dusk] * 5, ("noon",)), RetrieveSettings())
    assert one.find(pose(0.5), light=dusk)[0].index == 2


def test_nearest_tells_how_far_it_is():
    near = retriever(straight()).nearest(pose(2.5, y=7))
    assert near.index == 10 and near.distance_m == pytest.approx(7, abs=1e-4)
    turned = retriever(straight(n=10, yaw_deg=180) + straight(n=10)).nearest(pose(0.01, yaw_deg=40))
    assert turned.index == 10 and turned.angle_deg == pytest.approx(40)


def test_far_from_the_origin_nothing_is_lost():
    shift = np.eye(4)
    shift[:3, 3] = 500_000, -4_000_000, 30
    finder = retriever([shift @ p for p in straight()])
    found = finder.find(shift @ pose(2.51), 1)[0]
    assert found.index == 10 and found.distance_m == pytest.approx(0.01, abs=1e-6)
    assert finder.nearest(shift @ pose(2.51, y=5)).index == 10


@pytest.mark.parametrize("bad", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.inf)])
def test_a_bad_pose_is_refused(bad):
    for ask in (retriever(straight()).find, retriever(straight()).nearest):
        with pytest.raises(LocalizationError):
            ask(bad)


def test_one_keyframe_is_a_map():
    finder = retriever([pose(0)])
    assert len(finder.find(pose(0.1), 4)) == 1 and finder.nearest(pose(9)).index == 0


def test_against_brute_force(rng):
    poses = [pose(*rng.uniform(-3, 3, 2), rng.uniform(-180, 180)) for _ in range(500)]
    finder = retriever(poses, max_distance_m=0.8, max_angle_deg=40)
    for _ in range(60):
        query = pose(*rng.uniform(-3, 3, 2), rng.uniform(-180, 180))
        inside = {i for i, p in enumerate(poses) if se3.distance_m(p, query) <= 0.8 and se3.angle_deg(p[:3, :3].T @ query[:3, :3]) <= 40}
        assert {m.index for m in finder.find(query, 500)} == inside


def overlap(query, keyframe, ground=LEVEL_GROUND):
    return mutual_overlap(query, keyframe[None], ground[None], sample_rays(CAMERA), CAMERA)[0]


def test_overlap_falls_with_distance_and_turn_and_is_mutual():
    for steps in ([pose(d) for d in (0, 0.3, 0.9, 2)], [pose(0, y=d) for d in (0, 0.3, 0.9, 2)], [pose(0, yaw_deg=d) for d in (0, 5, 14, 40)],
                  [pose(0, pitch_deg=d) for d in (0, 5, 14, 30)]):
        values = [overlap(pose(0), step) for step in steps]
        assert values[0] == 1 and values == sorted(values, reverse=True) and values[-1] < 0.9
    assert overlap(pose(0), pose(0.7, 0.3, 8)) == pytest.approx(overlap(pose(0.7, 0.3, 8), pose(0)))
    assert overlap(pose(0), pose(0, yaw_deg=180)) == 0


def test_overlap_counts_the_pixels_that_a_turn_leaves():
    shift = 60 * np.tan(np.radians(10)) / 96  # roughly, of a 96 pixel wide picture with f = 60
    assert overlap(pose(0), pose(0, yaw_deg=10)) == pytest.approx((1 - shift) ** 2, abs=0.12)


def test_without_ground_only_the_turn_counts():
    nowhere = np.full(4, np.nan)
    assert overlap(pose(0), pose(3), nowhere) == 1 and overlap(pose(0), pose(3, yaw_deg=14), nowhere) < 1


def test_cells_find_all_within_their_size(rng):
    points = rng.uniform(-5, 5, (300, 3))
    cells = Cells(points, 0.7)
    for place in rng.uniform(-6, 6, (50, 3)):
        near = cells.near(place)
        inside = np.flatnonzero(np.hypot(*(points[:, :2] - place[:2]).T) <= 0.7)
        assert set(inside) <= set(near) and len(set(near)) == len(near)
    assert len(cells.near(np.array([1e9, 1e9]))) == 0

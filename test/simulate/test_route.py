import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.simulate.route import Route, make_route

TURNS = st.floats(0.3, 1.5).flatmap(lambda a: st.sampled_from([a, -a]))


def route(turn: float) -> Route:
    return Route(30.0, turn, 9.0, 68.0)


def test_straight_runs_along_x_and_left_is_plus_y():
    assert route(1.0).point(10.0, 0.0) == pytest.approx([10.0, 0.0])
    assert route(1.0).point(10.0, 2.0) == pytest.approx([10.0, 2.0])
    assert route(-1.0).point(-5.0, -1.0) == pytest.approx([-5.0, -1.0])


def test_quarter_turn_ends_where_the_circle_says():
    left = Route(30.0, np.pi / 2, 9.0, 68.0)
    end = left.bend[1]
    assert left.point(end, 0.0) == pytest.approx([39.0, 9.0])
    assert left.point(end + 4.0, 0.0) == pytest.approx([39.0, 13.0])
    assert left.point(end, 1.0) == pytest.approx([38.0, 9.0])


@given(TURNS, st.floats(-20, 90))
def test_a_metre_along_is_a_metre_in_the_direction_of_the_heading(turn, s):
    r, h = route(turn), 1e-4
    step = (r.point(s + h, 0.0) - r.point(s - h, 0.0)) / (2 * h)
    assert step == pytest.approx(r.direction(s)[:2], abs=1e-3)


@given(TURNS, st.floats(-20, 90), st.floats(-8, 8))
def test_aside_is_square_to_the_heading(turn, s, d):
    r = route(turn)
    aside = r.point(s, d) - r.point(s, 0.0)
    assert aside @ r.direction(s)[:2] == pytest.approx(0.0, abs=1e-9)
    assert aside @ [-np.sin(r.heading(s)), np.cos(r.heading(s))] == pytest.approx(d)


@pytest.mark.parametrize("seed", range(8))
def test_made_routes_turn_clearly_within_their_length(seed):
    r = make_route(np.random.default_rng(seed), 68.0)
    assert r.length_m == 68.0
    assert 50 < np.degrees(abs(r.turn_rad)) < 90
    assert 0 < r.bend[0] < r.bend[1] < r.length_m

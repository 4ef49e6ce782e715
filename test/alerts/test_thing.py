"""What speaks against an alert, one thing at a time, and how long sightings count."""

import dataclasses

import numpy as np
import pytest
from patrol_scene import CAMERA, pose

from umad_patrol.alerts.thing import FLOOR_M, KEPT, RECENT, Spot, Thing
from umad_patrol.config import AlertSettings
from umad_patrol.records import Alert, Region, Sighting

SETTINGS = AlertSettings()
PLACE = (8.0, 0.5, 0.0)


def spot(frame, x, place=PLACE, size=(0.4, 0.5), score=0.9, name="anomaly", on_somebody=False, dt=0.3):
    """A sighting from the camera at (x, 0), in frame number `frame`."""
    range_m = float(np.hypot(place[0] - x, place[1]))
    height_px = max(round(910 * size[1] / range_m), 1)
    region = Region(name, score, 900, (600, 400, 40, height_px), (620.0, 400.0 + height_px))
    return Spot.of(Sighting(region, place, range_m, *size, 0.7), round(frame * dt * 1e9), frame, CAMERA, pose(x), SETTINGS, on_somebody)


def seen(count=10, changes=lambda i: {}, step_m=0.4, settings=SETTINGS, first=1):
    thing = Thing(settings)
    for i in range(count):
        thing.add(spot(first + i, step_m * i, **changes(i)))
    return thing


def test_what_stands_and_was_seen_well_is_in_no_doubt():
    thing = seen()
    assert thing.doubt(10) == "" and thing.class_name == "anomaly" and thing.score == pytest.approx(0.9)
    np.testing.assert_allclose(thing.centre, PLACE[:2], atol=1e-6)
    assert not thing.moves and thing.size_m == pytest.approx((0.4, 0.5))


@pytest.mark.parametrize("changes, doubt", [
    (lambda i: {"name": "dynamic"}, "is dynamic"),
    (lambda i: {"score": 0.7}, "score 0.70 only"),
    (lambda i: {"size": (0.4, 0.04)}, "too low: 0.04 m"),
    (lambda i: {"size": (2.6, 0.5)}, "too large: 2.6 x 0.5 m"),
    (lambda i: {"size": (0.4, 2.6)}, "too large: 0.4 x 2.6 m"),
    (lambda i: {"size": (0.5, 1.7)}, "tall and standing for 2.7 s only"),
    (lambda i: {"on_somebody": i % 5 < 3}, "is seen on somebody who stands before it"),
])
def test_each_thing_that_speaks_against_an_alert_is_named(changes, doubt):
    assert seen(changes=changes).doubt(10).startswith(doubt)


@pytest.mark.parametrize("changes", [
    lambda i: {"size": (2.4, 0.5)}, lambda i: {"size": (0.1, 0.06)}, lambda i: {"score": 0.76}, lambda i: {"size": (0.5, 1.2)},
    lambda i: {"on_somebody": i % 2 == 0}, lambda i: {"name": "dynamic" if i % 4 == 0 else "anomaly"}])
def test_what_speaks_against_it_a_little_less_does_not(changes):
    assert seen(changes=changes).doubt(10) == ""


def test_what_moves_a_little_is_in_doubt_where_little_is_allowed():
    creeps = lambda i: {"place": (8.0, 0.5 + 0.08 * i, 0.0)}     # 0.27 m/s, and as fast as 0.32 as far as is known
    for allowed, moves in ((0.29, True), (0.4, False)):
        doubt = seen(changes=creeps, settings=dataclasses.replace(SETTINGS, max_speed_mps=allowed)).doubt(10)
        assert doubt.startswith("may move at ") == moves and bool(doubt) == moves


@pytest.mark.parametrize("count, strays, disagree", [(12, 4, False), (12, 5, True), (16, 8, False), (18, 10, True)])
def test_half_of_the_sightings_and_three_in_five_of_the_latest_must_agree(count, strays, disagree):
    places = lambda i: {"place": (8.0, 0.5 + (1.5 * (i + 1) if i < strays else 0.0), 0.0)}
    assert (seen(count, places, 0.2).doubt(count) == "sightings disagree") == disagree


def test_somebody_tall_must_stand_for_long():
    assert "tall" in seen(20, lambda i: {"size": (0.5, 1.7)}, 0.2).doubt(20) and seen(22, lambda i: {"size": (0.5, 1.7)}, 0.2).doubt(22) == ""


def test_so_many_sightings_within_the_window_are_needed():
    assert seen(SETTINGS.sightings - 1).doubt(SETTINGS.sightings - 1) == f"seen {SETTINGS.sightings - 1} of {SETTINGS.sightings} times"
    thing = seen(SETTINGS.sightings)
    assert thing.doubt(SETTINGS.window) == "" and thing.doubt(SETTINGS.window + 1).startswith("seen 5 of 6")


def test_frames_in_which_its_place_was_hidden_do_not_count_but_twice_the_window_is_the_end():
    thing, window = Thing(SETTINGS), SETTINGS.window
    assert thing.since(100) == 100 - window
    for frame in (1, 70, 98, 99, 100):
        thing.hide(frame)
    assert thing.since(100) == 100 - window - 3     # 1 and 70 are long past
    for frame in range(100 - 2 * window, 101):
        thing.hide(frame)
    assert thing.since(100) == 100 - 2 * window


def test_one_that_is_rarely_seen_where_it_should_be_is_in_doubt():
    thing = seen()
    thing.clean = 15
    assert thing.doubt(10) == ""
    thing.clean = 16
    assert thing.doubt(10) == "seen too seldom"


def test_a_place_that_wanders_with_the_view_is_in_doubt():
    """By less than an error of its size, so that all agree, and without end."""
    calm = dataclasses.replace(SETTINGS, max_spread=0.8)
    wanders = lambda i: {"place": (8.0, 0.5 + (-1) ** i * 0.13, 0.0)}
    assert seen(changes=wanders, settings=calm).doubt(10).startswith("place wanders by ") and seen(changes=wanders).doubt(10) == ""


def test_a_mark_is_flat():
    flat = lambda i: {"size": (1.0, 0.7 * 0.6 / (8.0 - 0.4 * i + 0.6))}
    assert seen(changes=flat).doubt(10).startswith("flat: evidence of standing -")


def test_weak_evidence_of_standing_is_enough_of_what_was_seen_often():
    """From one place only its shape speaks, for 0.5 in log likelihood."""
    shape, settings = lambda i: {"size": (0.5, 0.3 * 0.5 * np.exp(0.5))}, dataclasses.replace(SETTINGS, weak_evidence=0.4)
    few, often = (seen(count, shape, 0.0, settings) for count in (settings.weak_sightings - 1, settings.weak_sightings))
    assert few.doubt(10) == "perhaps flat: evidence of standing 0.5" and often.doubt(10) == ""
    few.earlier = 1     # also where it was seen before
    assert few.doubt(10) == ""


def test_it_is_as_large_as_the_nearest_third_of_its_sightings_says():
    thing = seen(9, lambda i: {"size": (0.4, 0.5) if i >= 6 else (0.8, 0.9)})
    assert thing.size_m == pytest.approx((0.4, 0.5))


def test_a_place_is_never_known_better_than_to_three_centimetres():
    thing = seen(50, step_m=0.1)
    assert FLOOR_M == 0.03 and 0.03 ** 2 < np.linalg.eigvalsh(thing.covariance)[0] < 1.3 * 0.03 ** 2


def test_of_many_sightings_the_latest_are_kept_and_every_second_of_the_rest_and_all_are_counted():
    thing = seen(KEPT + 1, step_m=0.05)
    frames = [s.frame for s in thing.spots]
    assert frames[-RECENT:] == list(range(KEPT + 2 - RECENT, KEPT + 2)) and frames[:-RECENT] == list(range(1, KEPT + 2 - RECENT, 2))
    assert thing.earlier == thing.thinned == KEPT + 1 - len(frames)


def test_how_it_moves_is_told_by_the_last_second_or_ten_sightings():
    slow, quick = (seen(40, lambda i: {"dt": dt, "place": (8.0, 0.5 + (0.8 * dt * (i - 20) if i >= 20 else 0.0), 0.0)}, 0.01) for dt in (0.3, 0.03))
    assert slow.velocity[1] == pytest.approx(0.8) and slow.moves
    assert 0.2 < quick.velocity[1] < 0.7    # 1.2 s are 40 of its sightings, and for the first half it stood


def test_it_starts_afresh_where_it_was_and_what_is_remembered_is_expected():
    thing = seen()
    thing.hide(10)
    thing.clean, thing.clean_in_a_row = 5, 2
    thing.forget_sightings()
    assert (thing.spots, thing.hidden, thing.clean, thing.clean_in_a_row, thing.thinned, thing.earlier) == ([], [], 0, 0, 0, 10)
    assert not thing.is_expected and thing.last_frame == 0
    np.testing.assert_allclose(thing.prior[0], PLACE[:2], atol=1e-6)
    known = Thing(SETTINGS)
    for state, expected in (("active", True), ("dismissed", True), ("cleared", False)):
        known.remember(Alert("A0001", state, "anomaly", 0.9, PLACE, (0.4, 0.5), 1, 2, 9), 0.15, 5.0)
        assert known.is_expected == expected and known.earlier == 9 and known.ground_z == 0.0 and known.size_m == (0.4, 0.5)

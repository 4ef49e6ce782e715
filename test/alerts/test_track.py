"""What becomes an alert and what does not, on patrols by pure geometry with the noise of real regions."""

import dataclasses

import numpy as np
import pytest
from patrol_scene import CAMERA, Patrol, ahead, box_region, flicker, patch, pose, standing, tilt, walking

from umad_patrol.alerts.place import place
from umad_patrol.alerts.track import Tracker
from umad_patrol.config import AlertSettings
from umad_patrol.records import Alert, Dismissed, Region, Sighting

SETTINGS = AlertSettings()
SIZES = {"can": (0.07, 0.07, 0.12), "bottle": (0.08, 0.08, 0.25), "carton": (0.4, 0.4, 0.3), "bag": (0.4, 0.3, 0.45), "cone": (0.35, 0.35, 0.7),
         "bollard": (0.15, 0.15, 0.9), "trolley": (0.6, 0.9, 1.0)}


def patrol(things, poses=None, dt=0.3, seed=0, tracker=None, settings=SETTINGS, start=0.0, valid=None) -> Patrol:
    return Patrol(tracker or Tracker(settings), things, seed, valid).drive(ahead(dt=dt) if poses is None else poses, dt, start)


@pytest.mark.parametrize("sigma", [1.5, 3.0])
@pytest.mark.parametrize("kind", SIZES)
def test_what_stands_is_one_alert_in_its_place(kind, sigma):
    for seed in range(3):
        done = patrol([standing((10.0, 0.8), SIZES[kind], sigma=sigma)], seed=seed)
        alert, = done.tracker.alerts
        assert alert.state == "active" and len(done.opened) == 1
        assert np.hypot(alert.position[0] - 10.0, alert.position[1] - 0.8) < 0.25
        assert alert.size_m[1] == pytest.approx(SIZES[kind][2], rel=0.5)
        assert alert.first_seen_ns < alert.last_seen_ns and alert.sightings >= SETTINGS.sightings


@pytest.mark.parametrize("detect", [0.9, 0.5])
@pytest.mark.parametrize("dt", [1 / 30, 0.2, 0.5])
@pytest.mark.parametrize("start, velocity", [
    ((7.0, -4.0), (0.0, 1.2)), ((6.0, 4.0), (0.0, -0.8)),       # across
    ((18.0, 0.5), (-1.2, 0.0)), ((16.0, -1.0), (-0.8, 0.0)),    # towards the camera
    ((4.0, 1.0), (1.2, 0.0)), ((3.0, -0.5), (1.0, 0.0)),        # along with it
    ((6.0, -3.0), (0.8, 0.8)),                                  # obliquely
])
def test_who_walks_by_is_no_alert(start, velocity, dt, detect):
    for seed in range(2):
        assert not patrol([walking(start, velocity, detect=detect, sigma=3.0)], dt=dt, seed=seed).opened


@pytest.mark.parametrize("hz, place", [(10, (9.0, 1.5)), (20, (9.0, 2.5)), (30, (9.0, 1.5)), (60, (7.0, 0.9))])
def test_a_quick_camera_finds_what_a_slow_one_does(hz, place):
    for seed in range(4):
        assert patrol([standing(place, (0.4, 0.4, 0.5), detect=0.95)], ahead(dt=1 / hz), dt=1 / hz, seed=seed).opened


@pytest.mark.parametrize("hz", [4, 8, 30, 60])
def test_a_quarter_of_a_second_without_it_does_not_clear_an_alert(hz):
    there = standing((8.0, 0.9), (0.4, 0.4, 0.5), detect=1.0)
    before = patrol([there], ahead(stop=5.9, dt=0.2), dt=0.2)
    gap = lambda s, T, rng: [] if 6.0 <= s < 6.25 else there(s, T, rng)
    assert not patrol([gap], [pose(5.9)] * int(1.5 * hz), 1 / hz, tracker=before.tracker, start=5.9).changed


def test_somebody_tall_who_stands_for_a_moment_is_no_alert_but_a_thing_that_stays_is():
    stop = lambda s, T, rng: standing((6.0, 0.5), (0.5, 0.35, 1.7))(s, T, rng) if s < 4.0 else walking((6.0 - 4.8, 0.5), (1.2, 0.0))(s, T, rng)
    assert not patrol([stop], [pose(0.0)] * 40).opened
    assert patrol([standing((6.0, 0.5), (0.5, 0.35, 1.7), sigma=1.0)], [pose(0.02 * i) for i in range(60)]).opened


def test_walkers_past_a_bottle_leave_just_the_bottle():
    things = [standing((9.0, -0.6), SIZES["bottle"]), walking((7.0, -4.0), (0.0, 1.2)), walking((18.0, 0.3), (-1.2, 0.0)), walking((3.0, 1.2), (1.1, 0.0))]
    for seed in range(4):
        alert, = patrol(things, seed=seed).tracker.alerts
        assert np.hypot(alert.position[0] - 9.0, alert.position[1] + 0.6) < 0.3


@pytest.mark.parametrize("size", [(0.5, 0.5), (1.0, 0.5), (0.5, 1.5), (0.2, 2.0), (2.0, 0.4)])
def test_marks_on_the_ground_are_no_alert(size):
    assert sum(bool(patrol([patch((10.0, 0.5), size)], seed=seed).opened) for seed in range(6)) <= 1


def test_regions_anywhere_are_no_alert():
    for seed in range(3):
        assert not patrol([flicker(1.0)], ahead(0.0, 40.0), seed=seed).opened


@pytest.mark.parametrize("name", ["dynamic", "changed"])
def test_other_classes_raise_nothing(name):
    assert not patrol([standing((10.0, 0.8), SIZES["cone"], name=name)]).opened


def test_the_class_is_what_most_of_the_score_says():
    mixed = lambda s, T, rng: standing((10.0, 0.8), SIZES["cone"], name="dynamic" if rng.random() < 0.25 else "anomaly")(s, T, rng)
    assert patrol([mixed]).opened


def test_what_is_too_large_is_no_object():
    assert not patrol([standing((10.0, 0.0), (3.5, 0.3, 1.0))]).opened


def test_what_wanders_with_the_view_is_no_alert():
    """The upper part of a pole, left over by parallax: its foot ray meets the ground far behind, elsewhere each time."""
    floating = lambda s, T, rng: [dataclasses.replace(r, box=(r.box[0], r.box[1], r.box[2], r.box[3] // 2),
                                                      foot=(r.foot[0], float(r.box[1] + r.box[3] // 2)))
                                  for r in standing((8.0, 1.0), (0.1, 0.1, 0.9), sigma=1.0)(s, T, rng)]
    assert not patrol([floating]).opened


def test_two_parts_of_one_thing_are_one_alert_and_two_things_are_two():
    trolley = [standing((10.0, 0.7), (0.25, 0.3, 1.0)), standing((10.1, 1.05), (0.25, 0.3, 0.9))]
    assert len(patrol(trolley).tracker.alerts) == 1
    assert len(patrol([standing((10.0, 0.9), SIZES["cone"]), standing((10.0, -0.9), SIZES["cone"])]).tracker.alerts) == 2


def test_an_alert_clears_when_its_place_is_seen_clean_and_returns_under_its_id():
    tracker = Tracker(SETTINGS)
    bottle = standing((10.0, 0.8), SIZES["bottle"])
    first = patrol([bottle], tracker=tracker).opened
    gone = patrol([], tracker=tracker, start=100.0)
    assert [a.state for a in gone.changed] == ["cleared"] and tracker.alerts[0].state == "cleared"
    again = patrol([bottle], tracker=tracker, start=200.0, seed=1)
    assert [a.id for a in again.opened] == [first[0].id] and len(tracker.alerts) == 1
    assert tracker.alerts[0].first_seen_ns == first[0].first_seen_ns


def test_a_place_out_of_view_or_not_compared_or_occupied_is_not_clean():
    for poses, valid, things in [(ahead(11.0, 20.0), None, []), (ahead(), np.zeros((720, 1280), bool), []),
                                 (ahead(), None, [standing((8.0, 0.75), (2.0, 0.3, 1.7), detect=1.0)])]:
        tracker = Tracker(SETTINGS)
        patrol([standing((10.0, 0.8), SIZES["bottle"])], tracker=tracker)
        bottle = tracker.alerts[0].id
        patrol(things, poses[:20], tracker=tracker, start=100.0, valid=valid)
        assert {a.id: a.state for a in tracker.alerts}[bottle] == "active"


def test_the_same_thing_on_the_next_patrol_is_the_same_alert_also_after_a_restart():
    tracker = Tracker(SETTINGS)
    things = [standing((10.0, 0.8), SIZES["bottle"]), standing((9.0, -1.0), SIZES["cone"])]
    patrol(things, tracker=tracker)
    tracker.reset_time()
    patrol(things, tracker=tracker, seed=1)  # stamps begin anew
    before = tracker.alerts
    restored = Tracker(SETTINGS)
    restored.restore(before)
    assert restored.alerts == before
    later = patrol([*things, standing((8.0, 2.0), SIZES["bag"])], tracker=restored, seed=2, start=1e5)
    assert len(before) == 2 and [a.id for a in later.opened] == ["A0003"]
    assert [a.id for a in restored.alerts] == ["A0001", "A0002", "A0003"]


def test_what_was_carried_off_by_metres_is_a_new_alert():
    tracker = Tracker(SETTINGS)
    patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker)
    patrol([standing((10.0, -1.5), SIZES["bag"])], tracker=tracker, start=100.0)
    assert [a.state for a in tracker.alerts] == ["cleared", "active"]


@pytest.mark.parametrize("slope", [-0.2, -0.1, 0.08, 0.12, 0.2])
def test_on_a_ramp_it_is_as_on_level_ground(slope):
    """The same world, camera and all, turned: the same is seen, so the same becomes an alert, in the place turned."""
    up, tracker, rng = tilt(slope), Tracker(SETTINGS), np.random.default_rng(0)
    ground = np.append(up[:3, 2], 0.0)
    for i, T in enumerate(ahead()):
        region = box_region((10.0, 0.8), SIZES["bag"], T, noise=rng.normal(0, 1.5, 3))
        sighting = place(region, CAMERA, up @ T, ground, SETTINGS)
        tracker.update(i * 300_000_000, CAMERA, up @ T, [] if sighting is None else [sighting])
    alert, = tracker.alerts
    assert np.linalg.norm(np.array(alert.position) - up[:3, :3] @ [10.0, 0.8, 0.0]) < 0.3


def test_what_is_on_another_storey_is_another_thing():
    tracker = Tracker(SETTINGS)
    tracker.leave_alone([Dismissed("A0009", "anomaly", (10.0, 0.8, 3.0), (0.4, 0.45), (), 0, b"")])
    patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker)
    assert [a.id for a in tracker.alerts] == ["A0001"]
    tracker = Tracker(SETTINGS)
    tracker.leave_alone([Dismissed("A0009", "anomaly", (10.0, 0.8, 0.0), (0.4, 0.45), (), 0, b"")])
    patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker)
    assert not tracker.alerts


def test_what_is_on_the_storey_below_is_not_seen_from_above():
    tracker, above = Tracker(SETTINGS), np.array([0.0, 0.0, 1.0, -2.8])
    patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker)
    upstairs = pose(6.0, height=3.5, pitch=0.4)
    for i in range(20):
        tracker.update(int((100 + i) * 1e9), CAMERA, upstairs, [], ground=above)
    assert [a.state for a in tracker.alerts] == ["active"]


def test_a_robot_that_waits_before_a_thing_counts_all_that_it_saw():
    poses = [pose(x) for x in (0.6, 0.7, 0.8, 0.9, 1.0)] + [pose(1.9)] * 400 + [pose(x) for x in np.arange(1.9, 7, 0.1)]
    seen = standing((9.0, 0.0), (0.4, 0.3, 0.2), detect=1.0, sigma=0.3)

    def often(seconds, T, rng):
        return seen(seconds, T, rng) if seconds > 40.5 or round(10 * seconds) % 10 < 6 else []

    assert len(patrol([often], poses, dt=0.1).tracker.alerts) == 1
    assert not patrol([standing((9.0, 0.0), SIZES["carton"], detect=0.2)], poses, dt=0.1).tracker.alerts


def test_a_dismissed_alert_stays_dismissed():
    tracker = Tracker(SETTINGS)
    patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker)
    assert tracker.dismiss("A0001").state == "dismissed" and tracker.dismiss("A9999") is None
    assert not patrol([standing((10.0, 0.8), SIZES["bag"])], tracker=tracker, start=100.0).changed
    assert [a.state for a in tracker.alerts] == ["dismissed"]


def test_nothing_depends_on_chance():
    things = [standing((10.0, 0.8), SIZES["can"]), flicker(1.0), walking((7.0, -4.0), (0.0, 1.2))]
    assert patrol(things, seed=5).tracker.alerts == patrol(things, seed=5).tracker.alerts


def test_memory_is_bounded_over_ten_thousand_frames():
    tracker = Tracker(dataclasses.replace(SETTINGS, max_tracks=12))
    rng = np.random.default_rng(0)
    region = Region("dynamic", 0.5, 100, (600, 500, 20, 20), (610.0, 520.0))
    here = np.array([6.0, 0.0, 0.0])
    for i in range(10_000):
        T = pose(0.0)
        strays = [Sighting(region, (float(x), float(y), 0.0), 6.0, 0.2, 0.2, 0.7) for x, y in rng.uniform(-4, 4, (int(i % 10 == 1), 2)) + [6, 0]]
        steady = [Sighting(region, tuple(here), 6.0, 0.2, 0.2, 0.7)] if i % 10 == 0 else []
        tracker.update(i * 300_000_000, CAMERA, T, strays + steady)
    assert len(tracker._things) <= 12 and sum(len(t.spots) for t in tracker._things) <= 12 * 60
    assert not tracker.alerts


def test_empty_frames_and_foreign_stamps_are_taken():
    tracker = Tracker(SETTINGS)
    assert tracker.update(0, CAMERA, pose(0.0), []) == []
    assert tracker.update(-5, CAMERA, pose(0.0), []) == [] and tracker._things == []


@pytest.mark.parametrize("behind_m, beside_m", [(2.0, 0.0), (1.5, 0.3), (4.0, 0.2), (0.0, 0.9)])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_gone_is_cleared_though_something_else_stays_behind_or_beside_it(behind_m, beside_m, known):
    one, other = standing((7.0, 0.9), (0.4, 0.4, 0.5)), standing((7.0 + behind_m, 0.9 + beside_m), (0.4, 0.4, 0.5))
    tracker = Tracker(SETTINGS)
    if known:
        tracker.leave_alone([Dismissed("A0900", "anomaly", (7.0 + behind_m, 0.9 + beside_m, 0.0), (0.4, 0.5))])
    Patrol(tracker, [one, other]).drive(ahead(stop=11.0, dt=0.2), dt=0.2)
    states = lambda: [a.state for a in tracker.alerts if np.hypot(a.position[0] - 7.0, a.position[1] - 0.9) < 0.4]
    assert states() == ["active"]
    Patrol(tracker, [other], seed=1).drive(ahead(stop=11.0, dt=0.2), dt=0.2, start=100.0)
    assert states() == ["cleared"]


def test_alerts_come_in_the_order_of_their_numbers():
    tracker = Tracker(SETTINGS)
    tracker.restore(Alert(name, "active", "anomaly", 0.9, (20.0 * i, 0.0, 0.0), (0.4, 0.4), 1, 2, 9) for i, name in enumerate(("A10000", "A9999")))
    assert [a.id for a in tracker.alerts] == ["A9999", "A10000"]


def test_as_many_sightings_as_the_settings_allow_can_be_had():
    settings = dataclasses.replace(SETTINGS, sightings=30, window=200)
    assert patrol([standing((6.0, 0.5), (0.4, 0.3, 0.5), detect=1.0)], [pose(0.01 * i) for i in range(200)], dt=0.1, settings=settings).opened


BOX = (0.4, 0.5)


def sighting(place, x=0.0, size=BOX, name="anomaly", score=0.9, look=()):
    """What a camera at (x, 0) sees of a thing that stands at `place` (x, y) on the ground."""
    region = box_region(place, (size[0], 0.01, size[1]), pose(x), name=name, score=score)
    return Sighting(region, (*place, 0.0), float(np.hypot(place[0] - x, place[1])), *size, 0.7, look)


class Steps:
    """Frames of `dt` seconds, each with the sightings and the mask given."""

    def __init__(self, tracker=None, dt=0.3, settings=SETTINGS):
        self.tracker, self.dt, self.frame = tracker or Tracker(settings), dt, 0

    def see(self, *sightings, x=0.0, mask=None, times=1, fronts=None):
        """The same frame so many times. Returns what changed."""
        changed = []
        for _ in range(times):
            changed += self.tracker.update(round(self.frame * self.dt * 1e9), CAMERA, pose(x), sightings, None, mask, None, None, fronts)
            self.frame += 1
        return changed

    @property
    def states(self):
        return [alert.state for alert in self.tracker.alerts]


def approach(steps, place, count=10, step_m=0.3, **more):
    """See a thing so many times on the way to it."""
    return [alert for i in range(count) for alert in steps.see(sighting(place, step_m * i, **more), x=step_m * i)]


def test_an_alert_is_told_again_where_its_place_moved_by_fifteen_centimetres_and_not_before():
    steps = Steps()
    opened, = approach(steps, (8.0, 0.5))
    assert steps.see(sighting((8.0, 0.6), 3.0), x=3.0, times=30) == []
    moved = steps.see(sighting((8.0, 0.75), 3.0), x=3.0, times=120)
    assert [a.id for a in moved] == [opened.id] and 0.15 < moved[0].position[1] - opened.position[1] < 0.2
    assert steps.tracker.alerts[0].position[1] > moved[0].position[1]     # what is known goes on, told or not


@pytest.mark.parametrize("clean, dt, state", [(4, 0.3, "active"), (5, 0.3, "cleared"), (5, 0.1, "active"), (6, 0.1, "cleared"), (25, 0.02, "active"),
                                              (27, 0.02, "cleared")])
def test_an_alert_clears_after_five_clean_views_that_last_half_a_second(clean, dt, state):
    steps = Steps()
    approach(steps, (8.0, 0.5))
    steps.frame, steps.dt = round(3.0 / dt), dt
    steps.see(x=3.0, times=clean)
    assert steps.states == [state]


def test_clean_views_begin_anew_after_something_was_in_its_place():
    steps, something = Steps(), np.zeros((720, 1280), np.uint8)
    approach(steps, (8.0, 0.5))
    something[350:500, 400:700] = 255
    steps.see(x=3.0, times=4)
    steps.see(x=3.0, mask=something)
    steps.see(x=3.0, times=4)
    assert steps.states == ["active"]
    steps.see(x=3.0)
    assert steps.states == ["cleared"]


@pytest.mark.parametrize("x, state", [(3.8, "active"), (5.0, "cleared")])
def test_an_alert_of_before_is_judged_from_half_of_the_farthest_range(x, state):
    steps = Steps()
    steps.tracker.restore([Alert("A0001", "active", "anomaly", 0.9, (9.0, 0.5, 0.0), BOX, 1, 2, 9)])
    steps.see(x=x, times=10)
    assert steps.states == [state]


def test_of_alerts_that_are_over_the_latest_five_hundred_are_followed():
    tracker = Tracker(SETTINGS)
    tracker.restore(Alert(f"A{i:04d}", "cleared" if i % 2 else "active", "anomaly", 0.9, (5.0 * i, 0.0, 0.0), BOX, i, i, 9) for i in range(1, 1021))
    ids = [a.id for a in tracker.alerts]
    assert len(ids) == 1010 and not {f"A{i:04d}" for i in range(1, 21, 2)} & set(ids) and {"A0002", "A0021"} <= set(ids)


def test_an_alert_that_is_over_comes_back_only_where_it_is_seen_often_enough_again():
    steps = Steps()
    approach(steps, (8.0, 0.5))
    steps.see(x=3.0, times=10)
    assert steps.states == ["cleared"]
    for _ in range(12):     # now and then
        steps.see(sighting((8.0, 0.5), 3.0), x=3.0)
        steps.see(x=9.0, times=SETTINGS.window)
    assert steps.states == ["cleared"]
    approach(steps, (8.0, 0.5))
    assert steps.states == ["active"]


def test_what_was_dismissed_elsewhere_under_the_number_of_an_alert_here_is_another_thing():
    steps = Steps()
    approach(steps, (8.0, 0.5))
    steps.tracker.dismiss("A0001")
    steps.tracker.leave_alone([Dismissed("A0001", "anomaly", (8.0, -2.0, 0.0), BOX), Dismissed("A0001", "anomaly", (8.0, 0.5, 0.0), BOX, (0.2, 0.3))])
    assert [(a.id, a.state) for a in steps.tracker.alerts] == [("A0001", "dismissed")]     # this store's own
    assert approach(steps, (8.0, -2.0)) == []
    assert steps.tracker._of("A0001").known_as == ((0.2, 0.3), BOX)


def test_a_dismissed_alert_is_known_by_how_it_looks_here_and_else_by_how_it_looked():
    for look, known in (((0.5, -0.1), (0.5, -0.1)), ((), (0.9, 0.9))):
        steps = Steps()
        approach(steps, (8.0, 0.5), look=look)
        steps.tracker.dismiss("A0001", (0.9, 0.9))
        assert steps.tracker._of("A0001").known_as[0] == known


@pytest.mark.parametrize("apart, things", [(0.9, 1), (1.1, 2)])
def test_two_sightings_of_one_frame_begin_one_thing_within_the_gate_and_two_beyond_it(apart, things):
    steps = Steps()
    steps.see(sighting((8.0, 0.5)), sighting((8.0, 0.5 + apart * SETTINGS.gate_m)))
    assert len(steps.tracker._things) == things


def test_of_two_things_the_one_that_it_fits_best_is_seen_again():
    steps = Steps()
    for _ in range(3):
        steps.see(sighting((5.0, 0.5)), sighting((5.0, -0.4)))
    steps.see(sighting((5.0, -0.1)))
    assert [len(t.spots) for t in steps.tracker._things] == [3, 4]


@pytest.mark.parametrize("late_s, one", [(0.3, True), (1.8, True), (2.2, False)])
def test_what_moves_is_met_again_where_it_is_by_then_but_not_for_ever(late_s, one):
    """It walks at 1.2 m/s; two seconds later it is forgotten."""
    steps = Steps()
    for i in range(5):
        steps.see(sighting((6.0, -1.5 + 0.36 * i)))
    thing, = steps.tracker._things
    assert thing.moves
    steps.frame += round(late_s / 0.3) - 1 if late_s != 2.2 else 7
    steps.see(sighting((6.0, -1.5 + 0.36 * (steps.frame))))
    assert (len(thing.spots) == 6) == one


def test_what_is_not_farther_than_what_it_is_seen_above_does_not_stand_behind_it():
    steps = Steps()
    steps.tracker.restore([Alert("A0001", "active", "anomaly", 0.9, (8.0, 0.5, 0.0), BOX, 1, 2, 9)])
    seen = sighting((8.0, 0.5))
    assert [steps.tracker.stands_behind(seen, nearer, CAMERA, pose(0.0)) for nearer in (5.0, 9.0, np.inf)] == [True, False, False]


@pytest.mark.parametrize("state, behind", [("active", True), ("dismissed", True), ("cleared", False)])
def test_what_is_known_to_stand_there_stands_behind_at_once_unless_it_is_over(state, behind):
    tracker = Tracker(SETTINGS)
    tracker.restore([Alert("A0001", state, "anomaly", 0.9, (8.0, 0.5, 0.0), BOX, 1, 2, 9)])
    assert tracker.stands_behind(sighting((8.05, 0.5)), 5.0, CAMERA, pose(0.0)) == behind
    assert not tracker.stands_behind(sighting((8.0, 3.0)), 5.0, CAMERA, pose(0.0))     # elsewhere


def test_a_thing_beside_a_wide_one_is_a_part_of_it_and_farther_off_it_is_not():
    for beside, count in ((0.7, 1), (1.3, 2)):      # its half width, and 0.6 m
        steps = Steps()
        for i in range(14):
            parts = [sighting((8.0, 0.0), 0.3 * i, (0.8, 0.5)), sighting((8.0, beside), 0.3 * i, (0.3, 0.5))]
            steps.see(*parts[:1 if i < 7 else 2], x=0.3 * i)
        assert len(steps.states) == count


@pytest.mark.parametrize("aside_m, things", [(2.2, 1), (2.9, 2)])
def test_before_more_is_known_a_thing_may_walk(aside_m, things):
    """Seen once; a second later within three sigma of 0.8 m/s, all errors of a sighting added, it is the same."""
    steps = Steps(dt=1.0)
    steps.see(sighting((6.0, -1.0)))
    steps.see(sighting((6.0, -1.0 + aside_m)))
    assert len(steps.tracker._things) == things


@pytest.mark.parametrize("aside_m, new", [(0.7, False), (0.95, True)])
def test_an_alert_of_before_is_where_it_was_give_or_take_half_a_metre(aside_m, new):
    steps = Steps()
    steps.tracker.restore([Alert("A0001", "active", "anomaly", 0.9, (8.0, 0.5, 0.0), BOX, 1, 2, 9)])
    approach(steps, (8.0, 0.5 + aside_m))
    assert (len(steps.states) == 2) == new


@pytest.mark.parametrize("moved_m, behind", [(0.5, False), (1.2, False), (1.6, True), (2.4, True)])
def test_what_stays_in_its_place_stands_behind_as_soon_as_that_is_e_squared_times_as_likely(moved_m, behind):
    """A part of what stands 5 m away would have come 0.6 m along for each metre driven."""
    tracker = Tracker(SETTINGS)
    assert not tracker.stands_behind(sighting((8.0, 0.5)), 5.0, CAMERA, pose(0.0))
    assert tracker.stands_behind(sighting((8.0, 0.5), moved_m), 5.0 * (8.0 - moved_m) / 8.0, CAMERA, pose(moved_m)) == behind


@pytest.mark.parametrize("known", [True, False])
def test_of_what_is_known_to_stand_there_it_is_enough_that_standing_is_likelier(known):
    steps = Steps()
    if known:
        steps.tracker.restore([Alert("A0001", "active", "anomaly", 0.9, (8.0, 0.5, 0.0), BOX, 1, 2, 9)])
    steps.see(sighting((8.0, 0.5)))
    assert steps.tracker.stands_behind(sighting((8.0, 0.5), 1.2), 4.25, CAMERA, pose(1.2)) == known


@pytest.mark.parametrize("aside_m, things", [(0.5, 1), (1.0, 2)])
def test_a_thing_whose_place_is_known_well_is_met_within_the_gate_and_not_far_beyond(aside_m, things):
    steps = Steps()
    approach(steps, (8.0, 0.5))
    steps.see(sighting((8.0, 0.5 + aside_m), 3.0), x=3.0)
    assert len(steps.tracker._things) == things and steps.states == ["active"]


def test_who_rides_fast_is_met_again_where_he_is_by_then():
    """Three metres on: so far nobody whose way is not known may walk in 0.9 s."""
    steps = Steps(dt=0.1)
    for i in range(6):
        steps.see(sighting((6.0, -2.0 + 0.35 * i)))
    steps.frame += 8
    steps.see(sighting((6.0, -2.0 + 0.35 * 14)))
    thing, = steps.tracker._things
    assert thing.moves and len(thing.spots) == 7


def test_what_is_no_alert_yet_may_be_the_thing_itself_in_whose_place_it_reaches():
    """Something wide, a metre beside an alert and over its place in the picture, in too few frames to be one of its own."""
    steps, beside, mask = Steps(), sighting((8.0, 1.4), 3.0, (1.6, 0.5)), np.zeros((720, 1280), np.uint8)
    approach(steps, (8.0, 0.5))
    x, y, width, height = beside.region.box
    mask[y:y + height, x:x + width] = 255
    steps.see(beside, x=3.0, mask=mask, times=SETTINGS.sightings - 1)
    assert len(steps.tracker._things) == 2 and steps.states == ["active"]
    steps.see(x=3.0, times=SETTINGS.clear_frames)
    assert steps.states == ["cleared"]

import numpy as np
import pytest

from umad_patrol.errors import SimulationError
from umad_patrol.simulate.things import KINDS
from umad_patrol.simulate.world import PATROL, TEACH, make_world


@pytest.fixture(scope="module", params=[1, 2, 7])
def full(request):
    return make_world(request.param)


def test_the_route_is_long_enough_and_every_kind_is_planted(full):
    assert full.route.length_m >= 60.0
    assert sorted(a.kind for a in full.anomalies) == sorted(KINDS)
    assert [a.id for a in full.anomalies] == list(range(1, 11))


def test_planted_things_stand_apart_beside_the_line(full):
    places = np.array([a.position[:2] for a in full.anomalies])
    gaps = np.linalg.norm(places[:, None] - places, axis=2) + 99 * np.eye(len(places))
    assert gaps.min() > 3.0
    line = full.route.point(np.linspace(0, full.route.length_m, 700), 0.0)
    aside = np.linalg.norm(places[:, None] - line, axis=2).min(1)
    assert 0.5 < aside.min() and aside.max() < 4.5


def test_moved_things_are_moved_as_far_as_they_should(full):
    assert sorted(old.kind for old, _ in full.moved) == ["bench", "bin"]
    for old, new in full.moved:
        assert old.kind == new.kind and old.id != new.id
        assert 1.2 < np.hypot(*np.subtract(old.position, new.position)[:2]) < 3.3


def test_everybody_keeps_moving_and_off_the_robot(full):
    assert {a.kind for a in full.actors} == {"person", "car", "cyclist"}
    drive = full.drives[PATROL]
    for actor in full.actors:
        places = np.array([actor.place(full.route, t)[0] for t in np.arange(0, drive.duration_s, 0.25)])
        assert np.linalg.norm(np.diff(places, axis=0), axis=1).min() > 0.1
        robot = np.array([drive.pose(t)[:3, 3] for t in np.arange(0, drive.duration_s, 0.25)])
        assert np.linalg.norm((places - robot)[:, :2], axis=1).min() > 0.8


def test_the_patrol_differs_from_the_teach_run(full):
    teach, patrol = full.lights[TEACH], full.lights[PATROL]
    assert np.degrees(np.arccos(teach.to_sun @ patrol.to_sun)) > 10
    times = np.linspace(1, full.drives[TEACH].duration_s - 1, 40)
    apart = [np.linalg.norm((full.drives[TEACH].pose(t) - full.drives[PATROL].pose(t))[:2, 3]) for t in times]
    assert 0.02 < np.max(apart) < 0.35


@pytest.mark.parametrize("aside_m", [0.0, 0.3, 0.6])
def test_the_patrol_drives_as_far_from_the_taught_line_as_is_asked(aside_m):
    world = make_world(1, aside_m=aside_m)
    drive, route = world.drives[PATROL], world.route
    aside = [drive.pose(t)[:2, 3] - route.point(drive.speed_mps * t, 0.0) for t in np.linspace(0, drive.duration_s, 400)]
    assert np.sqrt(np.mean(np.sum(np.square(aside), axis=1))) == pytest.approx(aside_m, rel=0.35, abs=1e-6)


def test_the_same_seed_is_the_same_world(world):
    again = make_world(world.seed, len(world.anomalies), world.route.length_m)
    assert np.array_equal(world.standing(PATROL).vertices, again.standing(PATROL).vertices)
    assert world.lights == again.lights and [a.position for a in world.anomalies] == [a.position for a in again.anomalies]


def test_another_seed_is_another_world(world):
    assert make_world(world.seed + 1, 2, 15.0).lights != world.lights


def test_bits_by_number(world):
    bits = world.bits()
    assert bits[0] == 0 and all(bits[a.id] == 128 for a in world.anomalies)
    assert all(bits[new.id] == 8 and bits[old.id] == 0 for old, new in world.moved)
    assert {bits[n] for a, n in world.passing(PATROL) if a.kind == "person"} == {32}
    assert {bits[n] for a, n in world.passing(PATROL) if a.kind != "person"} == {16}
    assert not world.passing(TEACH)


@pytest.mark.parametrize(
    "anomalies,length", [(-1, 68.0), (40, 68.0), (3, 5.0), (3, float("nan")), (3, float("inf")), (3, -68.0), (3, 1e6)]
)
def test_what_cannot_be_made_is_refused(anomalies, length):
    with pytest.raises(SimulationError, match="fit|route|length"):
        make_world(0, anomalies, length)

"""One call a frame: places, alerts, evidence, coverage, and going on after a restart."""

import dataclasses

import cv2
import numpy as np
import pytest
import yaml
from fake_results import SMALL, result
from patrol_scene import ahead, box_region, pose

from umad_patrol.alerts.evidence import read_facts
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
from umad_patrol.config import Settings, with_values
from umad_patrol.errors import StoreError
from umad_patrol.geometry.se3 import inverse
from umad_patrol.records import NO_REFERENCE, NOT_COMPARABLE, Alert, Dismissed, Region

SETTINGS = Settings()
BAG = ((9.0, 0.6), (0.4, 0.3, 0.45), (40, 40, 200))
CONE = ((7.0, -1.0), (0.35, 0.35, 0.7), (0, 120, 255))


def draw(image, mask, regions):
    drawn = image.copy()
    drawn[mask > 0] = (0, 0, 255)
    return drawn


def drive(watch, things, poses=None, start=1000.0, seed=0):
    noise = np.random.default_rng(seed)
    return [watch.observe(result(start + 0.3 * i, T, things, SMALL, noise=noise), draw) for i, T in enumerate(ahead() if poses is None else poses)]


def test_a_patrol_gives_alerts_with_evidence(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store, "map-sum", "model-sum")
        results = drive(watch, [BAG, CONE])
        watch.finish()
        assert [a.id for a in watch.alerts] == ["A0001", "A0002"]
        opened = [a for r in results for a in r.changed_alerts]
        assert {a.id for a in opened} == {"A0001", "A0002"} and all(a.evidence for a in opened if a.state == "active")
        assert results[-1].alerts == watch.alerts and any(r.sightings for r in results)
        assert store.alerts() == list(watch.alerts)
        for alert in watch.alerts:
            folder = tmp_path / alert.evidence
            assert {f.name for f in folder.iterdir()} == {"query.jpg", "reference.jpg", "mask.png", "overlay.jpg", "evidence.yaml"}
            facts = read_facts(folder)
            assert facts["alert"] == alert.id and facts["map_checksum"] == "map-sum" and facts["model_checksum"] == "model-sum"
            assert np.linalg.norm(np.array(facts["position"]) - alert.position) < 0.5
            assert np.array(facts["map_T_camera"]).shape == (4, 4) and facts["alignment"]["inliers"] == 200
            x, y, w, h = facts["region"]["box"]
            mask = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_UNCHANGED)
            assert mask.shape == (180, 320) and (mask[y:y + h, x:x + w] == 255).all()
            query, reference = cv2.imread(str(folder / "query.jpg")), cv2.imread(str(folder / "reference.jpg"))
            centre = y + h // 2, x + w // 2
            assert query[centre][2] > 150 and np.abs(reference[centre].astype(int) - query[centre]).max() > 60
        assert not [p for p in (tmp_path / "evidence").iterdir() if p.name.startswith(".")]


def test_evidence_gets_better_as_the_robot_nears_but_not_for_ever(tmp_path):
    writes = []
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        for i, T in enumerate(ahead()):
            watch.observe(result(0.3 * i, T, [BAG], SMALL), draw)
            if watch.alerts:
                stamp = read_facts(tmp_path / watch.alerts[0].evidence)["stamp_ns"]
                if not writes or stamp != writes[-1][0]:
                    writes.append((stamp, read_facts(tmp_path / watch.alerts[0].evidence)["region"]["area_px"]))
    assert 2 <= len(writes) <= 1 + SETTINGS.alerts.evidence_updates
    assert all(b[1] > 1.5 * a[1] for a, b in zip(writes, writes[1:]))


def test_after_a_restart_the_same_thing_is_the_same_alert_and_keeps_its_better_pictures(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [BAG])
        stamp = read_facts(tmp_path / "evidence" / "A0001")["stamp_ns"]
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        assert [a.id for a in watch.alerts] == ["A0001"]
        changed = [a for r in drive(watch, [BAG, CONE], ahead(stop=4.0), start=5000.0) for a in r.changed_alerts if a.state == "active"]
        assert {a.id for a in changed} - {"A0001"} == {"A0002"}
        assert read_facts(tmp_path / "evidence" / "A0001")["stamp_ns"] == stamp
        cleared = drive(watch, [CONE], start=9000.0)
        assert [a.id for r in cleared for a in r.changed_alerts if a.state == "cleared"] == ["A0001"]
    with AlertStore(tmp_path) as store:
        assert [(a.id, a.state) for a in store.alerts()] == [("A0001", "cleared"), ("A0002", "active")]


def test_where_nothing_is_compared_nothing_is_judged_and_it_is_written_down(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [BAG])
        for i in range(10):
            status, reason = (NOT_COMPARABLE, f"{i} inliers") if i < 5 else (NO_REFERENCE, "nearest is 4.00 m away")
            seen = watch.observe(result(2000 + i, pose(0.0, -20 - i), [], SMALL, status, reason), draw)
            assert seen.alerts == watch.alerts and not seen.sightings and not seen.changed_alerts
        watch.finish()
        way = store.coverage()
        assert {s.status for s in way} == {"compared", NOT_COMPARABLE, NO_REFERENCE}
        assert sum(s.frames for s in way) == len(ahead()) + 10
        assert sum(s.metres for s in way if s.status == "compared") == pytest.approx(8.4, abs=0.3)
        assert way[-1].reason == "nearest is 4.00 m away"


def test_a_robot_that_stands_writes_no_row_a_frame(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [], [pose(0.0)] * 50)
        watch.finish()
        assert [s.frames for s in store.coverage()] == [50]


def test_a_robot_that_stands_where_the_status_flickers_writes_a_row_a_status_and_minute(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        for i in range(400):
            watch.observe(result(0.3 * i, pose(0.0), [], SMALL, (NO_REFERENCE, NOT_COMPARABLE)[i % 2], "why"), draw)
        assert len(store.coverage()) == 2 and {s.frames for s in store.coverage()} == {100}
        watch.finish()
        assert len(store.coverage()) == 4 and sum(s.frames for s in store.coverage()) == 400


def test_a_robot_that_stands_or_begins_anew_drives_no_way(tmp_path, rng):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        trembling = [pose(*rng.normal(0, 0.005, 2)) for _ in range(500)]
        drive(watch, [], trembling)
        for _ in range(3):
            drive(watch, [], [pose(0.3 * i) for i in range(11)])
            watch.reset_time()
        assert sum(s.metres for s in store.coverage()) == pytest.approx(9.0)


def test_a_way_that_is_too_long_is_forgotten_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("umad_patrol.alerts.store.KEPT_COVERAGE", 20)
    monkeypatch.setattr("umad_patrol.alerts.store.LOOKED_AT_EVERY", 10)
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        for i in range(200):
            watch.observe(result(i, pose(i), [], SMALL, NO_REFERENCE, str(i)), draw)
        assert 20 <= len(store.coverage()) <= 30 and store.coverage()[-1].reason == "198"


@pytest.mark.parametrize("roll_deg, alerts", [(0, 1), (10, 1), (90, 0), (180, 0)])
def test_a_camera_that_is_not_upright_raises_no_alert_and_says_so(roll_deg, alerts):
    a = np.radians(roll_deg)
    roll = np.eye(4)
    roll[:2, :2] = (np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))
    watch = Watch(SETTINGS, None)
    found = drive(watch, [BAG], [T @ roll for T in ahead()])
    assert len(watch.alerts) == alerts and bool(watch.trouble) != bool(alerts) and (alerts or not any(r.sightings for r in found))
    drive(watch, [BAG])
    assert not watch.trouble


def test_somebody_who_passes_clears_no_alert_that_he_hides():
    watch = Watch(SETTINGS, None)
    drive(watch, [BAG])
    T = ahead()[-10]
    box = box_region(*BAG[:2], T, SMALL).box
    near = dataclasses.replace(box_region(*BAG[:2], T, SMALL), class_name="dynamic", box=(box[0] - 8, box[1] - 20, box[2] + 16, box[3] + 30))
    for i in range(10):
        watch.observe(result(1100 + 0.1 * i, T, [], SMALL, regions=(near,)), draw)
    assert [a.state for a in watch.tracker.alerts] == ["active"]
    for i in range(10):
        watch.observe(result(1110 + 0.1 * i, T, [], SMALL), draw)
    assert [a.state for a in watch.tracker.alerts] == ["cleared"]


def test_a_disk_that_refuses_keeps_nothing_from_beginning_anew(tmp_path, monkeypatch):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [BAG], ahead()[:4])
        assert watch.tracker._things

        def full(*_):
            raise StoreError("disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "add_coverage", full)
            with pytest.raises(StoreError):
                watch.reset_time()
        assert not watch.tracker._things


def test_without_a_store_alerts_are_told_all_the_same():
    watch = Watch(SETTINGS, None)
    drive(watch, [BAG])
    assert [a.id for a in watch.alerts] == ["A0001"] and watch.alerts[0].evidence == ""
    watch.reset_time()
    drive(watch, [BAG], start=0.0)
    assert [a.id for a in watch.alerts] == ["A0001"]


def test_without_a_ground_the_camera_is_as_high_as_the_settings_say():
    settings = with_values(SETTINGS, {"teach.camera_height_m": 0.7})
    watch = Watch(settings, None)
    frame = result(1.0, pose(3.0, height=5.7), [], SMALL)
    lifted = dataclasses.replace(frame.reference, ground=None)
    block = result(1.0, pose(3.0), [BAG], SMALL)
    seen = watch.observe(dataclasses.replace(frame, reference=lifted, regions=block.regions), draw)
    assert seen.sightings[0].position == pytest.approx((9.0, 0.6, 5.0), abs=0.4)


def test_what_the_cloud_hides_is_not_placed_unless_asked_for():
    y, z = np.meshgrid(np.arange(-3, 3, 0.05), np.arange(0, 2, 0.05))
    wall = np.column_stack([np.full(y.size, 5.0), y.ravel(), z.ravel()])
    for use, count in (("true", 0), ("false", 1)):
        watch = Watch(with_values(SETTINGS, {"alerts.use_cloud": use}), None, cloud=wall)
        assert len(watch.observe(result(1.0, pose(0.0), [BAG], SMALL), draw).sightings) == count


def test_a_dismissed_alert_is_stored_as_such(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [BAG])
        watch.dismiss("A0001")
        assert not watch.alerts and store.alerts()[0].state == "dismissed"


def test_evidence_that_cannot_be_written_is_said_and_the_patrol_goes_on(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        (tmp_path / "evidence").rmdir()
        (tmp_path / "evidence").write_text("in the way")
        results = drive(watch, [BAG])
        assert "cannot write evidence" in watch.trouble
        assert [a.id for a in results[-1].alerts] == ["A0001"] == [a.id for a in store.alerts()]


@pytest.mark.parametrize("text", ["", "[1, 2]", "region: 7", "region: {area_px: 3", "\x00"])
def test_damaged_facts_are_made_anew(tmp_path, text):
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG])
        (tmp_path / "evidence" / "A0001" / "evidence.yaml").write_text(text)
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG], start=5000.0)
        assert yaml.safe_load((tmp_path / "evidence" / "A0001" / "evidence.yaml").read_text())["alert"] == "A0001"


@pytest.mark.parametrize("region", [None, "everywhere", {}, {"area_px": None}, {"area_px": "large"}])
def test_evidence_that_somebody_was_at_is_taken_anew(tmp_path, region):
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG])
        name = store.alerts()[0].id
    (tmp_path / "evidence" / name / "evidence.yaml").write_text(yaml.safe_dump({"region": region}))
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG], start=2000.0)
        assert read_facts(tmp_path / "evidence" / name)["region"]["area_px"] > 0


def before(camera_x, thing, name, ahead_m=2.5, size=(0.6, 0.35, 1.7)):
    """The region of somebody who stands between the camera at (camera_x, 0) and a thing."""
    (x, y), _, _ = thing
    return box_region((camera_x + ahead_m, y * ahead_m / (x - camera_x)), size, pose(camera_x), SMALL, name=name)


@pytest.mark.parametrize("name, alerts", [("dynamic", 1), ("anomaly", 1), ("changed", 0)])
def test_frames_in_which_somebody_nearer_hides_a_thing_do_not_count_against_it(name, alerts):
    watch = Watch(SETTINGS, None)
    for i in range(15):
        x, hidden = 0.5 + 0.3 * i, 2 < i < 11
        watch.observe(result(1000.0 + 0.3 * i, pose(x), [] if hidden else [BAG], SMALL, regions=(before(x, BAG, name),) if hidden else ()), draw)
    assert len(watch.alerts) == alerts


def test_somebody_who_stands_and_is_now_and_then_called_new_is_no_alert():
    """What is there passes: nothing nearer hides it."""
    watch, person = Watch(SETTINGS, None), ((6.0, 0.5), (0.5, 0.35, 1.2))
    for i in range(40):
        region = box_region(*person, pose(0.0), SMALL, name="dynamic" if i % 4 else "anomaly")
        watch.observe(result(1000.0 + 0.3 * i, pose(0.0), [], SMALL, regions=(region,)), draw)
    assert watch.alerts == ()


def test_somebody_who_stays_before_a_thing_does_not_keep_it_for_ever():
    watch = Watch(SETTINGS, None)
    for i in range(33):
        hidden = 4 < i < 29
        watch.observe(result(1000.0 + 0.3 * i, pose(3.0), [] if hidden else [BAG], SMALL, regions=(before(3.0, BAG, "dynamic"),) if hidden else ()), draw)
    assert watch.alerts == ()


def test_what_is_known_to_stand_behind_a_thing_is_no_part_of_it():
    box, cone = ((6.0, 0.0), (0.5, 0.4, 0.3), (40, 40, 200)), ((9.0, 0.1), (0.35, 0.35, 0.7), (0, 120, 255))
    watch = Watch(SETTINGS, None)
    for i in range(14):
        watch.observe(result(1000.0 + 0.3 * i, pose(0.3 * i), [cone] if i < 3 else [cone, box]), draw)
    assert sorted(round(a.position[0]) for a in watch.alerts) == [6, 9]
    assert min(a.size_m[1] for a in watch.alerts) < 0.4


def stacked(centre, low, high, T, noise, name="anomaly"):
    """The two regions that a thing of (width, depth, height) `high` is seen as, cut at the height of `low`."""
    whole, base = (box_region(centre, size, T, noise=noise, name=name) for size in (high, low))
    x, y, width, _ = whole.box
    top = dataclasses.replace(whole, box=(x, y, width, base.box[1] - y - 2), foot=(whole.foot[0], base.box[1] - 2.0))
    return top, base


@pytest.mark.parametrize("step_m", [0.0, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("first", ["upper", "lower"])
def test_two_parts_are_one_thing_though_one_was_seen_alone_before(first, step_m):
    """Where the upper one would stand is another place from every side, and no thing's."""
    watch, noise = Watch(SETTINGS, None), np.random.default_rng(1)
    for i in range(14):
        top, base = stacked((5.0, 0.3), (0.35, 0.3, 0.2), (0.35, 0.3, 0.5), pose(step_m * i), noise.normal(0, 1, 3))
        alone = (top,) if first == "upper" and i < 1 else (base,) if first == "lower" and i < 3 else ()
        watch.observe(result(1000.0 + 0.3 * i, pose(step_m * i), [], regions=alone or (top, base)), draw)
    alert, = watch.alerts
    assert np.hypot(*(np.array(alert.position[:2]) - (5.0, 0.3))) < 0.3 and alert.size_m[1] > 0.4


@pytest.mark.parametrize("state", ["active", "cleared", "dismissed"])
@pytest.mark.parametrize("step_m", [0.0, 0.05, 0.15])
def test_alerts_of_before_do_not_keep_the_parts_of_a_thing_apart(state, step_m):
    old = Alert("A0007", state, "anomaly", 0.9, (6.95, 0.42, 0.0), (0.5, 0.5), 1, 2, 20)
    watch, noise = Watch(SETTINGS, None, known=(old,)), np.random.default_rng(1)
    for i in range(20):
        regions = stacked((5.0, 0.3), (0.35, 0.3, 0.15), (0.35, 0.3, 0.5), pose(step_m * i), noise.normal(0, 1, 3))
        watch.observe(result(1000.0 + 0.3 * i, pose(step_m * i), [], regions=regions), draw)
    new, = (a for a in watch.alerts if a.id != "A0007")
    assert np.hypot(*(np.array(new.position[:2]) - (5.0, 0.3))) < 0.3 and [a.state for a in watch.tracker.alerts if a.id == "A0007"] == [state]


@pytest.mark.parametrize("step_m", [0.2, 0.3])
def test_somebody_whose_legs_were_seen_first_is_tall_all_the_same(step_m):
    watch, noise = Watch(SETTINGS, None), np.random.default_rng(1)
    for i in range(12):
        top, base = stacked((6.0, 0.3), (0.5, 0.3, 0.8), (0.5, 0.3, 1.7), pose(step_m * i), noise.normal(0, 1, 3))
        watch.observe(result(1000.0 + 0.3 * i, pose(step_m * i), [], regions=(base,) if i < 3 else (top, base)), draw)
    assert watch.alerts == ()


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_a_patch_on_somebody_who_stands_is_no_alert_and_he_hides_no_thing_behind_him(every):
    watch, noise = Watch(SETTINGS, None), np.random.default_rng(1)
    for i in range(60):
        person = box_region((5.0, 0.3), (0.5, 0.35, 1.7), pose(0.0), noise=noise.normal(0, 1, 3), name="dynamic")
        x, y, width, height = person.box
        patch = Region("anomaly", 0.8, 900, (x + 10, int(y + 0.7 * height), width - 20, int(0.18 * height)), (x + width / 2, y + 0.88 * height))
        watch.observe(result(1000.0 + 0.3 * i, pose(0.0), [], regions=(person, patch) if i % every == 0 else (person,)), draw)
        assert watch.alerts == ()


def test_a_thing_that_somebody_stood_before_for_a_while_is_an_alert():
    """Seen past his legs in four frames, then freely."""
    watch = Watch(SETTINGS, None)
    for i in range(14):
        T = pose(0.3 * i)
        somebody = (box_region((3.5, 0.25), (0.6, 0.35, 1.7), T, name="dynamic"),) if i < 4 else ()
        watch.observe(result(1000.0 + 0.3 * i, T, [((8.0, 0.5), (0.4, 0.3, 0.45), (40, 40, 200))], regions=somebody), draw)
    assert len(watch.alerts) == 1


@pytest.mark.parametrize("near, kept", [(True, True), (False, False)])
def test_a_thing_that_seemed_to_move_is_not_forgotten_while_something_nearer_hides_it(near, kept):
    watch, wall = Watch(SETTINGS, None), Region("dynamic", 0.9, 38000, (0, 60, 320, 119), (160.0, 178.0 if near else 95.0))
    for i in range(14):
        regions = (box_region((2.5 + 0.5 * i, 0.3), BAG[1], pose(0.0), SMALL),) if i < 5 else (wall,)
        watch.observe(result(1000.0 + 0.3 * i, pose(0.0), [], SMALL, regions=regions), draw)
    assert bool(watch.tracker._things) == kept


def test_things_lie_where_the_reference_tells_though_the_localization_is_off():
    watch, bag = Watch(SETTINGS, None), ((6.0, 0.3), (0.4, 0.3, 0.45), (40, 40, 200))
    off = pose(0.25, -0.2, 0.05)        # 32 cm and 3 degrees
    for i in range(14):
        true = pose(0.3 * i)
        seen = result(1000.0 + 0.3 * i, true, [bag], SMALL)
        alignment = dataclasses.replace(seen.alignment, query_T_reference=inverse(true) @ seen.reference.map_T_camera)
        watch.observe(dataclasses.replace(seen, frame=dataclasses.replace(seen.frame, map_T_camera=off @ inverse(pose(0.0)) @ true), alignment=alignment), draw)
    alert, = watch.alerts
    assert np.hypot(*(np.array(alert.position[:2]) - (6.0, 0.3))) < 0.1


@pytest.mark.parametrize("told", [lambda i: i < 10, lambda i: i % 2 == 0], ids=["at first", "every second"])
@pytest.mark.parametrize("off", [(0.4, -0.3, 3.0), (0.5, 0.3, 5.0)])
def test_a_thing_stays_in_its_place_where_some_frames_tell_nothing(told, off):
    watch, bag, error = Watch(SETTINGS, None), ((6.0, 0.3), (0.4, 0.3, 0.45), (40, 40, 200)), pose(*off[:2], np.radians(off[2])) @ inverse(pose(0.0))
    for i in range(24):
        true = pose(0.2 * i)
        seen = result(1000.0 + 0.3 * i, true, [bag])
        alignment = dataclasses.replace(seen.alignment, query_T_reference=inverse(true) @ seen.reference.map_T_camera if told(i) else None)
        watch.observe(dataclasses.replace(seen, frame=dataclasses.replace(seen.frame, map_T_camera=error @ true), alignment=alignment), draw)
    alert, = watch.tracker.alerts
    assert np.hypot(*(np.array(alert.position[:2]) - (6.0, 0.3))) < 0.1


@pytest.mark.parametrize("known", ["dismissed", "active"])
def test_a_mark_before_what_is_known_to_stand_behind_it_is_no_alert(known):
    """Together they would be one thing as high as the one behind seems to be."""
    mark, bin_ = ((8.0, 0.4), (0.4, 0.6, 0.0), (60, 60, 60)), ((10.0, 0.5), (0.5, 0.3, 0.9), (0, 255, 0))
    before = {"dismissed": [Dismissed("A0001", "anomaly", (10.0, 0.5, 0.0), (0.5, 0.9))]} if known == "dismissed" else {
        "known": [Alert("A0005", "active", "anomaly", 0.9, (10.0, 0.5, 0.0), (0.5, 0.9), 1, 2, 9)]}
    false = 0
    for seed in range(6):
        noise, watch = np.random.default_rng(seed), Watch(SETTINGS, None, **before)
        for i in range(35):
            watch.observe(result(0.2 * i, pose(0.2 * i), [mark, bin_], noise=noise), draw)
        false += any(abs(a.position[0] - 8.0) < 0.8 for a in watch.alerts)
    assert false <= 1


@pytest.mark.parametrize("mark", [((6.2, 0.4), (0.1, 2.0, 0.0), (60, 60, 60)), ((7.0, 0.4), (0.4, 0.6, 0.0), (60, 60, 60))])
def test_a_thing_behind_a_mark_that_was_never_seen_without_it_gets_an_alert_in_its_place(mark):
    """A shadow leads up to it: together they would be a thing that stands where the shadow begins, which comes along with the robot."""
    for seed in range(4):
        noise, watch = np.random.default_rng(seed), Watch(SETTINGS, None)
        for i in range(32):
            watch.observe(result(0.2 * i, pose(0.2 * i), [mark, ((8.0, 0.45), (0.4, 0.3, 0.7), (0, 255, 0))], noise=noise), draw)
        assert any(np.hypot(a.position[0] - 8.0, a.position[1] - 0.45) < 0.3 for a in watch.alerts)


def test_a_camera_that_was_turned_upright_is_no_trouble_any_more_though_nothing_is_compared():
    watch = Watch(SETTINGS, None)
    turned = pose(0.0)
    turned[:3, :3] = turned[:3, :3] @ np.diag([-1.0, -1.0, 1.0])
    watch.observe(result(1.0, turned, [], SMALL), draw)
    assert watch.trouble
    watch.observe(result(2.0, pose(0.0), [], SMALL, NO_REFERENCE, "far"), draw)
    assert not watch.trouble

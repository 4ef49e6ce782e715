"""What an operator dismissed never alarms again, on this patrol or a later one; another thing in its place does."""

import hashlib
import json

import numpy as np
import pytest
from test_watch import BAG, CONE, SETTINGS, drive

from umad_patrol.alerts.look import another_size, look_of, scene_colour, unlike
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
from umad_patrol.errors import MapError
from umad_patrol.io.images import decode
from umad_patrol.records import Dismissed, Region
from umad_patrol.reference.dismissed import add_dismissed, read_dismissed, write_dismissed

BLUE_BAG = (BAG[0], BAG[1], (200, 60, 20))


def dismissed_in(folder, things=(BAG,)):
    with AlertStore(folder) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, list(things))
        alert, remembered = watch.dismiss("A0001")
        assert alert.state == "dismissed" and not [a for a in watch.alerts if a.id == "A0001"]
        assert watch.dismiss("A9999") is None
    return remembered


def test_place_and_look_are_remembered(tmp_path):
    found = dismissed_in(tmp_path)
    assert np.linalg.norm(np.subtract(found.position[:2], BAG[0])) < 0.4 and found.look
    assert max(decode(found.picture).shape) <= 160


def test_it_never_alarms_on_a_later_patrol_with_another_store(tmp_path):
    found = dismissed_in(tmp_path / "first")
    with AlertStore(tmp_path / "second") as store:
        watch = Watch(SETTINGS, store, dismissed=[found])
        results = [r for seed in range(3) for r in drive(watch, [BAG, CONE], start=1000.0 * (seed + 1), seed=seed)]
        assert {a.id for r in results for a in r.changed_alerts} == {"A0001"}  # the cone alone
        assert len(store.alerts()) == 1 and store.alerts()[0].position[0] < 8
        watch.reset_time()
        assert watch.alerts


def test_another_thing_in_its_place_alarms(tmp_path):
    found = dismissed_in(tmp_path / "first")
    with AlertStore(tmp_path / "second") as store:
        watch = Watch(SETTINGS, store, dismissed=[found])
        drive(watch, [BLUE_BAG])
        assert [a.state for a in store.alerts()] == ["active"]
    with AlertStore(tmp_path / "first") as store:  # where the alert is known as dismissed
        watch = Watch(SETTINGS, store, dismissed=[found])
        drive(watch, [BAG])
        assert not watch.alerts
        drive(watch, [BLUE_BAG], start=3000.0)
        drive(watch, [BLUE_BAG], start=4000.0)
        assert len(watch.alerts) == 1


def test_dismissing_after_a_restart_takes_the_look_from_the_evidence(tmp_path):
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG])
    with AlertStore(tmp_path) as store:
        _, found = Watch(SETTINGS, store).dismiss("A0001")
    assert found.look and not unlike(found.look, dismissed_in(tmp_path / "other").look)


def test_clearing_ends_all_and_what_is_still_there_comes_back(tmp_path):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        drive(watch, [BAG, CONE])
        assert len(watch.clear()) == 2 and not watch.alerts and {a.state for a in store.alerts()} == {"cleared"}
        drive(watch, [BAG, CONE], start=5000.0)
        assert [a.id for a in watch.alerts] == ["A0001", "A0002"]


def test_light_does_not_change_the_look():
    image = np.full((90, 160, 3), (120, 130, 125), np.uint8)
    mask = np.zeros((90, 160), np.uint8)
    mask[40:60, 50:70], image[40:60, 50:70] = 255, (40, 40, 200)
    region = Region("anomaly", 1.0, 400, (50, 40, 20, 20), (60.0, 59.0))
    noon = look_of(image, mask, region, scene_colour(image))
    dusk = (image * (0.5, 0.42, 0.6)).astype(np.uint8)
    assert not unlike(noon, look_of(dusk, mask, region, scene_colour(dusk)))
    blue = image.copy()
    blue[40:60, 50:70] = (200, 60, 20)
    assert unlike(noon, look_of(blue, mask, region, scene_colour(blue)))
    assert look_of(image, np.zeros_like(mask), region, scene_colour(image)) == () and not unlike((), noon)


def test_sizes():
    assert not another_size((0.4, 0.5), (0.7, 1.4)) and another_size((0.4, 0.5), (1.2, 1.5)) and not another_size((0.4, 0.5), (0.1, 0.5))


THING = Dismissed("A0007", "anomaly", (1.0, -2.5, 0.0), (0.3, 0.5), (0.25, -0.5), 17, b"\xff\xd8jpeg")


def test_the_file_in_the_map(tmp_path):
    assert read_dismissed(tmp_path) == ()
    add_dismissed(tmp_path, THING)
    add_dismissed(tmp_path, THING)
    assert read_dismissed(tmp_path) == (THING, THING)
    assert [p.name for p in tmp_path.iterdir()] == ["dismissed.json"]


@pytest.mark.parametrize("old, new", [(b"A0007", b"A0008"), (b"-2.5", b"NaN"), (b'"version": 1', b'"version": 2'), (b"{", b"["), (b"0.25,", b"")])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path, old, new):
    add_dismissed(tmp_path, THING)
    file = tmp_path / "dismissed.json"
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(MapError, match="dismissed.json is damaged .* remove it") as caught:
        read_dismissed(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_number_beyond_all_others_is_damage_too(tmp_path):
    write_dismissed(tmp_path, [THING])
    tree = json.loads((tmp_path / "dismissed.json").read_text())
    tree["things"][0]["position"][0] = 10 ** 400
    tree["sha256"] = hashlib.sha256(json.dumps(tree["things"], sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (tmp_path / "dismissed.json").write_text(json.dumps(tree))
    with pytest.raises(MapError, match="dismissed.json is damaged .*OverflowError"):
        read_dismissed(tmp_path)


def test_a_map_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(MapError, match="cannot write dismissed.json"):
        add_dismissed(tmp_path / "none", THING)

"""A disk that refuses: nothing that was told is lost, what could not be written is written later, the patrol goes on."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_store import ALERT, PIECE
from test_watch import BAG, CONE, SETTINGS, draw, drive
from fake_results import SMALL, result
from patrol_scene import ahead

from umad_patrol.alerts.keeper import AGAIN_S, Keeper
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
from umad_patrol.config import with_values
from umad_patrol.errors import StoreError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_what_the_disk_refused_is_written_when_it_gives_way(tmp_path, monkeypatch):
    clock = Clock()
    with AlertStore(tmp_path) as store:
        keeper, save = Keeper(store, clock), store.save

        def full(alerts):
            raise StoreError("database or disk is full")

        monkeypatch.setattr(store, "save", full)
        keeper.keep([ALERT])
        keeper.add_coverage(PIECE)
        assert "disk is full" in keeper.trouble and not keeper.ready
        with pytest.raises(StoreError, match="1 alerts and 1 pieces of the way could not be written: database or disk is full"):
            keeper.flush()
        monkeypatch.setattr(store, "save", save)
        keeper.keep([])
        assert not store.alerts()  # not yet tried again
        clock.now += 2 * AGAIN_S
        keeper.keep([])
        assert store.alerts() == [ALERT] and store.coverage() == [PIECE] and not keeper.trouble
        keeper.flush()


def test_a_disk_that_is_gone_stops_no_patrol(tmp_path, monkeypatch):
    with AlertStore(tmp_path) as store:
        watch = Watch(SETTINGS, store)
        with monkeypatch.context() as gone:
            gone.setattr(os, "stat", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))   # a stick pulled out, a server away
            results = drive(watch, [BAG])
        assert any(result.changed_alerts for result in results) and "cannot be reached: Input/output error" in watch.trouble
        watch.finish()
        assert store.alerts() == list(watch.alerts)


FULL_DISK = """
import resource, signal, sys
sys.path[:0] = sys.argv[2:]
from test_watch import BAG, SETTINGS, drive
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
store = AlertStore(sys.argv[1])
watch = Watch(SETTINGS, store)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))  # no file may grow
results = drive(watch, [BAG])
assert [a.id for a in results[-1].alerts] == ["A0001"] and watch.trouble, watch.trouble
print("trouble:", watch.trouble)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
watch.finish()
store.close()
"""


def test_a_full_disk_loses_no_alert(tmp_path):
    words = [sys.executable, "-c", FULL_DISK, str(tmp_path / "out"), str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert done.returncode == 0 and "trouble: " in done.stdout, done.stderr
    with AlertStore(tmp_path / "out") as store:
        assert [a.id for a in store.alerts()] == ["A0001"] and store.coverage()
        assert not [p for p in store.evidence_folder.iterdir() if p.name.startswith(".")]


def test_a_store_that_cannot_even_be_opened_on_a_full_disk_is_not_called_damaged(tmp_path):
    child = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
             "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
             "from umad_patrol.alerts.store import AlertStore\nAlertStore(sys.argv[1])")
    done = subprocess.run([sys.executable, "-c", child, str(tmp_path)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    last = done.stderr.strip().splitlines()[-1]
    assert "StoreError" in last and "free space" in last and "damaged" not in last


def test_evidence_keeps_within_its_budget_and_the_longest_cleared_goes_first(tmp_path):
    settings = with_values(SETTINGS, {"alerts.evidence_mb": 0.1})
    with AlertStore(tmp_path) as store:
        watch = Watch(settings, store)
        drive(watch, [BAG, CONE])
        sizes = store.evidence_bytes()
        assert set(sizes) == {"A0001", "A0002"}
        drive(watch, [CONE], start=2000.0)  # the bag is gone
        states = {a.id: a.state for a in store.alerts()}
        assert sorted(states.values()) == ["active", "cleared"], states
        gone, there = sorted(states, key=lambda name: states[name] == "active")
        budget = with_values(SETTINGS, {"alerts.evidence_mb": 0.1})
        watch.retune(budget)
        watch._pictures._bytes[there] += 100_000  # as if its pictures were large
        watch._pictures.make_room(there, watch._without_evidence)
        kept = {a.id: a for a in store.alerts()}
        assert not kept[gone].evidence and kept[there].evidence
        assert [p.name for p in store.evidence_folder.iterdir()] == [there]
        assert {a.id: a.evidence for a in watch.tracker.alerts} == {name: a.evidence for name, a in kept.items()}


def test_half_replaced_evidence_of_a_killed_writer_comes_back(tmp_path):
    with AlertStore(tmp_path) as store:
        drive(Watch(SETTINGS, store), [BAG])
    evidence = tmp_path / "evidence"
    (evidence / "A0001").rename(evidence / ".A0001.old")  # killed between the two renames
    (evidence / ".A0001.4711").mkdir()
    (evidence / "mine").mkdir()
    AlertStore(tmp_path).close()
    assert sorted(p.name for p in evidence.iterdir()) == ["A0001", "mine"]


def test_thousands_of_old_alerts_are_not_followed(tmp_path):
    import dataclasses

    with AlertStore(tmp_path) as store:
        store.save([dataclasses.replace(ALERT, id=f"A{n:04d}", state="cleared", last_seen_ns=n, evidence="") for n in range(1, 1500)])
        watch = Watch(SETTINGS, store)
        assert len(watch.tracker.alerts) == 500 and store.new_id() == "A1500"
        frame = result(1.0, ahead()[0], [BAG], SMALL)
        assert watch.observe(frame, draw).sightings

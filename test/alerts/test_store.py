"""The store: what is written is there after a restart or a kill, and trouble is named with the way out."""

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.errors import StoreError
from umad_patrol.records import Alert

ALERT = Alert("A0001", "active", "anomaly", 0.75, (1.5, -2.25, 0.125), (0.3, 0.7), 1_700_000_000_000_000_001, 1_700_000_009_000_000_002, 5, "evidence/A0001")
PIECE = Stretch(10, 20, (1.0, 2.0, 3.0), 0.5, 4, "not comparable", "few inliers: 3")


def test_alerts_and_coverage_come_back_exactly(tmp_path):
    with AlertStore(tmp_path / "new" / "store") as store:
        store.save([ALERT, dataclasses.replace(ALERT, id="A0002")])
        store.save([dataclasses.replace(ALERT, state="cleared")])
        store.add_coverage(PIECE)
    with AlertStore(tmp_path / "new" / "store") as store:
        assert store.alerts() == [dataclasses.replace(ALERT, state="cleared"), dataclasses.replace(ALERT, id="A0002")]
        assert store.coverage() == [PIECE]


def test_ids_go_on_after_a_restart_and_are_never_given_twice(tmp_path):
    with AlertStore(tmp_path) as store:
        assert [store.new_id(), store.new_id()] == ["A0001", "A0002"]
        store.save([dataclasses.replace(ALERT, id=f"A{n:04d}") for n in (7, 9999, 10000)])
        assert store.new_id() == "A10001"
        assert [a.id for a in store.alerts()] == ["A0007", "A9999", "A10000"]
    with AlertStore(tmp_path) as store:
        assert store.new_id() == "A10001"


def test_one_writer_and_any_reader(tmp_path):
    with AlertStore(tmp_path) as store:
        store.save([ALERT])
        with pytest.raises(StoreError, match="in use by another patrol"):
            AlertStore(tmp_path)
        with AlertStore(tmp_path, read_only=True) as reader:
            assert reader.alerts() == [ALERT]
            with pytest.raises(StoreError):
                reader.save([ALERT])
    AlertStore(tmp_path).close()


def test_a_closed_store_says_so(tmp_path):
    store = AlertStore(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.alerts()


@pytest.mark.parametrize("where", ["/proc/nowhere", "/dev/null/alerts"])
def test_a_folder_that_cannot_be_written_is_named(where):
    with pytest.raises(StoreError, match="name a folder that can be written") as error:
        AlertStore(where)
    assert where in str(error.value) and "\n" not in str(error.value)


def test_a_read_only_folder_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="name a folder"):
        AlertStore(tmp_path)


def damage_garbage(file: Path):
    file.write_bytes(b"this is no database, and long enough to be looked at" * 100)


def damage_middle(file: Path):
    data = bytearray(file.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    file.write_bytes(bytes(data))


def damage_tail(file: Path):
    file.write_bytes(file.read_bytes()[:4096 * 2 + 100])


def damage_schema(file: Path):
    connection = sqlite3.connect(file)
    connection.executescript("DROP TABLE alerts; CREATE TABLE alerts (other TEXT);")
    connection.close()


@pytest.mark.parametrize("damage", [damage_garbage, damage_middle, damage_tail, damage_schema])
def test_a_damaged_file_is_refused_by_name_and_left_alone(tmp_path, damage):
    with AlertStore(tmp_path) as store:
        store.save([dataclasses.replace(ALERT, id=f"A{n:04d}") for n in range(1, 200)])
    file = tmp_path / "alerts.sqlite"
    damage(file)
    before = file.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="is damaged .*move it away") as error:
            AlertStore(tmp_path, read_only=read_only)
        assert str(file) in str(error.value)
    assert file.read_bytes() == before
    file.rename(tmp_path / "kept")
    AlertStore(tmp_path).close()


def test_another_version_is_refused(tmp_path):
    AlertStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "alerts.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        AlertStore(tmp_path)


def test_nothing_to_read_is_named(tmp_path):
    with pytest.raises(StoreError, match="no alerts in"):
        AlertStore(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


WRITER = """
import dataclasses, sys
from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.records import Alert
store, n = AlertStore(sys.argv[1]), 0
while True:
    n += 1
    pair = [Alert(f"A{k:04d}", "active", "anomaly", float(n), (1.0, 2.0, 0.0), (0.1, 0.2), 1, n, n) for k in (1, 2)]
    store.save(pair)
    store.add_coverage(Stretch(n, n, (0.0, 0.0, 0.0), 0.1, 1, "compared", ""))
    print(n, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_store(tmp_path):
    for round_ in range(3):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
        for _ in range(5 + round_):
            done = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.communicate()[0].split()
        done = max([done, *(int(n) for n in rest)])
        with AlertStore(tmp_path) as store:
            first, second = store.alerts()
            assert first.score == second.score >= done  # both of a pair, or neither


def test_a_closed_store_on_a_read_only_disk_can_be_read(tmp_path, monkeypatch):
    with AlertStore(tmp_path) as store:
        store.save([ALERT])
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # what a read-only disk answers, even to root
    with AlertStore(tmp_path, read_only=True) as store:
        assert store.alerts() == [ALERT]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [".alerts.lock", "alerts.sqlite"]


@pytest.mark.parametrize("there", ["nothing", "another store", "a file"])
def test_a_store_that_is_taken_away_says_so_and_goes_on_once_it_is_back(tmp_path, there):
    with AlertStore(tmp_path / "store") as store:
        store.save([ALERT])
        (tmp_path / "store").rename(tmp_path / "away")
        if there == "another store":
            AlertStore(tmp_path / "store").close()
        if there == "a file":
            (tmp_path / "store").write_text("")
        with pytest.raises(StoreError, match="another file" if there == "another store" else "removed or moved"):
            store.save([dataclasses.replace(ALERT, id="A0002")])
        if there == "a file":
            (tmp_path / "store").unlink()
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        (tmp_path / "away").rename(tmp_path / "store")
        store.save([dataclasses.replace(ALERT, id="A0002")])
        assert [alert.id for alert in store.alerts()] == ["A0001", "A0002"]

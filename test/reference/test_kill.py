"""A writer of maps killed at any instant leaves a whole map, old or new; a replaced map is told from a damaged one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from maps import teach

from umad_patrol.errors import MapReplacedError
from umad_patrol.records import Dismissed
from umad_patrol.reference.dismissed import add_dismissed, read_dismissed
from umad_patrol.reference.map import ReferenceMap

KILLS = int(os.environ.get("UMAD_PATROL_KILLS", 5))
WRITER = """
import sys
sys.path[:0] = [sys.argv[2]]
from maps import frame, extract, settings, picture
from umad_patrol.reference.teach import Teacher
teacher = Teacher(settings(teach__run="dusk"), extract)
for i in range(12):
    teacher.add_frame(frame(0.1 * i, 5000 + i, picture(i), y=0.3))
print("ready", flush=True)
while True:
    teacher.save(sys.argv[1])
"""
THING = Dismissed("A0001", "anomaly", (1.0, 2.0, 0.0), (0.3, 0.4))


def test_a_kill_at_any_moment_leaves_a_whole_map(tmp_path):
    path = tmp_path / "map"
    chance = random.Random(5)
    for _ in range(KILLS):
        shutil.rmtree(path, ignore_errors=True)
        teach(path)
        add_dismissed(path, THING)
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.4))
        assert child.poll() is None  # it was at work
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = ReferenceMap.load(path)
        assert found.runs[0] == "noon" and read_dismissed(path) == (THING,)
        assert len(list(tmp_path.iterdir())) <= 2  # the next writer removes what this one left
    shutil.rmtree(path)
    teach(path)
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


def test_an_old_map_left_aside_between_two_renames_comes_back(tmp_path):
    teach(tmp_path / "map")
    (tmp_path / "map").rename(tmp_path / ".map.0123abcd.old")
    assert len(ReferenceMap.load(tmp_path / "map")) and [p.name for p in tmp_path.iterdir()] == ["map"]


@pytest.mark.parametrize("keyframes", ["as many", "fewer"])
def test_a_map_replaced_after_loading_is_named(tmp_path, keyframes):
    teach(tmp_path / "map")
    found = ReferenceMap.load(tmp_path / "map")
    os.utime(tmp_path / "map" / "SHA256SUMS")
    assert not found.replaced()  # touched only
    shutil.rmtree(tmp_path / "map")
    teach(tmp_path / "map", length=1.0 if keyframes == "as many" else 0.3, brightness=0.5)
    assert found.replaced() and not ReferenceMap.load(tmp_path / "map").replaced()
    with pytest.raises(MapReplacedError, match="was replaced since it was loaded"):
        found.reference(len(found) - 1)


def test_what_was_dismissed_goes_along_when_a_run_is_added(tmp_path):
    teach(tmp_path / "map")
    add_dismissed(tmp_path / "map", THING)
    checksum = ReferenceMap.load(tmp_path / "map").checksum
    teach(tmp_path / "map", start_s=3000.0, teach__run="dusk")
    assert read_dismissed(tmp_path / "map") == (THING,)
    assert ReferenceMap.load(tmp_path / "map").checksum != checksum
    assert "dismissed" not in (tmp_path / "map" / "SHA256SUMS").read_text()

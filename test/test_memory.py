"""Memory over a long patrol; asked for by how many frames it shall last, as that takes minutes:

UMAD_PATROL_MEMORY_FRAMES=1000 python -m pytest test/test_memory.py -s
"""

import os
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path

import pytest

from umad_patrol.cli.main import main
from umad_patrol.config import Settings
from umad_patrol.frames import Recording
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import Frame
from umad_patrol.simulate.record import write_simulation

FRAMES = int(os.environ.get("UMAD_PATROL_MEMORY_FRAMES", 0))
WARM, PERIOD_NS, ALLOWED_MB = 250, 200_000_000, 16.0


def resident_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.fixture
def patrol(tmp_path):
    """A map and the frames of a short patrol over it, at 1280x720, with things that raise alerts."""
    write_simulation(tmp_path / "world", seed=3, anomalies=3, frames=40, size=(1280, 720), length_m=20.0)
    assert main(["teach", str(tmp_path / "world" / "teach"), str(tmp_path / "map")]) == 0
    recording = Recording(tmp_path / "world" / "patrol", Settings())
    return tmp_path / "map", [event for event in recording.events() if isinstance(event, Frame)]


@pytest.mark.slow
@pytest.mark.skipif(not FRAMES, reason="takes minutes; set UMAD_PATROL_MEMORY_FRAMES=1000")
def test_memory_stays_flat_however_long_the_patrol(patrol, tmp_path):
    map_path, frames = patrol
    pipeline = Pipeline.open(map_path, Settings(), tmp_path / "alerts")
    resident = {}
    there_and_back = islice(cycle(chain(frames, frames[-2:0:-1])), FRAMES)  # the robot never jumps
    for number, frame in enumerate(there_and_back, start=1):
        pipeline.process(replace(frame, stamp_ns=frames[0].stamp_ns + number * PERIOD_NS))
        if number in (WARM, FRAMES) or number % 100 == 0:
            resident[number] = resident_mb()
            print(f"{number:6} frames: {resident[number]:7.1f} MB resident, {len(pipeline.alerts)} alerts")
    pipeline.close()
    assert resident[FRAMES] - resident[min(WARM, FRAMES)] < ALLOWED_MB

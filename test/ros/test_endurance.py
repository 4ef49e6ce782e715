"""Soak and load. Skipped unless asked for, since their figures mean something on a quiet machine only.

    UMAD_PATROL_SOAK=30000 pytest test/ros/test_endurance.py -s -k soak    so many frames, as fast as the node takes them
    UMAD_PATROL_LOAD=120 pytest test/ros/test_endurance.py -s -k load      so many seconds of a 30 Hz 1280x720 camera

UMAD_PATROL_SIZE=1280x720 sets the size of the soak's pictures (default 320x240).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from rig import Rig  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from scene import FORWARD, Route, teach  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from umad_patrol.io.messages import stamp_ns  # noqa: E402
from umad_patrol.ros.patrol_node import PatrolNode  # noqa: E402
from umad_patrol.ros.processes import parameters  # noqa: E402

SOAK, LOAD = int(os.environ.get("UMAD_PATROL_SOAK", 0)), float(os.environ.get("UMAD_PATROL_LOAD", 0))
SIZE = tuple(map(int, os.environ.get("UMAD_PATROL_SIZE", "320x240").split("x")))
WARM = 0.2  # share of the frames after which memory counts
GIVE_UP_S = 20.0


def resident_mb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not SOAK, reason="set UMAD_PATROL_SOAK to a number of frames")
def test_soak(ros, launch, route_settings, tmp_path):
    """Memory and latency stay, however many frames come."""
    route = Route(ros.domain, *SIZE, focal=250.0 * SIZE[0] / 320)
    teach(route, route_settings, tmp_path / "map")
    node = launch("patrol_node", *parameters({"input.body_t_camera": list(FORWARD), "device": "cpu", "map": tmp_path / "map", "output": tmp_path / "out"}))
    node.wait_for("ready:", 120.0)
    ros.start([])
    rig, = ros.add(Rig(route, 30.0))
    seen = {}
    rig.create_subscription(Image, "patrol_node/anomaly_mask", lambda mask: seen.setdefault(stamp_ns(mask.header), time.time_ns()), qos_profile_sensor_data)
    ros.until(lambda: rig.image_out.get_subscription_count() and rig.count_publishers("/patrol_node/anomaly_mask"))
    latencies, memory, lost = [], [], 0
    while len(latencies) < SOAK:
        now = time.time_ns()
        rig.tell_pose(now)
        rig.show(now)
        end = time.monotonic() + 2.0
        while now not in seen and time.monotonic() < end:
            ros.executor.spin_once(timeout_sec=0.5)
        if now in seen:
            latencies.append((seen.pop(now) - now) / 1e6)
            memory.append(resident_mb(node.pid))
        else:
            lost += 1
            assert lost < 20 + SOAK / 100 and node.running, node.text()[-2000:]
    tenth = max(1, SOAK // 10)
    first, last = np.median(latencies[:tenth]), np.median(latencies[-tenth:])
    warm = float(np.median(memory[int(WARM * SOAK):int(WARM * SOAK) + tenth]))
    grown = float(np.median(memory[-tenth:])) / warm - 1
    print(json.dumps({"frames": SOAK, "size": SIZE, "lost": lost, "hz": round(1e3 / np.mean(latencies), 1), "latency_ms_first": round(first, 1),
                      "latency_ms_last": round(last, 1), "memory_mb_warm": round(warm, 1), "grown_percent": round(100 * grown, 2), "by_tenths":
                      [(round(float(np.median(memory[i:i + tenth])), 1), round(float(np.median(latencies[i:i + tenth])), 1)) for i in range(0, SOAK, tenth)]}))
    assert node.stop(signal.SIGINT) == 0
    if SOAK >= 5000:
        assert grown < 0.02 and last / first - 1 < 0.10


class Probe(Node):
    """Hears /clock on the executor of the patrol node and notes how late it was; and the node's own diagnostics."""

    def __init__(self):
        super().__init__("probe")
        self.late_ms, self.health, self.stamps = [], [], []
        self.create_subscription(Clock, "/clock", self.on_clock, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)

    def on_clock(self, msg):
        self.late_ms.append((time.time_ns() - msg.clock.sec * 10**9 - msg.clock.nanosec) / 1e6)

    def on_diagnostics(self, msg):
        self.health.append({pair.key: pair.value for pair in msg.status[0].values} | {"message": msg.status[0].message})


@pytest.mark.skipif(not LOAD, reason="set UMAD_PATROL_LOAD to a number of seconds")
def test_load(ros, route_settings, tmp_path):
    """A 30 Hz camera that is faster than the machine: frames are dropped, never queued, and the executor stays free."""
    size = (1280, 720)
    route = Route(ros.domain, *size, focal=900.0)
    teach(route, route_settings, tmp_path / "map")
    ros.start(parameters({"input.body_t_camera": list(FORWARD), "device": "cpu", "map": tmp_path / "map", "output": tmp_path / "out"})[1:])
    node, probe = ros.add(PatrolNode(), Probe())
    rig = subprocess.Popen([sys.executable, str(Path(__file__).parent / "rig.py"), "--rate", "30", "--size", "1280x720", "--focal", "900", "--seconds", str(LOAD)],
                           stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ROS_DOMAIN_ID": str(ros.domain)})
    assert rig.stdout.readline() == "rolling\n"
    warm, end = time.monotonic() + min(5.0, LOAD / 3), time.monotonic() + LOAD + GIVE_UP_S
    while rig.poll() is None and time.monotonic() < end:
        ros.executor.spin_once(timeout_sec=0.1)
        if time.monotonic() < warm:
            probe.late_ms.clear()
    sent, health = int(rig.stdout.read().split()[-1]), probe.health[-1]
    late = np.array(probe.late_ms)
    found = {name: float(health[name] or "nan") for name in ("rate_hz", "images", "dropped", "compared", "work_ms_p50", "work_ms_p99",
                                                             "latency_ms_p50", "latency_ms_p99")}
    found |= {"sent": sent, "clock_ms_p50": round(float(np.median(late)), 2), "clock_ms_p99": round(float(np.percentile(late, 99)), 2),
              "clock_ms_max": round(float(late.max()), 2), "clock_over_20ms_percent": round(100 * float((late > 20).mean()), 3), "message": health["message"]}
    print(json.dumps(found))
    assert found["dropped"] > 0 and found["compared"] > 0
    if LOAD >= 60:
        assert found["latency_ms_p50"] <= found["work_ms_p50"] + 20 and found["latency_ms_p99"] <= 2 * found["latency_ms_p50"]
        assert found["clock_ms_p99"] <= 20

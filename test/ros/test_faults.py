"""What happens out there, to a patrol node that runs as a process of its own: the robot of these tests is another participant.

UMAD_PATROL_KILLS=50 and UMAD_PATROL_SIGNALS=20 repeat more often what is a matter of chance.
"""

import os
import random
import resource
import shutil
import signal
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

from robot import Robot  # noqa: E402
from scene import SURE  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from umad_patrol.alerts.store import AlertStore  # noqa: E402
from umad_patrol.ros.conversions import to_time  # noqa: E402
from umad_patrol.ros.processes import parameters, remappings  # noqa: E402

KILLS = int(os.environ.get("UMAD_PATROL_KILLS", 3))
SIGNALS = int(os.environ.get("UMAD_PATROL_SIGNALS", 2))
EXTRINSICS = [0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5]
SECONDS = 90.0
EVERYTHING_ALARMS = {"alerts.sightings": 2, "alerts.window": 6, "alerts.min_score": 0.0, "alerts.standing_evidence": -100.0, "alerts.weak_evidence": -100.0,
                     "alerts.max_speed_mps": 10.0, "alerts.max_spread": 20.0, "alerts.min_rate": 0.0, "alerts.clear_frames": 2, "alerts.min_height_m": 0.0,
                     "alerts.gate_m": 0.05, "alerts.pose_sigma_m": 0.001, "alerts.foot_sigma_px": 0.5, "alerts.evidence_updates": 100}


@pytest.fixture
def node_words(route_map, tmp_path):
    def words(**values):
        return parameters({"input.body_t_camera": EXTRINSICS, "device": "cpu", "detect.threshold": SURE, "map": route_map, "output": tmp_path / "out", **values})

    return words


@pytest.fixture
def patrol(ros, route, messages, launch, node_words):
    """`patrol(**parameters)` gives the robot and the node's process, which compares already."""
    def start(**values):
        if ros.executor is None:
            ros.start([])
        node = launch("patrol_node", *node_words(**values))
        robot, = ros.add(Robot(route, messages))
        robot.listen_to_alerts()
        node.wait_for("ready:", SECONDS)
        ros.until(lambda: robot.image.get_subscription_count() and robot.count_publishers("/patrol_node/anomaly_mask"))
        return robot, node

    return start


def compares(ros, robot, frames=3, planted=False):
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= frames, lambda: robot.good(planted))


def ends_well(node, sign=signal.SIGINT):
    assert node.stop(sign) == 0, node.text()
    assert "Traceback" not in node.text()


def test_the_camera_stops_and_returns(ros, patrol):
    robot, node = patrol()
    compares(ros, robot)
    ros.until(lambda: robot.diagnostics.get("message", "").startswith("no frame for"))
    assert robot.diagnostics["level"] == 1
    compares(ros, robot)
    ros.until(lambda: robot.diagnostics.get("level") == 0, robot.good)
    ends_well(node)


def test_the_localization_jumps_freezes_and_returns(ros, patrol, route, messages):
    robot, node = patrol()
    compares(ros, robot)

    def frame(shift_m, frozen=False, halfway=None):
        """A picture between two poses, which are off by so much."""
        i, robot.step = robot.step, robot.step + 2
        poses = [(route.time(i), shift_m), (route.time(i + 1), shift_m if halfway is None else halfway)]
        (x, _, _), between = route.position(30), route.time(i) + 0.05
        for t, off in [] if frozen else poses:
            robot.send(robot.pose, messages.odometry(t, (x, off, 0)))
        if frozen:
            robot.send(robot.pose, messages.odometry(robot.frozen_at, (x, 0, 0)))
        robot.send(robot.info, messages.camera_info(between, 320, 240, 250.0))
        robot.send(robot.image, messages.jpeg(between, route.picture(30)))
        robot.frozen_at = robot.frozen_at if frozen else poses[1][0]

    robot.frozen_at = 0.0
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 2, lambda: frame(0.0))
    before = robot.count("not localized")
    ros.until(lambda: robot.count("not localized") > before, lambda: frame(0.0, halfway=5.0))
    assert "jumped by" in robot.diagnostics["last_reason"]
    ros.until(lambda: robot.count("no reference") > 2, lambda: frame(5.0))  # there is no map 5 m beside the route
    before = robot.count("not localized")
    ros.until(lambda: robot.count("not localized") > before + 2, lambda: frame(0.0, frozen=True))
    assert robot.count("bad pose") > 0
    robot.step += 20
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 3 and robot.diagnostics.get("level") == 0, lambda: frame(0.0))
    assert not any(msg.status for msg in robot.alerts)
    ends_well(node)


def test_the_clock_jumps_back(ros, patrol):
    robot, node = patrol(use_sim_time=True)
    clock = robot.create_publisher(Clock, "/clock", 10)

    def good():
        clock.publish(Clock(clock=to_time(int(robot.route.time(robot.step) * 1e9))))
        robot.good()

    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 3, good)
    robot.step -= 800
    ros.until(lambda: robot.count("time ran backwards"), good)
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 3 and robot.diagnostics.get("level") == 0, good)
    ends_well(node)


def test_a_recording_that_loops_is_one_patrol(ros, patrol, launch, route, write_bag, messages, tmp_path):
    robot, node = patrol(use_sim_time=True)
    bag = route.bag(write_bag, messages, tmp_path / "bag", planted_from=0, count=40)
    player = launch("bag_player", str(bag), "--loop", "--rate", "1.0", "--ros-args",
                    *remappings({"/camera/image/compressed": "image/compressed", "/camera/info": "camera_info", "/odom": "localization"}))
    loops = []

    def look():  # the stamps that the masks bear begin anew with every loop
        stamps = [mask.header.stamp.sec + mask.header.stamp.nanosec / 1e9 for mask in robot.masks]
        loops[:] = [b for a, b in zip(stamps, stamps[1:]) if b < a - 1]

    ros.until(lambda: len(loops) >= 3, look)
    ros.until(lambda: robot.count("time ran backwards") >= 3)
    ends_well(player)
    ends_well(node)
    with AlertStore(tmp_path / "out", read_only=True) as store:
        assert len(store.alerts()) == 1  # one thing, one alert, however often it is seen


def test_the_map_is_replaced_under_the_node(ros, patrol, teach_route, tmp_path):
    teach_route(tmp_path / "map", "noon")
    robot, node = patrol(map=tmp_path / "map")
    compares(ros, robot)
    ros.until(lambda: robot.diagnostics.get("map_checksum"))
    before = robot.diagnostics["map_checksum"]
    shutil.rmtree(tmp_path / "map")
    robot.masks.clear()
    teach_route(tmp_path / "map", "dusk")
    ros.until(lambda: robot.diagnostics.get("map_checksum", before) != before, robot.good)
    compares(ros, robot)
    ros.until(lambda: robot.diagnostics.get("level") == 0, robot.good)
    ends_well(node)


def test_a_full_disk_stops_nothing_and_loses_nothing(ros, patrol, tmp_path):
    robot, node = patrol()
    compares(ros, robot)
    free = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (100, free[1]))  # no file may grow, as on a full disk
    ros.until(lambda: any(msg.status for msg in robot.alerts), lambda: robot.good(planted=True))
    ros.until(lambda: robot.diagnostics.get("level") == 2, lambda: robot.good(planted=True))
    assert "alert" in robot.diagnostics["message"] or "evidence" in robot.diagnostics["message"]
    compares(ros, robot, planted=True)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, free)
    ros.until(lambda: robot.diagnostics.get("level") == 0, lambda: robot.good(planted=True))
    ends_well(node, signal.SIGTERM)
    with AlertStore(tmp_path / "out", read_only=True) as store:
        assert len(store.alerts()) == 1


def test_two_nodes_on_one_store_the_second_says_so_in_one_line(ros, patrol, launch, node_words):
    robot, node = patrol()
    second = launch("patrol_node", *node_words(), *remappings({"__node": "second"}))
    second.wait_for("in use by another patrol", SECONDS)
    compares(ros, robot)
    ends_well(node)
    second.wait_for("ready:", SECONDS)  # it tries again by itself
    ends_well(second)


def test_killed_while_alerts_are_written_no_alert_is_lost(ros, patrol, route, monkeypatch, tmp_path):
    """What was published before the kill is in the store after it, and the store opens clean, every time."""
    chance, published, stored_of_all = random.Random(11), 0, 0
    for round_ in range(KILLS):
        out = tmp_path / f"out{round_ // 2}"  # every other one is that of a patrol that was killed
        robot, node = patrol(output=out, **EVERYTHING_ALARMS)
        end = time.monotonic() + chance.uniform(0.5, 2.5)

        def planted():  # a box that stands elsewhere every few frames
            k = robot.step // 6 + 100 * round_
            monkeypatch.setattr(route, "box", type(route).box + [1.2 * np.sin(k * 1.7), 0.9 * np.sin(k * 2.3), 0.0])
            robot.good(planted=True)

        ros.until(lambda: any(msg.status for msg in robot.alerts), planted)
        ros.until(lambda: time.monotonic() > end, planted)
        assert node.stop(signal.SIGKILL) == -signal.SIGKILL
        until = time.monotonic() + 0.3
        ros.until(lambda: time.monotonic() > until)  # what was sent before the kill still comes
        told = {status.hardware_id for msg in robot.alerts for status in msg.status}
        ros.executor.remove_node(robot)
        robot.destroy_node()
        with AlertStore(out) as store:  # checks the database and takes over
            stored = {alert.id: alert for alert in store.alerts()}
            assert told and told <= set(stored), sorted(told - set(stored))
            for alert in stored.values():
                assert not alert.evidence or (store.folder / alert.evidence / "evidence.yaml").is_file()
        published, stored_of_all = published + len(told), stored_of_all + len(stored)
    print(f"{KILLS} kills, {published} alerts published, {stored_of_all} in the stores")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signals_at_any_moment_end_with_status_0(ros, patrol, sign):
    chance = random.Random(int(sign))
    for _ in range(SIGNALS):
        robot, node = patrol()
        end = time.monotonic() + chance.uniform(0.0, 1.5)
        ros.until(lambda: time.monotonic() > end, lambda: robot.good(planted=True))
        ends_well(node, sign)
        ros.executor.remove_node(robot)
        robot.destroy_node()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_so_does_one_while_the_node_deactivates(ros, patrol, sign):
    """It breaks off the wait for the worker, which still takes in a frame."""
    for number in range(SIGNALS):
        robot, node = patrol()
        change = robot.create_client(ChangeState, "/patrol_node/change_state")
        ros.until(change.service_is_ready)
        compares(ros, robot, planted=True)
        for _ in range(4):
            robot.good(planted=True)
        change.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE)))
        end = time.monotonic() + 0.02 + 0.01 * (number % 4)
        while time.monotonic() < end:
            ros.executor.spin_once(timeout_sec=0.001)
        ends_well(node, sign)
        ros.executor.remove_node(robot)
        robot.destroy_node()

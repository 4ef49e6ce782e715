"""What an operator does to a running node: services, parameters, transitions; over real DDS, within this process."""

import shutil
import sys
import threading
import types

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="no ROS 2 here")

from nav_msgs.msg import Path  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from robot import Robot  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from umad_patrol.alerts.coverage import SEEN  # noqa: E402
from umad_patrol.alerts.store import AlertStore  # noqa: E402
from umad_patrol.reference.dismissed import FILE, read_dismissed  # noqa: E402
from umad_patrol.reference.map import ReferenceMap  # noqa: E402
from umad_patrol.ros import qos, transforms  # noqa: E402
from umad_patrol.ros.patrol_node import PatrolNode  # noqa: E402
from umad_patrol.ros.vitals import resident_mb  # noqa: E402


@pytest.fixture
def patrol(ros, route, route_map, messages, extrinsics, tmp_path):
    """A node on a map of its own, the robot, and `call(service)`."""
    shutil.copytree(route_map, tmp_path / "map")
    ros.start([*extrinsics, "-p", f"map:={tmp_path / 'map'}", "-p", f"output:={tmp_path / 'out'}"])
    node, robot = ros.add(PatrolNode(), Robot(route, messages))
    robot.listen_to_alerts()
    ros.until(lambda: robot.image.get_subscription_count() and robot.count_publishers("/patrol_node/anomaly_mask"))

    def call(service, tick=lambda: None):
        client = robot.create_client(Trigger, f"/patrol_node/{service}")
        ros.until(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        ros.until(future.done, tick)
        return future.result().success, future.result().message

    return node, robot, call


def raise_an_alert(ros, robot):
    ros.until(lambda: any(msg.status for msg in robot.alerts), lambda: robot.good(planted=True))
    return robot.alerts[-1].status[0].hardware_id


def test_dismissed_once_and_never_again(ros, patrol, tmp_path):
    node, robot, call = patrol
    assert call("dismiss_alert") == (False, "there is no active alert")
    name = raise_an_alert(ros, robot)
    node.set_parameters([Parameter("alert", value="A9999")])
    success, message = call("dismiss_alert")
    assert not success and "no alert 'A9999'" in message and name in message
    node.set_parameters([Parameter("alert", value=name)])
    success, message = call("dismiss_alert", lambda: robot.good(planted=True))
    assert success and "never alarms again" in message and node.get_parameter("alert").value == ""
    ros.until(lambda: robot.alerts[-1].status and "dismissed" in robot.alerts[-1].status[-1].message)
    thing, = read_dismissed(tmp_path / "map")
    assert np.linalg.norm(np.subtract(thing.position[:2], (5.0, 0.0))) < 0.4 and thing.picture and thing.look
    assert len(ReferenceMap.load(tmp_path / "map"))  # sound as before

    assert node.trigger_deactivate().name == "SUCCESS" and node.trigger_cleanup().name == "SUCCESS"
    node.set_parameters([Parameter("output", value=str(tmp_path / "next patrol"))])
    assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
    robot.masks.clear()
    ros.until(lambda: sum(np.frombuffer(m.data, np.uint8).any() for m in robot.masks) > 12, lambda: robot.good(planted=True))
    with AlertStore(tmp_path / "next patrol", read_only=True) as store:
        assert store.alerts() == []


def test_clear_alerts(ros, patrol, tmp_path):
    node, robot, call = patrol
    name = raise_an_alert(ros, robot)
    success, message = call("clear_alerts")
    assert success and message.startswith("cleared 1 alerts")
    ros.until(lambda: any(s.hardware_id == name and "cleared" in s.message for s in robot.alerts[-1].status))


def test_a_fault_of_ours_is_told_and_the_node_goes_on(ros, patrol, monkeypatch):
    node, robot, call = patrol

    def broken(*_):
        raise ValueError("not thought of")

    monkeypatch.setattr(node._pipeline, "clear_alerts", broken)
    assert call("clear_alerts") == (False, "internal error: ValueError: not thought of")
    monkeypatch.undo()
    assert call("clear_alerts")[0]


def test_the_map_is_loaded_anew(ros, patrol, tmp_path):
    node, robot, call = patrol
    ros.until(lambda: len(robot.masks) >= 1, robot.good)
    (tmp_path / "map" / "map.yaml").rename(tmp_path / "away")
    success, message = call("reload_map", robot.good)
    assert not success and "is no map" in message
    ros.until(lambda: robot.diagnostics.get("state") == "active", robot.good)  # goes on with the old
    (tmp_path / "away").rename(tmp_path / "map" / "map.yaml")
    robot.routes.clear()
    success, message = call("reload_map", robot.good)
    assert success and f"of {len(ReferenceMap.load(tmp_path / 'map'))} keyframes" in message
    ros.until(lambda: robot.routes)


def test_a_map_that_was_taught_anew_while_the_node_was_inactive_is_loaded(ros, patrol, teach_route, tmp_path):
    node, robot, call = patrol

    def taught(run, grain_m):
        shutil.rmtree(tmp_path / "map")
        floor = np.stack(np.meshgrid(np.arange(0.5, 8.0, grain_m), np.arange(-2.0, 2.0, grain_m), [0.0]), -1)
        return ReferenceMap.load(teach_route(tmp_path / "map", run, floor.reshape(-1, 3).astype(np.float32))).checksum

    taught("noon", 0.1)
    assert call("reload_map")[0] and node.trigger_deactivate().name == "SUCCESS"
    checksum = taught("dusk", 0.2)
    assert node.trigger_activate().name == "SUCCESS", node._trouble
    robot.masks.clear()
    ros.until(lambda: robot.masks and robot.diagnostics.get("map_checksum") == checksum, robot.good)


def test_parameters_that_may_change_do_so_at_once(ros, patrol):
    node, robot, call = patrol
    ros.until(lambda: any(np.frombuffer(m.data, np.uint8).any() for m in robot.masks), lambda: robot.good(planted=True))
    result, = node.set_parameters([Parameter("detect.min_area_px", value=100_000)])
    assert result.successful
    call("clear_alerts")  # a job behind the change: it is in force now
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 2, lambda: robot.good(planted=True))
    assert not any(np.frombuffer(m.data, np.uint8).any() for m in robot.masks[1:])
    assert node.set_parameters([Parameter("retrieve.max_distance_m", value=0.01)])[0].successful
    ros.until(lambda: robot.count("no reference"), robot.good)
    assert node.set_parameters([Parameter("input.max_position_sigma_m", value=0.2), Parameter("alerts.sightings", value=3)])[0].successful
    for name, value, says in [("alerts.sightings", 0, "outside 1 to 100"), ("alerts.window", 2, "alerts.sightings = 3 do not fit into alerts.window = 2 frames"),
                              ("align.features", 900, "align.features cannot change while the node is active"),
                              ("map", "/else", "map cannot change"), ("retrieve.references", 3, "retrieve.references cannot change")]:
        result, = node.set_parameters([Parameter(name, value=value)])
        assert not result.successful and (says in result.reason or "range" in result.reason), result.reason


def test_a_node_that_cannot_activate_leaves_no_subscription_behind(ros, route_map, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", types.SimpleNamespace(Buffer=object, TransformException=ValueError))
    monkeypatch.setattr(transforms, "static_transform_type", lambda: Path)     # any type will do: tf2_msgs is not on PyPI
    ros.start(["-p", f"map:={route_map}", "-p", "device:=cpu", "-p", "autostart:=false", "-p", "localization_type:=tf", "-p", "image_transport:=smoke"])
    node, = ros.add(PatrolNode())
    assert node.trigger_configure().name == "SUCCESS"
    before = len(list(node.subscriptions))
    assert node.trigger_activate().name == "FAILURE" and "image_transport = 'smoke' is none of" in node._trouble
    assert len(list(node.subscriptions)) == before


def test_a_node_that_a_signal_has_ended_loads_nothing(ros, route_map):
    """SIGTERM breaks off nothing by itself: what a node still loads and opens after it is time in which it is killed."""
    ros.start(["-p", f"map:={route_map}", "-p", "device:=cpu", "-p", "autostart:=false"])
    node, = ros.add(PatrolNode())
    rclpy.shutdown()
    with pytest.raises(ExternalShutdownException):
        node._configure()
    assert node._pipeline is None


def test_transitions_that_fail_leave_a_node_that_can_try_again(ros, patrol, tmp_path):
    node, robot, call = patrol
    assert node.trigger_deactivate().name == "SUCCESS"
    assert call("clear_alerts") == (False, "the node is inactive; activate it first (ros2 lifecycle set)")
    with AlertStore(tmp_path / "out"):  # another patrol's now: the node let go of it
        assert node.trigger_activate().name == "FAILURE"
        ros.until(lambda: robot.diagnostics.get("level") == 2)
        assert "in use by another patrol" in robot.diagnostics["message"] and robot.diagnostics["state"] == "inactive"
    node._again_at = 0.0  # autostart tries again, sooner than it would
    ros.until(lambda: robot.diagnostics.get("state") == "active")
    robot.masks.clear()
    ros.until(lambda: robot.masks, robot.good)


def test_a_node_that_is_shut_down_says_that_it_is_final(ros, patrol):
    node, robot, call = patrol
    assert node.trigger_deactivate().name == "SUCCESS" and node.trigger_shutdown().name == "SUCCESS"
    ros.until(lambda: robot.diagnostics.get("state") == "finalized")
    assert robot.diagnostics["message"] == "finalized" and robot.diagnostics["level"] == 1
    assert call("clear_alerts") == (False, "the node is finalized; start it anew")


def test_an_alert_that_is_named_while_another_is_dismissed_stays_named(ros, patrol):
    node, robot, call = patrol
    node.set_parameters([Parameter("alert", value=raise_an_alert(ros, robot))])
    busy, go = threading.Event(), threading.Event()
    node._worker.do(lambda: busy.set() or go.wait())
    ros.until(busy.is_set)

    def next_is_named():
        if not go.is_set() and not node._worker._jobs.empty():     # it waits to be dismissed
            node.set_parameters([Parameter("alert", value="A0099")])
            go.set()

    assert call("dismiss_alert", next_is_named)[0] and node.get_parameter("alert").value == "A0099"


def test_an_inactive_node_hears_nothing_and_a_clean_one_holds_nothing(ros, patrol):
    node, robot, call = patrol
    ros.until(lambda: len(robot.masks) >= 2, robot.good)
    held = resident_mb()
    assert node.trigger_deactivate().name == "SUCCESS"
    ros.until(lambda: not robot.image.get_subscription_count())
    assert node._worker is None and node._pipeline is not None
    assert node.trigger_cleanup().name == "SUCCESS"
    ros.until(lambda: not robot.count_publishers("/patrol_node/anomaly_mask"))
    assert node._pipeline is None and resident_mb() < held + 5
    assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
    robot.masks.clear()
    ros.until(lambda: robot.masks, robot.good)


def test_coverage_is_of_the_map_that_there_is_and_told_to_the_end(ros, patrol):
    node, robot, call = patrol
    markers = []
    robot.create_subscription(Marker, "patrol_node/coverage", markers.append, qos.LATCHED)

    def told():
        return markers and [c.g > c.r for c in markers[-1].colors] == (node._coverage.places()[1] == SEEN).tolist()

    ros.until(lambda: markers and any(c.g > c.r for c in markers[-1].colors), robot.good)
    assert call("reload_map")[0]
    ros.until(told)     # without another frame
    ros.until(lambda: len(robot.masks) > 3 and not told(), robot.good)
    ros.until(told)


def test_coverage_is_shown(ros, patrol):
    node, robot, call = patrol
    markers = []
    robot.create_subscription(Marker, "patrol_node/coverage", markers.append, qos.LATCHED)
    ros.until(lambda: len(robot.masks) >= 3, robot.good)
    assert node.set_parameters([Parameter("retrieve.max_distance_m", value=0.01)])[0].successful
    ros.until(lambda: robot.count("no reference") > 3 and int(robot.diagnostics.get("coverage_percent") or 100) < 100, robot.good)
    ros.until(lambda: markers and {(c.r > 0.8, c.g > 0.7) for c in markers[-1].colors} >= {(True, False), (False, True)}, robot.good)
    assert len(markers[-1].points) == len(markers[-1].colors) >= 14
    diagnostics = robot.diagnostics
    assert len(diagnostics["map_checksum"]) == 64 and diagnostics["device"] == "cpu" and float(diagnostics["memory_mb"]) > 10
    assert diagnostics["work_ms_p99"] and "latency_ms_p50" in diagnostics and FILE

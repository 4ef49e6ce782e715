"""Nodes over real DDS, within this process: what they publish and what they say of bad input."""

from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="no ROS 2 here")

from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from robot import Robot  # noqa: E402

from umad_patrol.config import Settings  # noqa: E402
from umad_patrol.errors import ConfigError, MapError  # noqa: E402
from umad_patrol.io.messages import stamp_ns  # noqa: E402
from umad_patrol.ros.parameters import settings_of  # noqa: E402
from umad_patrol.ros.patrol_node import PatrolNode  # noqa: E402
from umad_patrol.ros.teach_node import TeachNode  # noqa: E402


@pytest.fixture
def patrol(ros, route, route_map, messages, extrinsics, tmp_path):
    ros.start([*extrinsics, "-p", f"map:={route_map}", "-p", f"output:={tmp_path / 'out'}"])
    node, robot = ros.add(PatrolNode(), Robot(route, messages))
    ros.until(lambda: robot.image.get_subscription_count() and robot.count_publishers("/patrol_node/anomaly_mask"))
    return node, robot


def test_masks_alerts_and_a_restart(ros, patrol):
    node, robot = patrol
    ros.until(lambda: len(robot.masks) >= 2, robot.good)
    assert not any(np.frombuffer(mask.data, np.uint8).any() for mask in robot.masks)
    robot.listen_to_alerts()
    ros.until(lambda: any(msg.status for msg in robot.alerts), lambda: robot.good(planted=True))
    assert {stamp_ns(mask.header) for mask in robot.masks} <= set(robot.sent)
    mask = next(m for m in reversed(robot.masks) if np.frombuffer(m.data, np.uint8).any())
    assert (mask.encoding, mask.width, mask.height, mask.step, mask.header.frame_id) == ("mono8", 320, 240, 320, "camera")
    pixels = np.frombuffer(mask.data, np.uint8).reshape(240, 320)
    truth = robot.route.truth(robot.sent[stamp_ns(mask.header)])
    assert set(np.unique(pixels)) == {0, 255}
    assert (truth & (pixels > 0)).sum() / (truth | (pixels > 0)).sum() > 0.6
    alert = next(msg for msg in robot.alerts if msg.status).status[0]
    values = {pair.key: pair.value for pair in alert.values}
    assert alert.level == b"\x01" and values["state"] == "active"
    np.testing.assert_allclose([float(values[axis]) for axis in "xy"], [5.0, 0.0], atol=0.3)
    ros.until(lambda: any(msg.markers for msg in robot.markers))
    assert robot.routes and len(robot.routes[0].poses) > 2
    ros.until(lambda: robot.diagnostics.get("level") == 0 and robot.count("active_alerts") > 0, lambda: robot.good(planted=True))
    assert "comparing at" in robot.diagnostics["message"] and robot.diagnostics["state"] == "active"

    before = set(robot.alerts[-1].status[i].hardware_id for i in range(len(robot.alerts[-1].status)))
    assert node.trigger_deactivate().name == "SUCCESS"  # closes the store
    robot.alerts.clear()
    assert node.trigger_activate().name == "SUCCESS"  # and finds in it what was there
    ros.until(lambda: robot.alerts)
    assert {status.hardware_id for status in robot.alerts[0].status} & before


def test_bad_input_is_named_and_the_patrol_goes_on(ros, patrol, messages):
    node, robot = patrol
    route = robot.route
    robot.send(robot.info, messages.camera_info(1, 320, 240, 250.0))
    ros.until(lambda: robot.count("not localized"), lambda: robot.send(robot.image, messages.jpeg(route.time(robot.advance()), route.picture(0))))
    assert "localization" in robot.diagnostics["last_reason"]
    nan = float("nan")

    def poses(t):
        robot.send(robot.pose, messages.odometry(t, route.position(20)))

    def send_faults():
        step = robot.advance()
        t, which = route.time(step), step % 5
        poses(t)
        if which == 0:
            robot.send(robot.pose, messages.odometry(t + 0.01, (nan, 0, 0)))
        elif which == 1:
            robot.send(robot.info, messages.camera_info(t, 320, 240, 0))
        elif which == 2:
            data = messages.jpeg(t, route.picture(0)).data.tobytes()
            robot.send(robot.image, messages.jpeg(t, route.picture(0), data=data[:len(data) // 2]))
        elif which == 3:
            robot.send(robot.image, messages.jpeg(t, route.picture(0)[:120, :160]))
        else:
            robot.good()

    named = {"bad pose", "bad camera", "bad image"}
    ros.until(lambda: all(robot.count(reason) for reason in named) and robot.masks and robot.count("bad camera") > 2, send_faults)
    robot.step = -900  # a minute and a half back: a recording that begins anew
    ros.until(lambda: robot.count("time ran backwards"), robot.good)
    robot.masks.clear()
    ros.until(lambda: len(robot.masks) >= 2, robot.good)
    assert max(stamp_ns(mask.header) for mask in robot.masks) < route.time(0) * 1e9


def test_nothing_near_is_said(ros, patrol, messages):
    node, robot = patrol

    def far_away():
        t = robot.route.time(robot.advance())
        robot.send(robot.info, messages.camera_info(t, 320, 240, 250.0))
        robot.send(robot.pose, messages.odometry(t, (50, 0, 0)))
        robot.send(robot.image, messages.jpeg(t, robot.route.picture(0)))

    ros.until(lambda: robot.count("no reference") and robot.diagnostics.get("level") == 1, far_away)
    assert "nearest keyframe" in robot.diagnostics["message"]


@pytest.mark.parametrize("words, says", [([], "parameter map is empty"), (["-p", "map:=/nowhere"], "/nowhere")])
def test_a_map_that_is_not_there_is_said_and_may_be_put_right(ros, route, route_map, messages, words, says):
    ros.start(words)
    node, robot = ros.add(PatrolNode(), Robot(route, messages))
    ros.until(lambda: robot.diagnostics.get("level") == 2)
    assert says in robot.diagnostics["message"] and robot.diagnostics["state"] == "unconfigured"
    node.set_parameters([Parameter("map", value=str(route_map)), Parameter("input.body_t_camera", value=[0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5])])
    assert node.trigger_configure().name == "SUCCESS"
    result, = node.set_parameters([Parameter("align.features", value=900)])
    assert not result.successful and "clean it up first" in result.reason
    assert node.trigger_activate().name == "SUCCESS"


def test_parameters_have_ranges_and_meanings(ros):
    ros.start(["-p", "autostart:=false", "-p", "align.theta_m:=1"])  # a whole number for a float
    node, = ros.add(PatrolNode())
    assert node.get_parameter("align.theta_m").value == 1
    described = node.describe_parameter("alerts.sightings")
    assert described.description and described.integer_range[0].from_value == 1
    for name, bad in [("alerts.sightings", 0), ("detect.threshold", 1.5), ("detect.threshold", 2), ("align.method", "magic"),
                      ("image_transport", "smoke"), ("input.body_t_camera", "here")]:
        result, = node.set_parameters([Parameter(name, value=bad)])
        assert not result.successful and result.reason, (name, bad)
    for name in ("detect.threshold", "input.body_t_camera"):
        result, = node.set_parameters([Parameter(name)])
        assert not result.successful and "cannot be deleted" in result.reason, name
    assert node.set_parameters([Parameter("detect.threshold", value=0.6)])[0].successful


def test_what_a_node_dumps_it_takes(ros, tmp_path):
    """`ros2 param dump` writes null for what is not set; rcl reads that as text."""
    (tmp_path / "dump.yaml").write_text("/patrol_node:\n  ros__parameters:\n    autostart: false\n    input:\n      body_t_lidar: null\n")
    ros.start(["--params-file", str(tmp_path / "dump.yaml")])
    node, = ros.add(PatrolNode())
    assert node.get_parameter("input.body_t_lidar").value == "null" and settings_of(node) == Settings()


def test_poses_of_another_frame_are_warned_of_once(ros, messages, tmp_path, capfd):
    ros.start(["-p", f"map:={tmp_path / 'map'}", "-p", "save_on_exit:=false"])
    node, = ros.add(TeachNode())
    for frame, warnings in (("map", 0), ("odom", 1), ("odom", 0)):
        node._inputs.frames.on_pose(messages.odometry(1.0, frame=frame))
        node._publish_diagnostics()
        assert capfd.readouterr().err.count("odometry that drifts") == warnings


def test_a_path_may_begin_with_the_home_folder(ros, route_map, extrinsics, tmp_path, monkeypatch):
    """No shell expands map:=~/map, and what was taught for an hour lay in a folder named ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "map").symlink_to(route_map)
    ros.start([*extrinsics, "-p", "autostart:=false", "-p", "map:=~/map", "-p", "output:=~/kept"])
    node, = ros.add(PatrolNode())
    assert node.trigger_configure().name == node.trigger_activate().name == "SUCCESS" and (tmp_path / "kept" / "alerts.sqlite").is_file()
    assert not Path("~").exists()


def test_rectified_pictures_are_warned_of_once(ros, messages, tmp_path, capfd):
    ros.start(["-p", f"map:={tmp_path / 'map'}", "-p", "save_on_exit:=false", "-r", "image/compressed:=/camera/image_rect/compressed"])
    node, = ros.add(TeachNode())
    for d, warnings in ((), 0), ((-0.3, 0.1, 0.0, 0.0), 1), ((-0.3, 0.1, 0.0, 0.0), 0):
        node._inputs.frames.on_camera_info(messages.camera_info(1.0, d=d))
        node._publish_diagnostics()
        assert capfd.readouterr().err.count("straightened twice") == warnings


def test_a_camera_that_is_none_of_the_maps_is_warned_of_once(ros, patrol, messages, capfd):
    node, robot = patrol
    said = []

    def other_camera():
        t = robot.route.time(robot.advance())
        robot.send(robot.info, messages.camera_info(t, 320, 240, 200.0))
        robot.send(robot.pose, messages.odometry(t, robot.route.position(20)))
        robot.send(robot.image, messages.jpeg(t, robot.route.picture(20)))
        said.append(capfd.readouterr().err)

    ros.until(lambda: sum(robot.count(status) for status in ("compared", "not comparable")) > 3, other_camera)
    assert "".join(said).count("the camera is 320x240, fx 200.0, fy 200.0, that of the map 320x240, fx 250.0") == 1


@pytest.mark.parametrize("words, kind", [([], ConfigError), (["-p", "map:=/proc"], MapError)])
def test_teach_node_refuses_a_place_it_cannot_write(ros, words, kind):
    ros.start(words)
    with pytest.raises(kind):
        TeachNode()


def test_tf_is_asked_for_in_words(ros, tmp_path):
    try:
        import tf2_ros  # noqa: F401
        pytest.skip("tf2_ros is installed")
    except ImportError:
        pass
    ros.start(["-p", f"map:={tmp_path / 'map'}", "-p", "localization_type:=tf"])
    with pytest.raises(Exception, match="tf2_ros is not installed"):
        TeachNode()


def test_serialized_messages_are_those_of_rclpy(messages):
    """The robot above speaks through rosbags' serializer: both must agree on the bytes."""
    raw = messages.store.serialize_cdr(messages.odometry(3.5, (1, 2, 3)), "nav_msgs/msg/Odometry").tobytes()
    assert deserialize_message(raw, Odometry).pose.pose.position.z == 3.0

"""Nodes as processes: a whole patrol from recordings, signals, and what they refuse."""

import hashlib
import json
import signal
import time

import pytest

rclpy = pytest.importorskip("rclpy", reason="no ROS 2 here")

from scene import SURE  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from umad_patrol.alerts.store import AlertStore  # noqa: E402
from umad_patrol.config import with_values  # noqa: E402
from umad_patrol.ros.processes import parameters, remappings  # noqa: E402

TOPICS = {"image/compressed": "/camera/image/compressed", "camera_info": "/camera/info", "localization": "/odom"}
EXTRINSICS = [0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5]
SECONDS = 90.0


def node_words(**values):
    return [*parameters({"input.body_t_camera": EXTRINSICS, "device": "cpu", "detect.threshold": SURE, **values}), *remappings(TOPICS)]


def test_teach_and_patrol_from_recordings(tmp_path, launch, route, route_settings, write_bag, messages):
    """Teach live, patrol live: every picture crosses DDS. The masks are those of the pipeline offline, byte for byte, and so are the alerts."""
    from umad_patrol.frames import Recording
    from umad_patrol.pipeline import Pipeline
    from umad_patrol.records import Frame

    taught = route.bag(write_bag, messages, tmp_path / "taught")
    driven = route.bag(write_bag, messages, tmp_path / "driven", planted_from=10)
    teach = launch("teach_node", *node_words(map=tmp_path / "map"))
    assert launch("bag_player", str(taught), "--wait-for-subscribers").finish(SECONDS) == 0
    assert teach.stop(signal.SIGINT) == 0
    assert "saved" in teach.text() and (tmp_path / "map").is_dir()

    patrol = launch("patrol_node", *node_words(map=tmp_path / "map", output=tmp_path / "out"))
    listener = launch("listener", *parameters({"out": tmp_path / "heard.json"}))
    patrol.wait_for("ready:", SECONDS)
    listener.wait_for("listening", SECONDS)
    player = launch("bag_player", str(driven), "--wait-for-subscribers", "--rate", "0.5")  # half of the frames and of the way are enough for an alert
    assert player.finish(SECONDS) == 0, player.text()
    assert patrol.stop(signal.SIGTERM) == 0, patrol.text()
    assert listener.stop(signal.SIGINT) == 0
    heard = {int(stamp): digest for stamp, digest in json.loads((tmp_path / "heard.json").read_text())["digests"].items()}

    recording = Recording(driven, with_values(route_settings, {"input.body_t_camera": EXTRINSICS}))
    pipeline = Pipeline.open(tmp_path / "map", route_settings, tmp_path / "offline")
    masks = {frame.stamp_ns: pipeline.process(frame).mask for frame in recording.events() if isinstance(frame, Frame) and frame.stamp_ns in heard}
    pipeline.close()
    assert heard == {stamp: hashlib.sha256(mask).hexdigest() for stamp, mask in masks.items()} and len(heard) >= 3
    assert any(mask.any() for mask in masks.values())
    alerts = []
    for folder in ("out", "offline"):
        with AlertStore(tmp_path / folder, read_only=True) as store:
            alerts.append(store.alerts())
    assert alerts[0] == alerts[1] and len(alerts[0]) == 1


@pytest.mark.parametrize("wrong, says", [
    ({"localization": "/wrong"}, "is the localization topic running?"), ({"image/compressed": "/wrong"}, "no image has come yet; is the image topic remapped"),
    ({"camera_info": "/wrong"}, "is the camera_info topic running?"), ({}, "set input.body_t_camera")])
def test_a_drive_that_teaches_nothing_is_said_meanwhile_and_at_the_end(tmp_path, ros, launch, route, write_bag, messages, wrong, says):
    bag = route.bag(write_bag, messages, tmp_path / "bag", count=10)
    known = {"input.body_t_camera": EXTRINSICS} if wrong else {}    # else nobody tells where the camera sits
    teach = launch("teach_node", *parameters({"device": "cpu", "map": tmp_path / "map", **known}), *remappings({**TOPICS, **wrong}))
    teach.wait_for("ready:", SECONDS)
    heard = [topic for name, topic in TOPICS.items() if name not in wrong]
    assert launch("bag_player", str(bag), "--wait-for-subscribers", "--topics", *heard).finish(SECONDS) == 0
    teach.wait_for(says, SECONDS)   # by itself, a few seconds later
    ros.start([])
    asker, = ros.add(rclpy.create_node("asker"))
    client = asker.create_client(Trigger, "/teach_node/save")
    ros.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    ros.until(future.done)
    assert not future.result().success and says in future.result().message
    before = teach.text()
    assert teach.stop(signal.SIGINT) == 2
    line, = teach.text().removeprefix(before).splitlines()
    assert line.startswith("the map was not saved: no ") and says in line and not (tmp_path / "map").exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_node_with_status_0_while_it_still_loads(launch, route_map, sign):
    node = launch("patrol_node", *node_words(map=route_map))
    node.wait_for("loading map", SECONDS)
    start = time.monotonic()
    assert node.stop(sign) == 0, node.text()
    assert "Traceback" not in node.text() and time.monotonic() - start < 15


@pytest.mark.parametrize("name, words, says", [
    ("bag_player", ["/nowhere"], "no recording"), ("bag_player", [], "required: BAG"), ("teach_node", [], "parameter map is empty"),
    ("teach_node", ["--ros-args", "-p", "align.features:=1"], "align.features"),
    ("teach_node", ["--ros-args", "-p", "align.features:=many"], "align.features"),
    ("patrol_node", ["--ros-args", "--params-file", "/nowhere.yaml"], "nowhere.yaml"),
])
def test_what_cannot_be_used_ends_with_status_2_and_one_line(launch, name, words, says):
    node = launch(name, *words)
    assert node.finish(SECONDS) == 2
    assert says in node.text() and "Traceback" not in node.text()


def test_player_names_what_it_cannot_play(tmp_path, launch, route, write_bag, messages):
    bag = route.bag(write_bag, messages, tmp_path / "bag", count=3)
    node = launch("bag_player", str(bag), "--topics", "/none")
    assert node.finish(SECONDS) == 2 and "/none" in node.text() and "/odom" in node.text()
    node = launch("bag_player", str(bag), "--topics", "/odom", "--optional-topics", "/camera/info", "/none")
    assert node.finish(SECONDS) == 0 and "at rate 1: /camera/info, /odom" in node.text(), node.text()
    node = launch("bag_player", str(bag), "--wait-for-subscribers", "--wait-timeout-s", "0.2")
    assert node.finish(SECONDS) == 2 and "nobody subscribed to /camera" in node.text()

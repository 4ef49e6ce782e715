"""A patrol under launch, by launch_pytest: started, fed, killed and started again by launch, stopped; exit statuses are looked at."""

import os
import signal
import subprocess
import sys
import time

import pytest

launch = pytest.importorskip("launch", reason="launch is not on PyPI: these tests run where ROS 2 is sourced")
pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI: these tests run where ROS 2 is sourced")
launch_pytest = pytest.importorskip("launch_pytest", reason="launch_pytest is not on PyPI: these tests run where ROS 2 is sourced")

from launch.actions import IncludeLaunchDescription, RegisterEventHandler  # noqa: E402
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

from umad_patrol.alerts.store import AlertStore  # noqa: E402

SECONDS = 60.0
EXTRINSICS = "0 0 0.7 -0.5 0.5 -0.5 0.5"


class Seen:
    """What launch told of its processes."""

    def __init__(self):
        self.text, self.pids, self.codes = "", [], []

    def handlers(self):
        return [RegisterEventHandler(OnProcessIO(on_stdout=self.on_text, on_stderr=self.on_text)),
                RegisterEventHandler(OnProcessStart(on_start=lambda event, context: self.pids.append(event.pid))),
                RegisterEventHandler(OnProcessExit(on_exit=lambda event, context: self.codes.append(event.returncode)))]

    def on_text(self, event):
        self.text += event.text.decode(errors="replace")

    def until(self, done):
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end, self.text
            time.sleep(0.05)


@pytest.fixture
def play(bag):
    def once():
        return subprocess.run([sys.executable, "-m", "umad_patrol.ros.bag_player", str(bag), "--wait-for-subscribers"], timeout=SECONDS).returncode

    return once


@pytest.fixture
def taught(tmp_path, bag):
    from umad_patrol.cli.main import main

    assert main(["teach", str(bag), str(tmp_path / "map"), "--set", "input.image_topic=/image/compressed", "--set", "input.camera_info_topic=/info",
                 "--set", "input.localization_topic=/odom", "--set", f"input.body_t_camera={EXTRINSICS}", "--set", "input.cloud_topic="]) == 0
    return tmp_path / "map"


@pytest.fixture
def seen():
    return Seen()


@launch_pytest.fixture
def patrol(installed, taught, tmp_path, seen):
    arguments = {"map": str(taught), "output": str(tmp_path / "out"), "image": "/image", "camera_info": "/info", "localization": "/odom",
                 "body_t_camera": EXTRINSICS, "respawn": "true"}
    source = PythonLaunchDescriptionSource(str(installed / "patrol.launch.py"))
    return launch.LaunchDescription([*seen.handlers(), IncludeLaunchDescription(source, launch_arguments=arguments.items()), launch_pytest.actions.ReadyToTest()])


@pytest.mark.launch(fixture=patrol)
def test_started_fed_killed_and_started_again(patrol, seen, play, tmp_path):
    seen.until(lambda: "ready:" in seen.text)
    assert play() == 0
    os.kill(seen.pids[0], signal.SIGKILL)
    seen.until(lambda: seen.text.count("ready:") == 2)
    assert seen.codes == [-signal.SIGKILL] and len(seen.pids) == 2
    assert play() == 0
    yield
    assert seen.codes[1:] == [0], seen.text  # launch has stopped the second one
    with AlertStore(tmp_path / "out", read_only=True) as store:
        assert sum(piece.frames for piece in store.coverage()) > 0

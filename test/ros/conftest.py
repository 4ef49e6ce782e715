"""What the tests of nodes share: a tiny route, its map, rclpy in this process and nodes as processes."""

import os
import signal
import sys
from pathlib import Path

import pytest

from umad_patrol.config import Settings, with_values

DOMAIN = 1 + os.getpid() % 100

sys.path.insert(0, str(Path(__file__).parent))  # robot.py, scene.py
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)

from scene import FORWARD, SURE, Route, teach  # noqa: E402


@pytest.fixture(scope="session")
def route():
    return Route(DOMAIN)


@pytest.fixture(scope="session")
def route_settings():
    return with_values(Settings(), {"device": "cpu", "detect.threshold": SURE, "input.body_t_camera": FORWARD, "input.image_topic": "/camera/image/compressed",
                                    "input.camera_info_topic": "/camera/info", "input.localization_topic": "/odom", "input.cloud_topic": ""})


@pytest.fixture(scope="session")
def teach_route(route, route_settings):
    """`teach_route(path, run, cloud)` writes a map of the route."""
    return lambda path, run="", cloud=None: teach(route, route_settings, path, run, cloud)


@pytest.fixture(scope="session")
def route_map(tmp_path_factory, teach_route):
    """The folder of a map of the route."""
    return teach_route(tmp_path_factory.mktemp("route") / "map")


@pytest.fixture
def launch(tmp_path):
    """`launch("patrol_node", *words)` starts one; whatever still runs at the end is stopped."""
    from umad_patrol.ros.processes import Node

    started = []

    def start(name, *words):
        environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        started.append(Node(f"umad_patrol.ros.{name}", list(words), tmp_path / f"{name}{len(started)}.log", environment))
        return started[-1]

    yield start
    for node in started:
        node.stop(signal.SIGKILL)


@pytest.fixture
def ros(route):
    from robot import Session

    session = Session(route.domain)
    yield session
    session.close()


@pytest.fixture
def extrinsics(tmp_path):
    file = tmp_path / "extrinsics.yaml"
    file.write_text("/**:\n  ros__parameters:\n    input.body_t_camera: [0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5]\n    input.max_wait_s: 0.05\n    device: cpu\n")
    return ["--params-file", str(file)]

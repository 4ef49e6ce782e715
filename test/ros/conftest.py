"""A tiny route: 3 m ahead over textured ground towards a far textured wall, with a box standing 5 m after the start."""

import os
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from umad_patrol.config import Settings, with_values

WIDTH, HEIGHT, FOCAL = 320, 240, 250.0
FORWARD = (0.0, 0.0, 0.7, -0.5, 0.5, -0.5, 0.5)
STEP_S, STEP_M = 0.1, 0.05
DOMAIN = 1 + os.getpid() % 100

sys.path.insert(0, str(Path(__file__).parent))  # robot.py
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)


class Route:
    """What the camera sees and where it is, `i` steps of 0.1 s and 0.05 m after 100 s. The map's x is ahead, y left, z up."""

    rng = np.random.default_rng(3)
    grain_m = 0.01
    ground = cv2.resize(rng.integers(60, 190, (40, 60, 3), np.uint8), (1200, 800), interpolation=cv2.INTER_CUBIC)  # 12 m by 8 m
    far = cv2.resize(rng.integers(60, 190, (HEIGHT // 12, WIDTH // 12, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    box = np.array([[5.0, 0.2, 0.0], [5.0, -0.2, 0.0], [5.0, -0.2, 0.45], [5.0, 0.2, 0.45]])
    domain = DOMAIN

    @staticmethod
    def time(i):
        return 100.0 + i * STEP_S

    @staticmethod
    def pixels(points, x):
        """Where map points `(N, 3)` are seen from `x` metres ahead, the camera 0.7 m up."""
        ahead = points[:, 0] - x
        return np.column_stack([(WIDTH - 1) / 2 - FOCAL * points[:, 1] / ahead, (HEIGHT - 1) / 2 - FOCAL * (points[:, 2] - 0.7) / ahead])

    def picture(self, i, planted=False):
        """The view at step `i`, which need not be whole."""
        x = self.position(i)[0]
        corners = np.array([[x + 0.6, -4, 0], [x + 0.6, 4, 0], [x + 9, 4, 0], [x + 9, -4, 0]])
        texels = np.column_stack([corners[:, 0], corners[:, 1] + 4]) / self.grain_m
        H = cv2.getPerspectiveTransform(texels.astype(np.float32), self.pixels(corners, x).astype(np.float32))
        view = cv2.warpPerspective(self.ground, H, (WIDTH, HEIGHT), dst=self.far.copy(), borderMode=cv2.BORDER_TRANSPARENT)
        if planted:
            view[self.truth(i)] = (0, 140, 255)
        return view

    def truth(self, i):
        """`(H, W)` bool: the box."""
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(mask, [np.round(self.pixels(self.box, self.position(i)[0])).astype(np.int32)], 1)
        return mask > 0

    @staticmethod
    def position(i):
        return (i * STEP_M, 0.0, 0.0)

    def bag(self, write_bag, messages, path, planted_from=10**9, count=60):
        items = []
        for i in range(count):
            t = self.time(i)
            items += [("/camera/image/compressed", t + 0.005, messages.jpeg(t, self.picture(i, i >= planted_from))),
                      ("/camera/info", t, messages.camera_info(t, WIDTH, HEIGHT, FOCAL)),
                      ("/odom", t, messages.odometry(t, self.position(i)))]
        return write_bag(path, sorted(items, key=lambda item: item[1]))


@pytest.fixture(scope="session")
def route():
    return Route()


@pytest.fixture(scope="session")
def route_settings():
    return with_values(Settings(), {"device": "cpu", "input.body_t_camera": FORWARD, "input.image_topic": "/camera/image/compressed",
                                    "input.camera_info_topic": "/camera/info", "input.localization_topic": "/odom", "input.cloud_topic": ""})


@pytest.fixture(scope="session")
def teach_route(route, route_settings):
    """`teach_route(path, run)` writes a map of the route."""
    from umad_patrol.align.features import extract
    from umad_patrol.geometry import se3
    from umad_patrol.records import Camera, Frame
    from umad_patrol.reference.teach import Teacher

    camera = Camera(WIDTH, HEIGHT, np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]]))

    def teach(path, run=""):
        teacher = Teacher(with_values(route_settings, {"teach.run": run}), lambda image: extract(image, route_settings.align))
        for i in range(60):
            pose = se3.matrix(route.position(i), (0, 0, 0, 1)) @ se3.matrix(FORWARD[:3], FORWARD[3:])
            teacher.add_frame(Frame(int(route.time(i) * 1e9), route.picture(i), camera, pose))
        teacher.save(path)
        teacher.close()
        return path

    return teach


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

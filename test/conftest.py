"""What all tests share: where the real data lies, and quiet, repeatable numerics."""

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("untimed", deadline=None)     # how long an example takes is the machine's affair
hypothesis.settings.load_profile("untimed")

DATA = Path(os.environ.get("UMAD_PATROL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real photographs and pairs; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set UMAD_PATROL_DATA")
    return DATA


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def messages():
    """Makes messages of every type a recording holds, as rosbags has them."""
    from rosbags.typesys import Stores, get_typestore

    return Messages(get_typestore(Stores.ROS2_JAZZY))


@pytest.fixture
def write_bag(messages):
    """`write_bag(path, [(topic, time_s, message)], plugin="mcap")` writes a rosbag2 and returns its path."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    def write(path, items, plugin="mcap"):
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP if plugin == "mcap" else StoragePlugin.SQLITE3) as bag:
            connections = {}
            for topic, time_s, message in items:
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = bag.add_connection(topic, kind, typestore=messages.store)
                raw = message.raw if hasattr(message, "raw") else messages.store.serialize_cdr(message, kind)
                bag.write(connections[topic], int(round(time_s * 1e9)), raw)
        return path

    return write


class Messages:
    """Messages with sensible contents; stamps are seconds."""

    def __init__(self, store):
        self.store, self._types = store, store.types

    def _make(self, name, *values):
        return self._types[name](*values)

    def header(self, time_s, frame):
        ns = int(round(time_s * 1e9))
        return self._make("std_msgs/msg/Header", self._make("builtin_interfaces/msg/Time", ns // 10**9, ns % 10**9), frame)

    def image(self, time_s, picture, encoding="bgr8", frame="camera", step=None, big=0):
        height, width = picture.shape[:2]
        data = np.frombuffer(picture.tobytes(), np.uint8)
        return self._make("sensor_msgs/msg/Image", self.header(time_s, frame), height, width, encoding, big, step or data.size // height, data)

    def jpeg(self, time_s, picture, frame="camera", data=None):
        import cv2

        data = cv2.imencode(".jpg", picture)[1].reshape(-1) if data is None else np.frombuffer(data, np.uint8)
        return self._make("sensor_msgs/msg/CompressedImage", self.header(time_s, frame), "jpeg", data)

    def camera_info(self, time_s, width=64, height=48, focal=50.0, d=(), model="plumb_bob", frame="camera", bins=0, roi=(0, 0, 0, 0)):
        x, y, w, h = roi
        k = np.array([focal, 0, (width - 1) / 2, 0, focal, (height - 1) / 2, 0, 0, 1], np.float64) if focal else np.zeros(9)
        region = self._make("sensor_msgs/msg/RegionOfInterest", x, y, h, w, False)
        return self._make("sensor_msgs/msg/CameraInfo", self.header(time_s, frame), height, width, model, np.array(d, np.float64), k,
                          np.zeros(9), np.zeros(12), bins, bins, region)

    def pose(self, xyz=(0.0, 0.0, 0.0), quat_xyzw=(0.0, 0.0, 0.0, 1.0)):
        return self._make("geometry_msgs/msg/Pose", self._make("geometry_msgs/msg/Point", *map(float, xyz)),
                          self._make("geometry_msgs/msg/Quaternion", *map(float, quat_xyzw)))

    def odometry(self, time_s, xyz=(0.0, 0.0, 0.0), quat_xyzw=(0.0, 0.0, 0.0, 1.0), child="body", frame="map"):
        zero = self._make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0)
        twist = self._make("geometry_msgs/msg/TwistWithCovariance", self._make("geometry_msgs/msg/Twist", zero, zero), np.zeros(36))
        pose = self._make("geometry_msgs/msg/PoseWithCovariance", self.pose(xyz, quat_xyzw), np.zeros(36))
        return self._make("nav_msgs/msg/Odometry", self.header(time_s, frame), child, pose, twist)

    def pose_stamped(self, time_s, xyz=(0.0, 0.0, 0.0), quat_xyzw=(0.0, 0.0, 0.0, 1.0)):
        return self._make("geometry_msgs/msg/PoseStamped", self.header(time_s, "map"), self.pose(xyz, quat_xyzw))

    def pose_with_covariance(self, time_s, xyz=(0.0, 0.0, 0.0), quat_xyzw=(0.0, 0.0, 0.0, 1.0)):
        pose = self._make("geometry_msgs/msg/PoseWithCovariance", self.pose(xyz, quat_xyzw), np.zeros(36))
        return self._make("geometry_msgs/msg/PoseWithCovarianceStamped", self.header(time_s, "map"), pose)

    def transforms(self, *items):
        """Of `(parent, child, xyz, quat_xyzw)`."""
        made = [self._make("geometry_msgs/msg/TransformStamped", self.header(0, parent), child,
                           self._make("geometry_msgs/msg/Transform", self._make("geometry_msgs/msg/Vector3", *map(float, xyz)),
                                      self._make("geometry_msgs/msg/Quaternion", *map(float, quat))))
                for parent, child, xyz, quat in items]
        return self._make("tf2_msgs/msg/TFMessage", made)

    def cloud(self, time_s, points, frame="lidar", padding=4, kind=7):
        """`(N, 3)` as float32 (7) or float64 (8) with some bytes after each point."""
        size = 4 if kind == 7 else 8
        fields = [self._make("sensor_msgs/msg/PointField", name, i * size, kind, 1) for i, name in enumerate("xyz")]
        step = 3 * size + padding
        data = np.zeros((len(points), step), np.uint8)
        data[:, :3 * size] = np.asarray(points, "<f4" if kind == 7 else "<f8").view(np.uint8).reshape(len(points), 3 * size)
        return self._make("sensor_msgs/msg/PointCloud2", self.header(time_s, frame), 1, len(points), fields, False, step,
                          step * len(points), data.reshape(-1), True)

"""Cameras as they come, over real DDS: every quality of service, raw pictures, a fisheye lens, several cameras in namespaces."""

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="no ROS 2 here")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402

from umad_patrol.io.messages import stamp_ns  # noqa: E402
from umad_patrol.ros.patrol_node import PatrolNode  # noqa: E402

QUALITIES = {"best effort": QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT), "reliable": QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE),
             "latched": QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)}


def as_nv12(picture):
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    height, width = picture.shape[:2]
    u, v = planes[height:height * 5 // 4].reshape(-1), planes[height * 5 // 4:].reshape(-1)
    return np.vstack([planes[:height], np.stack([u, v], 1).reshape(-1, width)])


def as_yuv422(picture, order):
    y, u, v = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV), 2, 0)
    y = (16 + y.astype(np.float64) * 219 / 255).astype(np.uint8)
    pairs = {"y": y, "u": u[:, ::2], "v": v[:, ::2]}
    out = np.empty((*y.shape, 2), np.uint8)
    first = order.index("y")
    out[..., first] = pairs["y"]
    out[:, ::2, 1 - first], out[:, 1::2, 1 - first] = pairs["u"], pairs["v"]
    return out


def as_bayer(picture):
    out = picture[..., 1].copy()
    out[::2, ::2], out[1::2, 1::2] = picture[::2, ::2, 2], picture[1::2, 1::2, 0]
    return out


ENCODINGS = {
    "bgr8": lambda p: p, "rgb8": lambda p: p[..., ::-1], "rgba8": lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2RGBA), "nv12": as_nv12,
    "mono8": lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), "mono16": lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype("<u2") << 8,
    "yuv422": lambda p: as_yuv422(p, "uy"), "yuv422_yuy2": lambda p: as_yuv422(p, "yu"), "bayer_rggb8": as_bayer,
}


class Camera(Node):
    """A camera and a localization with a quality of service, and what a patrol node beside them says."""

    def __init__(self, route, messages, quality="reliable", raw=False, namespace=""):
        super().__init__("camera", namespace=namespace)
        self.route, self.messages, self.step, self.raw = route, messages, 0, raw
        self.image = self.create_publisher(Image if raw else CompressedImage, "image" if raw else "image/compressed", QUALITIES[quality])
        self.info = self.create_publisher(CameraInfo, "camera_info", QUALITIES[quality])
        self.pose = self.create_publisher(Odometry, "localization", QUALITIES[quality])
        self.masks, self.health = [], {}
        self.create_subscription(Image, "patrol_node/anomaly_mask", self.masks.append, 5)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)

    def on_diagnostics(self, msg):
        self.health[msg.status[0].name] = {pair.key: pair.value for pair in msg.status[0].values} | {"message": msg.status[0].message}

    def show(self, make=None, info=None):
        i, self.step = self.step, self.step + 1
        t = self.route.time(i)
        picture = self.route.picture(30)
        image = self.messages.image(t, *make(picture)) if make else self.messages.jpeg(t, picture)
        if self.raw:
            image.width, image.height, image.step = 320, 240, len(image.data) // (360 if image.encoding == "nv12" else 240)
        for publisher, message in ((self.info, info or self.messages.camera_info(t, 320, 240, 250.0)),
                                   (self.pose, self.messages.odometry(t, self.route.position(30))), (self.image, image)):
            publisher.publish(self.messages.store.serialize_cdr(message, message.__msgtype__).tobytes())


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_of_service_is_heard(ros, route, route_map, messages, extrinsics, quality):
    ros.start([*extrinsics, "-p", f"map:={route_map}"])
    _, camera = ros.add(PatrolNode(), Camera(route, messages, quality))
    ros.until(lambda: len(camera.masks) >= 2, camera.show)


def test_raw_pictures_of_every_encoding_are_compared(ros, route, route_map, messages, extrinsics):
    ros.start([*extrinsics, "-p", f"map:={route_map}", "-p", "image_transport:=raw"])
    _, camera = ros.add(PatrolNode(), Camera(route, messages, raw=True))
    for encoding, make in ENCODINGS.items():
        done = {stamp_ns(mask.header) for mask in camera.masks}
        ros.until(lambda: {stamp_ns(mask.header) for mask in camera.masks} - done, lambda: camera.show(lambda p: (np.ascontiguousarray(make(p)), encoding)))
    ros.until(lambda: camera.health and int(camera.health["patrol_node: patrol"]["compared"]) >= len(ENCODINGS))
    health = camera.health["patrol_node: patrol"]
    assert health["bad image"] == "0" and health["not comparable"] == "0"


def test_a_fisheye_lens_is_straightened(ros, route, route_map, messages, extrinsics):
    """The picture of the pinhole camera bent by an equidistant lens is comparable with the map of the pinhole camera."""
    K, D = np.array([[250.0, 0, 159.5], [0, 250.0, 119.5], [0, 0, 1]]), np.array([0.05, -0.01, 0.0, 0.0])
    grid = np.stack(np.meshgrid(np.arange(320.0), np.arange(240.0)), -1).reshape(-1, 1, 2)
    straight = cv2.fisheye.undistortPoints(grid, K, D, P=K).reshape(240, 320, 2).astype(np.float32)
    ros.start([*extrinsics, "-p", f"map:={route_map}", "-p", "image_transport:=raw"])
    _, camera = ros.add(PatrolNode(), Camera(route, messages, raw=True))
    info = messages.camera_info(1.0, 320, 240, 250.0, d=D, model="equidistant")

    def bent(picture):
        return cv2.remap(picture, straight, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), "bgr8"

    ros.until(lambda: len(camera.masks) >= 2, lambda: camera.show(bent, info))
    ros.until(lambda: camera.health and int(camera.health["patrol_node: patrol"]["compared"]) >= 2)


def test_several_cameras_by_namespace(ros, route, route_map, messages, extrinsics, tmp_path):
    """Each node hears its own camera, keeps its own store and has its own line on /diagnostics."""
    ros.start([*extrinsics, "-p", f"map:={route_map}"])
    cameras, nodes = [], []
    for name in ("front", "rear"):
        rclpy_words = ["--ros-args", "-r", f"__ns:=/{name}", "-p", f"output:={tmp_path / name}"]
        nodes += ros.add(PatrolNode(cli_args=rclpy_words))
        cameras += ros.add(Camera(route, messages, namespace=name))
    front, rear = cameras
    ros.until(lambda: len(front.masks) >= 2, front.show)
    assert not rear.masks
    ros.until(lambda: len(rear.masks) >= 2, rear.show)
    ros.until(lambda: set(front.health) == {"front/patrol_node: patrol", "rear/patrol_node: patrol"})
    assert all((tmp_path / name / "alerts.sqlite").is_file() for name in ("front", "rear"))

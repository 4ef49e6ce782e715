"""A robot's topics into a frame assembler: the callbacks do nothing but store."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from umad_patrol.config import Settings
from umad_patrol.frames import FrameAssembler
from umad_patrol.frames.doubt import camera_doubt, frame_doubt, rectified_doubt
from umad_patrol.records import Camera
from umad_patrol.ros import qos
from umad_patrol.ros.monitor import OK, Monitor
from umad_patrol.ros.parameter_files import PATROL
from umad_patrol.ros.parameters import choice
from umad_patrol.ros.transforms import TfPoses, static_transform_type

POSE_TYPES = {"odometry": Odometry, "pose": PoseStamped, "pose_with_covariance": PoseWithCovarianceStamped}
WARN_EVERY_S = 10.0
_CHOICES = {info.name: info for info in PATROL if info.choices}


class Inputs:
    """Subscriptions to image, camera_info, localization and, for teaching, points; `frames` is what they fill.

    Raises ConfigError or CameraError for unusable settings, RosError if tf is asked for and not installed.
    """

    def __init__(self, node: Node, settings: Settings, *, newest_only: bool, clouds: bool):
        self._node = node
        kind, compressed = choice(node, _CHOICES["localization_type"]), choice(node, _CHOICES["image_transport"]) == "compressed"
        self.frames = FrameAssembler(settings, max_wait_s=settings.input.max_wait_s, newest_only=newest_only)
        subscribe, frames = node.create_subscription, self.frames
        self._poses = (TfPoses(node, node.get_parameter("map_frame").value, settings.input.body_frame, frames.add_pose, frames.no_pose)
                       if kind == "tf" else None)
        image = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        self._subscriptions = [subscribe(*image, frames.on_image, qos.IMAGES), subscribe(CameraInfo, "camera_info", frames.on_camera_info, qos.IMAGES)]
        if self._poses is None:
            self._subscriptions.append(subscribe(POSE_TYPES[kind], "localization", frames.on_pose, qos.POSES))
        if clouds:
            self._subscriptions.append(subscribe(PointCloud2, "points", frames.on_cloud, qos.IMAGES))
        transforms = static_transform_type()
        if transforms is not None:
            self._subscriptions.append(subscribe(transforms, "/tf_static", frames.on_transforms, qos.STATIC_TRANSFORMS))
        elif not settings.input.body_t_camera:
            node.get_logger().warning("tf2_msgs is not installed, so /tf_static cannot be heard: set input.body_t_camera")

    def warn_of_doubts(self) -> None:
        """Say once if the poses that come are of another frame than `map_frame`: odometry that drifts is in no map; and if the pictures are rectified already."""
        doubt = frame_doubt(self.frames.pose_frame, self._node.get_parameter("map_frame").value)
        if doubt:
            self._node.get_logger().warning(doubt, once=True)
        doubt = rectified_doubt(self._subscriptions[0].topic_name, self.frames.camera)
        if doubt:
            self._node.get_logger().warning(doubt, once=True)

    def warn_of_camera(self, camera: Camera, taught: Sequence[Camera]) -> None:
        """Say once if the undistorted `camera` of a frame is none of those that the map was taught with."""
        if doubt := camera_doubt(camera, taught):
            self._node.get_logger().warning(doubt, once=True)

    def status(self, monitor: Monitor, trouble: str) -> tuple[int, str, dict[str, str]]:
        """What the monitor makes of what came; `trouble` is what else is wrong, in words."""
        frames = self.frames
        return monitor.status(frames.images, frames.dropped, frames.refused, frames.last_refusal, trouble)

    def health(self, monitor: Monitor, trouble: str) -> tuple[int, str, dict[str, str]]:
        """The status, said in the log too while it is not well: whoever starts a node by hand looks there and not at /diagnostics."""
        self.warn_of_doubts()
        level, message, values = self.status(monitor, trouble)
        if level != OK:
            self._node.get_logger().warning(message, throttle_duration_sec=WARN_EVERY_S)
        return level, message, values

    def topics(self) -> str:
        """What is subscribed to, as it is remapped."""
        return ", ".join(subscription.topic_name for subscription in self._subscriptions)

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        if self._poses is not None:
            self._poses.close()

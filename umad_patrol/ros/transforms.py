"""tf2, where it is installed: fixed transforms and poses from the transform tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from umad_patrol.errors import LocalizationError, RosError
from umad_patrol.geometry import se3
from umad_patrol.geometry.trajectory import JUMP_S
from umad_patrol.io.messages import stamp_ns
from umad_patrol.records import Pose
from umad_patrol.ros import qos

MOST_FRAMES = 2000


def static_transform_type() -> Any:
    """tf2_msgs' TFMessage, or None where tf2_msgs is not installed."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        return None
    return TFMessage


class TfPoses:
    """Poses `map_T_body` from /tf, handed to `sink` as they become known; while there are none `lack` is told when and why. Raises RosError without tf2.

    A pose is taken at every newest instant for which the whole chain is known, so that the limits on gaps, jumps and
    extrapolation are those of every other source; tf2's own look-up would interpolate over any gap.
    """

    def __init__(self, node: Node, map_frame: str, body_frame: str, sink: Callable[[Pose], None], lack: Callable[[int, str], None]):
        try:
            import tf2_ros
        except ImportError as error:
            raise RosError("localization_type is tf, but tf2_ros is not installed; install ros-$ROS_DISTRO-tf2-ros-py or use odometry") from error
        self._node, self._errors, self._sink, self._lack = node, tf2_ros.TransformException, sink, lack
        self._map, self._body = map_frame, body_frame
        self._buffer = tf2_ros.Buffer()
        self._newest_ns = 0
        self._last_ns: dict[str, int] = {}  # of each child frame
        kind = static_transform_type()
        self._subscriptions = [node.create_subscription(kind, "/tf", self._on_moving, qos.TRANSFORMS),
                               node.create_subscription(kind, "/tf_static", self._on_fixed, qos.STATIC_TRANSFORMS)]

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_moving(self, msg: Any) -> None:
        for transform in msg.transforms:
            stamp, child = stamp_ns(transform.header), transform.child_frame_id
            if stamp < self._last_ns.get(child, stamp) - JUMP_S * 1e9:  # time ran backwards: tf2 would keep the old and refuse the new
                self._buffer.clear()
                self._last_ns.clear()
                self._newest_ns = 0
            if child in self._last_ns or len(self._last_ns) < MOST_FRAMES:
                self._last_ns[child] = stamp
                self._buffer.set_transform(transform, "umad_patrol")
        if msg.transforms:
            self._hand_on(max(stamp_ns(transform.header) for transform in msg.transforms))

    def _on_fixed(self, msg: Any) -> None:
        for transform in msg.transforms:
            self._buffer.set_transform_static(transform, "umad_patrol")

    def _hand_on(self, now_ns: int) -> None:
        try:
            newest = self._buffer.get_latest_common_time(self._map, self._body)
            if newest.nanoseconds == self._newest_ns:
                return
            found = self._buffer.lookup_transform(self._map, self._body, newest).transform
            t, q = found.translation, found.rotation
            pose = Pose(newest.nanoseconds, se3.matrix((t.x, t.y, t.z), (q.x, q.y, q.z, q.w)))
        except (self._errors, LocalizationError) as error:
            why = " ".join(str(error).split())
            self._lack(now_ns, f"/tf gives no pose of {self._body!r} in {self._map!r}" + (f": {why}" if why else ""))
            return
        self._newest_ns = newest.nanoseconds
        self._sink(pose)

"""tf2, where it is installed: fixed transforms and poses from the transform tree."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from umad_patrol.errors import LocalizationError, RosError
from umad_patrol.geometry import se3


def static_transform_type() -> Any:
    """tf2_msgs' TFMessage, or None where tf2_msgs is not installed."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        return None
    return TFMessage


class TfPoses:
    """Poses `map_T_body` looked up in tf2, in the place of the frame assembler's pose buffer. Raises RosError without tf2."""

    def __init__(self, node: Node, map_frame: str, body_frame: str):
        try:
            import tf2_ros
        except ImportError as error:
            raise RosError("localization_type is tf, but tf2_ros is not installed; install ros-$ROS_DISTRO-tf2-ros-py or use odometry") from error
        self._errors = tf2_ros.TransformException
        self._map, self._body = map_frame, body_frame
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    @property
    def newest_ns(self) -> int | None:
        """The newest instant for which the whole chain is known; None if there is none."""
        try:
            return self._buffer.get_latest_common_time(self._map, self._body).nanoseconds
        except self._errors:
            return None

    def at(self, stamp_ns: int, max_gap_s: float, max_extrapolation_s: float = 0.0) -> np.ndarray:
        """The pose `(4, 4)` at an instant. tf2 interpolates; it does not extrapolate. Raises LocalizationError."""
        try:
            found = self._buffer.lookup_transform(self._map, self._body, Time(nanoseconds=stamp_ns)).transform
        except self._errors as error:
            raise LocalizationError(f"no transform from {self._body!r} to {self._map!r} at {stamp_ns / 1e9:.3f} s: "
                                    f"{' '.join(str(error).split())}") from error
        t, q = found.translation, found.rotation
        return se3.matrix((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))

    def clear(self) -> None:
        """Forget everything: time ran backwards."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()

"""Where camera and LiDAR sit on the robot: from the settings, else from /tf_static."""

from __future__ import annotations

from typing import Any

import numpy as np

from umad_patrol.config import InputSettings
from umad_patrol.errors import ConfigError, LocalizationError
from umad_patrol.geometry import se3
from umad_patrol.geometry.tree import TransformTree
from umad_patrol.io.messages import transform_from


class Mounting:
    """The fixed transforms of a robot. Raises ConfigError for unusable settings."""

    def __init__(self, settings: InputSettings):
        self._camera = _given("input.body_t_camera", settings.body_t_camera)
        self._lidar = _given("input.body_t_lidar", settings.body_t_lidar)
        self._body_frame = settings.body_frame
        self._tree = TransformTree()

    def add(self, msg: Any) -> None:
        """Take in a geometry_msgs/TransformStamped. Raises LocalizationError for one that is none."""
        self._tree.add(*transform_from(msg))

    def body_T_camera(self, body_frame: str, camera_frame: str) -> np.ndarray:
        """`(4, 4)`. Raises LocalizationError where it is not known."""
        return self._camera if self._camera is not None else self._looked_up(body_frame, camera_frame, "input.body_t_camera")

    def body_T_lidar(self, body_frame: str, lidar_frame: str) -> np.ndarray:
        """`(4, 4)`. Raises LocalizationError where it is not known."""
        return self._lidar if self._lidar is not None else self._looked_up(body_frame, lidar_frame, "input.body_t_lidar")

    def _looked_up(self, body_frame: str, frame: str, setting: str) -> np.ndarray:
        if not frame:
            raise LocalizationError(f"its messages do not say which frame they are of (header.frame_id is empty); set {setting}")
        try:
            return self._tree.lookup(body_frame, frame)
        except LocalizationError as error:
            of_poses = f", or input.body_frame where the poses are not of {body_frame!r}" if body_frame == self._body_frame else ""
            raise LocalizationError(f"{error}; publish it on /tf_static or set {setting}{of_poses}") from error


def _given(name: str, numbers: tuple[float, ...]) -> np.ndarray | None:
    if not numbers:
        return None
    if len(numbers) != 7:
        raise ConfigError(f"{name} has {len(numbers)} numbers, not the 7 of x y z qx qy qz qw")
    try:
        return se3.matrix(numbers[:3], numbers[3:])
    except LocalizationError as error:
        raise ConfigError(f"{name}: {error}") from error

"""Whether a pose is a localization at all, by its own covariance and by its frame, and whether a calibration is that of the pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from umad_patrol.config import InputSettings
from umad_patrol.io.messages import sigmas_from
from umad_patrol.records import Camera

ALIKE = 0.05        # so far, as a share, calibrations of one camera differ at most


def doubt(msg: Any, limits: InputSettings) -> str:
    """Why the pose in a message is no localization; empty if it is one, or if its covariance says nothing."""
    sigmas = sigmas_from(msg)
    if sigmas is None:
        return ""
    metres, degrees = sigmas[0], float(np.degrees(sigmas[1]))
    if metres > limits.max_position_sigma_m:
        return f"is sure to {metres:.2g} m only, more than input.max_position_sigma_m {limits.max_position_sigma_m:g}"
    if degrees > limits.max_angle_sigma_deg:
        return f"is sure to {degrees:.2g} deg only, more than input.max_angle_sigma_deg {limits.max_angle_sigma_deg:g}"
    return ""


def frame_doubt(found: str, wanted: str) -> str:
    """Why poses in frame `found` may be in no map, where that is not the frame `wanted`; empty if it is, or if they do not say."""
    return "" if found in ("", wanted) else (f"the localization gives poses in frame {found!r}, not in {wanted!r} (map_frame): is that the map's, or "
                                             "odometry that drifts?")


def rectified_doubt(topic: str, camera: Camera | None) -> str:
    """Why pictures on `topic` may not be those that `camera` calibrates; empty if nothing speaks against it.

    image_proc gives rectified pictures (image_rect) with the CameraInfo of the raw ones, of which P is theirs and K and D are not.
    """
    if camera is None or not any(camera.distortion) or not re.search(r"(^|[/_])rect", topic):
        return ""
    return (f"pictures of {topic!r} are rectified by their name, but their calibration distorts, so they would be straightened twice: give the raw pictures "
            "(image_raw), or an input.camera_file with the K of the CameraInfo's P and no distortion")


def camera_doubt(camera: Camera, taught: Sequence[Camera]) -> str:
    """Why an undistorted `camera` may be none of those that a map was taught with; empty if it sees the field of one, whatever the size of its pictures."""
    if any(np.allclose(_field(camera), _field(one), rtol=ALIKE) for one in taught):
        return ""
    return f"the camera is {_told(camera)}, that of the map {_told(taught[0])}: was the map taught with this camera, and is the calibration right?"


def _field(camera: Camera) -> tuple[float, float, float]:
    return camera.K[0, 0] / camera.width, camera.K[1, 1] / camera.height, camera.width / camera.height


def _told(camera: Camera) -> str:
    return f"{camera.width}x{camera.height}, fx {camera.K[0, 0]:.1f}, fy {camera.K[1, 1]:.1f}"

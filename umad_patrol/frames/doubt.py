"""Whether a pose is a localization at all, by its own covariance and by its frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from umad_patrol.config import InputSettings
from umad_patrol.io.messages import sigmas_from


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

"""A localization that is worse than the one of the recording, to learn how good it must be."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from umad_patrol.errors import BagError
from umad_patrol.records import Frame

WANDERS_S = 10.0                # the error of now is 1/e of the error so long before
WHITE = 0.25                    # share of the sigma that is another one in each frame besides
LIFT, LEAN = 0.2, 0.4           # shares of it in z, and about the axes that lie level: gravity and the ground tell of these
MOST_M, MOST_DEG = 10.0, 90.0


class PoseError:
    """An error of `sigma_m` in x and y and `sigma_deg` in yaw (less in z, roll and pitch) that wanders slowly, and a quarter of it anew in each frame.

    The same seed gives the same errors. Raises BagError for what is no such sigma.
    """

    def __init__(self, sigma_m: float, sigma_deg: float, seed: int = 0):
        for value, most, unit in ((sigma_m, MOST_M, "m"), (sigma_deg, MOST_DEG, "degrees")):
            if not 0 <= value <= most:
                raise BagError(f"a pose error of {value:g} {unit} cannot be tried: give 0 to {most:g}")
        self._sigmas = np.r_[sigma_m * np.array([1.0, 1.0, LIFT]), np.radians(sigma_deg) * np.array([LEAN, LEAN, 1.0])]
        self._draw = np.random.default_rng(seed)
        self._slow = self._draw.standard_normal(6)
        self._stamp_ns: int | None = None

    def __call__(self, frame: Frame) -> Frame:
        """The frame as a worse localization would have placed it."""
        late_s = 0.0 if self._stamp_ns is None else abs(frame.stamp_ns - self._stamp_ns) * 1e-9
        self._stamp_ns = frame.stamp_ns
        keep = np.exp(-late_s / WANDERS_S)
        self._slow = keep * self._slow + np.sqrt(1 - keep ** 2) * self._draw.standard_normal(6)
        error = self._sigmas * (self._slow + WHITE * self._draw.standard_normal(6))
        T = np.array(frame.map_T_camera, np.float64)
        T[:3, 3] += error[:3]
        T[:3, :3] = cv2.Rodrigues(error[3:])[0] @ T[:3, :3]
        return dataclasses.replace(frame, map_T_camera=T)

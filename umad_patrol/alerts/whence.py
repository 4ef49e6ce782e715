"""Where a frame was taken by what the reference's picture tells, and how far that is from what the localization said."""

from __future__ import annotations

import dataclasses

import numpy as np

from umad_patrol.geometry.se3 import angle_deg, distance_m, inverse
from umad_patrol.records import Result

KEPT_S = 10.0   # what one frame tells holds so long for frames that tell nothing: a localization goes wrong slowly
JUMP_M, JUMP_MPS = 0.2, 1.5         # where it moves or turns farther than this from one frame to the next it was corrected, or lost,
JUMP_DEG, JUMP_DPS = 10.0, 120.0    # and nothing that was told before holds


class Whence:
    """Corrects where frames were taken, so that a thing lies right beside what the map shows."""

    def __init__(self) -> None:
        self._correction, self._stamp_ns = np.eye(4), None
        self._said: tuple[int, np.ndarray] | None = None

    def corrected(self, result: Result) -> Result:
        """The result with its frame where the reference tells that it was taken, or else as far from the localization as frames before it were."""
        frame, told = result.frame, whence(result)
        if self._jumped(frame.stamp_ns, frame.map_T_camera):
            self.forget()
        self._said = frame.stamp_ns, frame.map_T_camera
        if told is not None:
            self._correction, self._stamp_ns = told @ inverse(frame.map_T_camera), frame.stamp_ns
        elif self._stamp_ns is None or abs(frame.stamp_ns - self._stamp_ns) > KEPT_S * 1e9:
            return result
        return dataclasses.replace(result, frame=dataclasses.replace(frame, map_T_camera=self._correction @ frame.map_T_camera))

    def forget(self) -> None:
        """The order of time begins anew."""
        self._stamp_ns = self._said = None

    def _jumped(self, stamp_ns: int, map_T_camera: np.ndarray) -> bool:
        if self._said is None:
            return False
        seconds, before = abs(stamp_ns - self._said[0]) * 1e-9, self._said[1]
        return (distance_m(before, map_T_camera) > JUMP_M + JUMP_MPS * seconds
                or angle_deg((inverse(before) @ map_T_camera)[:3, :3]) > JUMP_DEG + JUMP_DPS * seconds)


def whence(result: Result) -> np.ndarray | None:
    """`map_T_camera` `(4, 4)` of a frame as its reference tells; None where it does not."""
    alignment = result.alignment
    if result.reference is None or alignment is None or alignment.query_T_reference is None:
        return None
    return result.reference.map_T_camera @ inverse(alignment.query_T_reference)


def localization_off(result: Result) -> tuple[float, float] | None:
    """How far the localization is from that, in metres and degrees; None where the reference tells nothing."""
    told, said = whence(result), result.frame.map_T_camera
    return None if told is None else (distance_m(told, said), angle_deg(inverse(told) @ said))

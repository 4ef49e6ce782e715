"""Where a frame was taken by what the reference's picture tells, and how far that is from what the localization said."""

from __future__ import annotations

import dataclasses

import numpy as np

from umad_patrol.geometry.se3 import angle_deg, distance_m, inverse
from umad_patrol.records import Result

KEPT_S = 10.0   # a localization goes wrong slowly: so long what one frame tells holds for those that tell nothing


class Whence:
    """Corrects where frames were taken, so that a thing lies right beside what the map shows."""

    def __init__(self) -> None:
        self._correction, self._stamp_ns = np.eye(4), None

    def corrected(self, result: Result) -> Result:
        """The result with its frame where the reference tells that it was taken, or else as far from the localization as frames before it were."""
        frame, told = result.frame, whence(result)
        if told is not None:
            self._correction, self._stamp_ns = told @ inverse(frame.map_T_camera), frame.stamp_ns
        elif self._stamp_ns is None or abs(frame.stamp_ns - self._stamp_ns) > KEPT_S * 1e9:
            return result
        return dataclasses.replace(result, frame=dataclasses.replace(frame, map_T_camera=self._correction @ frame.map_T_camera))

    def forget(self) -> None:
        """The order of time begins anew."""
        self._stamp_ns = None


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

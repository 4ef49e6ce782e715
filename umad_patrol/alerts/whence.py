"""Where a frame was taken by what the reference's picture tells, and how far that is from what the localization said."""

from __future__ import annotations

import numpy as np

from umad_patrol.geometry.se3 import angle_deg, distance_m, inverse
from umad_patrol.records import Result


def whence(result: Result) -> np.ndarray:
    """`map_T_camera` `(4, 4)` of a frame: as the reference tells, by which a thing lies right beside what the map shows; else as the localization says."""
    return result.frame.map_T_camera if not _is_told(result) else result.reference.map_T_camera @ inverse(result.alignment.query_T_reference)


def localization_off(result: Result) -> tuple[float, float] | None:
    """How far the localization is from that, in metres and degrees; None where the reference tells nothing."""
    if not _is_told(result):
        return None
    seen, said = whence(result), result.frame.map_T_camera
    return distance_m(seen, said), angle_deg(inverse(seen) @ said)


def _is_told(result: Result) -> bool:
    return result.reference is not None and result.alignment is not None and result.alignment.query_T_reference is not None

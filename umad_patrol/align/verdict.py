"""Whether an alignment can be trusted, and in words why not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from umad_patrol.align import lookup
from umad_patrol.align.consensus import most_spread
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import is_sane, overlap

_MAX_SCALE = 4.0
_NARROW = 0.6   # of the picture's side: inliers within less are named after the side they are on


@dataclass(frozen=True, eq=False)
class Estimate:
    """A homography and what speaks for it: the inliers' places in the query `(N, 2)`, out of how many matches, and how well.

    `by_matches` is False where nothing but poses made it, so that there is nothing to count. `lookup` says where each
    query pixel lies in the reference if no homography does; see lookup.py. `query_T_reference` is how the cameras stand to each other, if that came out.
    """

    query_H_reference: np.ndarray
    method: str
    by_matches: bool = True
    where: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    matches: int = 0
    spread: float = 0.0
    residual_px: float = 0.0
    lookup: np.ndarray | None = None
    query_T_reference: np.ndarray | None = None


def objection(estimate: Estimate, reference_size: tuple[int, int], query_size: tuple[int, int], settings: AlignSettings) -> str:
    """What speaks against comparing through `estimate`, "" if nothing does. Sizes are (width, height)."""
    inliers = len(estimate.where)
    if estimate.by_matches and inliers < settings.min_inliers:
        return (f"not comparable: {inliers} inliers of {estimate.matches} matches{_placed(estimate.where, query_size)}, "
                f"{settings.min_inliers} are needed")
    needed = settings.min_spread * most_spread(settings.levels)
    if estimate.by_matches and estimate.spread < needed:
        return (f"not comparable: {inliers} inliers{_placed(estimate.where, query_size)}, spread {estimate.spread:.0f}, "
                f"{needed:.0f} is needed")
    if estimate.lookup is None and not is_sane(estimate.query_H_reference, reference_size, _MAX_SCALE):
        return f"not comparable: the homography folds, mirrors or scales the reference more than {_MAX_SCALE:g} times"
    share = (overlap(estimate.query_H_reference, reference_size, query_size) if estimate.lookup is None
             else lookup.overlap(estimate.lookup, reference_size))
    if share < settings.min_overlap:
        return f"not comparable: the reference covers {share:.0%} of the picture, {settings.min_overlap:.0%} is needed"
    return ""


def _placed(points: np.ndarray, size: tuple[int, int]) -> str:
    """ ", all in the lower left corner" and the like, "" where points lie on more than one side."""
    if not len(points):
        return ""
    spans, middles = np.ptp(points, axis=0) / size, (points.max(axis=0) + points.min(axis=0)) / 2 / size
    side = ("left" if middles[0] < 0.5 else "right") if spans[0] < _NARROW else ""
    height = ("upper" if middles[1] < 0.5 else "lower") if spans[1] < _NARROW else ""
    if side and height:
        return f", all in the {height} {side} corner"
    return f", all in the {side or height} part" if side or height else ""

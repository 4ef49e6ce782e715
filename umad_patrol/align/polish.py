"""The last fraction of a pixel: key points followed between a query and the reference already laid on it."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import consensus
from umad_patrol.align.light import even_light
from umad_patrol.geometry.homography import transform

_WINDOW = (21, 21)
_LEVELS = 1
_ROUND_TRIP_PX = 0.5   # forth and back must end where it began
_MOST_POINTS = 400
_MIN_EIGENVALUE = 1e-3


def polish(H: np.ndarray, reference: np.ndarray, query: np.ndarray, points: np.ndarray, inlier_px: float,
           levels: int) -> tuple[consensus.Consensus, np.ndarray] | None:
    """A finer `query_H_reference` than `H`, and the matches `(N, 4)` that it stands on; None if too few can be followed.

    `reference` and `query` are BGR pictures, `points` `(N, 2)` pixels of the query worth following. Both pictures are
    freed of their light, the reference is warped by `H`, and the pyramidal Lucas-Kanade tracker (Bouguet 2000)
    follows the points there and back.
    """
    height, width = query.shape[:2]
    even_query = even_light(query)
    laid = cv2.warpPerspective(even_light(reference), H, (width, height), flags=cv2.INTER_LINEAR, borderValue=128)
    start = _within(points, H, reference.shape[1::-1])
    if len(start) < 4:
        return None
    start = np.ascontiguousarray(start[::max(1, -(-len(start) // _MOST_POINTS))], np.float32)[:, None]
    options = {"winSize": _WINDOW, "maxLevel": _LEVELS, "minEigThreshold": _MIN_EIGENVALUE,
               "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)}
    there, found, _ = cv2.calcOpticalFlowPyrLK(even_query, laid, start, None, **options)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(laid, even_query, there, None, **options)
    good = ((found > 0) & (found_back > 0))[:, 0] & (np.linalg.norm(back - start, axis=2)[:, 0] < _ROUND_TRIP_PX)
    start, there = start[good, 0].astype(np.float64), there[good, 0].astype(np.float64)
    matches = np.hstack([transform(np.linalg.inv(H), there), start])
    matches = matches[np.isfinite(matches).all(axis=1)]
    found = consensus.refine(H, matches, (width, height), inlier_px=inlier_px, levels=levels)
    return None if found is None else (found, matches)


def _within(points: np.ndarray, H: np.ndarray, reference_size: tuple[int, int]) -> np.ndarray:
    """Those of the query's `points` that the reference sees."""
    there = transform(np.linalg.inv(H), points)
    return points[(there > 0).all(axis=1) & (there < np.array(reference_size) - 1).all(axis=1)]

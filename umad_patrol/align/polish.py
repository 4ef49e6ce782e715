"""The last fraction of a pixel: key points followed between a query and the reference already laid on it."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import consensus
from umad_patrol.align.light import even_light
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform

_WINDOW = (17, 17)
_LEVELS = 1
_ROUND_TRIP_PX = 0.5   # forth and back must end where it began
_MOST_POINTS = 400
_MIN_EIGENVALUE = 1e-3


def polish(H: np.ndarray, reference: np.ndarray, query: np.ndarray, points: np.ndarray,
           settings: AlignSettings) -> tuple[consensus.Consensus, np.ndarray] | None:
    """A finer `query_H_reference` than `H`, and the matches `(N, 4)` that it stands on; None if too few can be followed.

    `reference` and `query` are BGR pictures, `points` `(N, 2)` pixels of the query worth following. Both pictures are
    freed of their light and reduced to `settings.polish_side_px`, the reference is warped by `H`, and the pyramidal
    Lucas-Kanade tracker (Bouguet 2000) follows the points there and back.
    """
    (even_reference, own_S_reference), (even_query, own_S_query) = (_reduced(image, settings.polish_side_px) for image in (reference, query))
    laid = cv2.warpPerspective(even_reference, own_S_query @ H @ np.linalg.inv(own_S_reference), even_query.shape[::-1], borderValue=128)
    start = _within(points, H, reference.shape[1::-1])
    if len(start) < 4:
        return None
    in_query, in_laid = _followed(even_query, laid, transform(own_S_query, start[::max(1, -(-len(start) // _MOST_POINTS))]))
    matches = np.hstack([transform(np.linalg.inv(own_S_query @ H), in_laid), transform(np.linalg.inv(own_S_query), in_query)])
    found = consensus.refine(H, matches, query.shape[1::-1], inlier_px=settings.inlier_px, levels=settings.levels)
    return None if found is None else (found, matches)


def _reduced(image: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture of even light with its longer side at most `side`, and the matrix from the picture's pixels to its own."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    x, y = size[0] / width, size[1] / height
    matrix = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return even_light(cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA)), matrix


def _followed(query: np.ndarray, laid: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of `points` that end where they began when followed to `laid` and back, and where they are in `laid`, `(N, 2)` each."""
    start = np.ascontiguousarray(points, np.float32)[:, None]
    options = {"winSize": _WINDOW, "maxLevel": _LEVELS, "minEigThreshold": _MIN_EIGENVALUE,
               "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)}
    there, found, _ = cv2.calcOpticalFlowPyrLK(query, laid, start, None, **options)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(laid, query, there, None, **options)
    good = ((found > 0) & (found_back > 0))[:, 0] & (np.linalg.norm(back - start, axis=2)[:, 0] < _ROUND_TRIP_PX)
    return start[good, 0].astype(np.float64), there[good, 0].astype(np.float64)


def _within(points: np.ndarray, H: np.ndarray, reference_size: tuple[int, int]) -> np.ndarray:
    """Those of the query's `points` that the reference sees."""
    there = transform(np.linalg.inv(H), points)
    return points[(there > 0).all(axis=1) & (there < np.array(reference_size) - 1).all(axis=1)]

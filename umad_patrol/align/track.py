"""Points followed from one picture to another that nearly lies on it: pyramidal Lucas-Kanade, there and back."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import lookup

FAR_WINDOW, FAR_LEVELS = 17, 4   # of `Picture.coarse` these bridge about 100 pixels of a 1280 pixel picture
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.02)
_MIN_EIGENVALUE = 1e-3
_ROUND_TRIP_PX = 0.5   # there and back must end where it began
_UNLIKE = 40.0         # mean difference of what is seen around a point, in grey levels of even light: chance gives 54


def follow_laid(query: np.ndarray, reference: np.ndarray, first: np.ndarray, points: np.ndarray, window: int, levels: int) -> np.ndarray:
    """Matches `(N, 4)` (xr yr xq yq) of `points` `(M, 2)` of `query`, followed to `reference` as the lookup `first` lays it; see `follow`."""
    laid = cv2.remap(reference, lookup.full(first, query.shape[::-1]), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=128)
    in_query, in_laid = follow(query, laid, points, window, levels)
    return np.hstack([lookup.sample(first, in_laid), in_query])


def follow(here: np.ndarray, there: np.ndarray, points: np.ndarray, window: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Where points `(N, 2)` of `here` are in `there`, both `(h, w)` uint8 of even light.

    Returns those that can be trusted, `(M, 2)` float64 in `here` and in `there`, the likest surroundings first: followed back
    (Bouguet 2000, `levels` halvings, `window` pixels square) they end where they began, and they look alike.
    """
    if len(points) == 0:
        return np.zeros((0, 2)), np.zeros((0, 2))
    start = np.ascontiguousarray(points, np.float32)[:, None]
    options = {"winSize": (window, window), "maxLevel": levels, "minEigThreshold": _MIN_EIGENVALUE, "criteria": _STOP}
    end, found, unlike = cv2.calcOpticalFlowPyrLK(here, there, start, None, **options)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(there, here, end, None, **options)
    good = (found > 0) & (found_back > 0) & (unlike < _UNLIKE) & (np.linalg.norm(back - start, axis=2) < _ROUND_TRIP_PX)
    good = np.flatnonzero(good)
    good = good[np.argsort(unlike[good, 0], kind="stable")]
    return start[good, 0].astype(np.float64), end[good, 0].astype(np.float64)

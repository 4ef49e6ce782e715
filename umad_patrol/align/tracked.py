"""One homography from points that are followed between two pictures, from coarse to fine; no poses are needed."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import consensus
from umad_patrol.align.picture import Picture
from umad_patrol.align.track import FAR_LEVELS, FAR_WINDOW, follow
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform

_WINDOW, _LEVELS = 17, 1
_HYPOTHESES = 60


def estimate(query: Picture, reference: Picture, first_H: np.ndarray, settings: AlignSettings) -> Estimate:
    """Lay `reference` on `query`, beginning with the homography `first_H` `(3, 3)`."""
    matches = _followed(query.coarse, query.coarse_corners, query.coarse_S_picture, reference.coarse, reference.coarse_S_picture,
                        first_H, FAR_WINDOW, FAR_LEVELS)
    found = consensus.find(matches, query.size, hypotheses=_HYPOTHESES, inlier_px=settings.inlier_px, levels=settings.levels, rough=True)
    if found is None:
        return Estimate(first_H, "tracked", matches=len(matches))
    return finer(query, reference, consensus_estimate(found, matches, "tracked"), settings)


def finer(query: Picture, reference: Picture, rough: Estimate, settings: AlignSettings, many: bool = False) -> Estimate:
    """`rough`, followed to a fraction of a pixel on `query.corners`, or on `many_corners`; as it is where too little can be followed."""
    matches = _followed(query.even, query.many_corners if many else query.corners, query.even_S_picture,
                        reference.even, reference.even_S_picture, rough.query_H_reference, _WINDOW, _LEVELS)
    found = consensus.refine(rough.query_H_reference, matches, query.size, inlier_px=settings.inlier_px, levels=settings.levels)
    return rough if found is None else consensus_estimate(found, matches, rough.method)


def consensus_estimate(found: consensus.Consensus, matches: np.ndarray, method: str, first_H: np.ndarray = np.eye(3)) -> Estimate:
    """A consensus over `matches` `(N, 4)` whose reference points were taken through `first_H` before."""
    H = found.H @ first_H
    return Estimate(H / H[2, 2], method, where=matches[found.inliers, 2:], matches=len(matches), spread=found.spread,
                    residual_px=found.residual_px)


def _followed(query: np.ndarray, corners: np.ndarray, query_S: np.ndarray, reference: np.ndarray, reference_S: np.ndarray,
              first_H: np.ndarray, window: int, levels: int) -> np.ndarray:
    """Matches `(N, 4)` in pixels of the pictures, surest first, between their reductions, the reference laid on by `first_H`."""
    if not np.isfinite(first_H).all() or np.linalg.matrix_rank(first_H) < 3:
        return np.zeros((0, 4))
    small_H = query_S @ first_H @ np.linalg.inv(reference_S)
    laid = cv2.warpPerspective(reference, small_H, query.shape[::-1], borderValue=128)
    in_query, in_laid = follow(query, laid, corners, window, levels)
    matches = np.hstack([transform(np.linalg.inv(query_S @ first_H), in_laid), transform(np.linalg.inv(query_S), in_query)])
    return matches[np.isfinite(matches).all(axis=1)]

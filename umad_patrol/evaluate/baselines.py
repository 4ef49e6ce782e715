"""What ours is measured against: OpenCV's features with its robust estimators, and the best that one homography can do."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

ORACLE = "oracle: best single homography"
SIFT_MAGSAC = "SIFT + MAGSAC"
BASELINES = {"ORB + RANSAC": (cv2.ORB_create, cv2.RANSAC), "ORB + MAGSAC": (cv2.ORB_create, cv2.USAC_MAGSAC),
             "SIFT + RANSAC": (cv2.SIFT_create, cv2.RANSAC), SIFT_MAGSAC: (cv2.SIFT_create, cv2.USAC_MAGSAC)}
_FEATURES, _RATIO, _THRESHOLD_PX = 3000, 0.8, 3.0


def baseline(reference: np.ndarray, query: np.ndarray, create: Callable, estimator: int) -> np.ndarray | None:
    """`query_H_reference` as OpenCV's users get it: 3000 features, ratio 0.8, 3 px; None where there are too few matches."""
    detector = create(nfeatures=_FEATURES)
    (points_r, of_r), (points_q, of_q) = (detector.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None)
                                          for image in (reference, query))
    if of_r is None or of_q is None or len(of_q) < 2:
        return None
    found = cv2.BFMatcher(cv2.NORM_HAMMING if of_r.dtype == np.uint8 else cv2.NORM_L2).knnMatch(of_r, of_q, k=2)
    good = [first for first, second in found if first.distance < _RATIO * second.distance]
    if len(good) < 4:
        return None
    p, q = (np.float32([points[getattr(m, index)].pt for m in good]) for points, index in ((points_r, "queryIdx"), (points_q, "trainIdx")))
    return cv2.findHomography(p, q, estimator, _THRESHOLD_PX)[0]


def oracle(points: np.ndarray) -> np.ndarray | None:
    """The homography nearest, in least squares, to true correspondences `(N, 4)`, all of them; None for fewer than four."""
    return cv2.findHomography(points[:, :2], points[:, 2:], 0)[0] if len(points) >= 4 else None

"""Where a reference that was warped before it was handed out shows anything: all but the black that the warp left at the border."""

from __future__ import annotations

import cv2
import numpy as np

BLACK = 8         # brightest channel of what may be the black of a warp, after JPEG
LEAST_PX = 200    # a smaller dark patch at the border is none
MARGIN_PX = 3     # over which JPEG and interpolation smear its edge


def shown(reference: np.ndarray) -> np.ndarray:
    """`(H, W)` bool, false on black patches of 200 px and more that touch the border of the picture `(H, W, 3)` uint8, and 3 px around."""
    dark = (reference.max(axis=2) <= BLACK).astype(np.uint8)
    _, patches, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    at_border = np.unique(np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]]))
    left = [index for index in at_border if index and stats[index, cv2.CC_STAT_AREA] >= LEAST_PX]
    if not left:
        return np.ones(dark.shape, bool)
    black = np.isin(patches, left).astype(np.uint8)
    return cv2.dilate(black, np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8)) == 0

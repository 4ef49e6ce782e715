"""Photographs into which somebody has drawn arrows (blue with slate sides, as guides through a building do): painted over."""

from __future__ import annotations

import cv2
import numpy as np

NOTE = "arrows drawn"       # what a manifest says of such a photograph
BLUE = (100, 150, 110), (111, 255, 255)     # OpenCV's hue, saturation, value: lowest, highest
SIDES = (98, 60, 30), (116, 255, 255)       # with the shaded sides
SKY = 0.3                   # share of the height in which blue is sky
LARGEST = 0.5, 0.3          # share of the picture's width and height that an arrow takes at most; more is a wall
SMALLEST_PX = 60
GROWN_PX = 9


def without_arrows(image: np.ndarray) -> np.ndarray:
    """The picture `(H, W, 3)` uint8 BGR with what surrounds each arrow drawn over it (Telea, J. Graphics Tools 2004)."""
    mask = arrow_mask(image)
    return cv2.inpaint(image, mask, 4, cv2.INPAINT_TELEA) if mask.any() else image


def arrow_mask(image: np.ndarray) -> np.ndarray:
    """Where arrows are in a picture `(H, W, 3)` uint8 BGR: `(H, W)` uint8, 1 there."""
    height, width = image.shape[:2]
    sky, kernel = int(SKY * height), np.ones((GROWN_PX, GROWN_PX), np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    blue, sides = (cv2.inRange(hsv, *limits) for limits in (BLUE, SIDES))
    blue[:sky] = sides[:sky] = 0
    mask = np.zeros((height, width), np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(blue, cv2.MORPH_CLOSE, kernel))
    for x, y, wide, high, area in stats[1:].tolist():
        if area >= SMALLEST_PX and wide <= LARGEST[0] * width and high <= LARGEST[1] * height and y > sky:
            window = _around(x, y, wide, high)
            mask[window] |= (cv2.morphologyEx(sides[window], cv2.MORPH_CLOSE, kernel) > 0).astype(np.uint8)
    return cv2.dilate(mask, kernel)


def _around(x: int, y: int, wide: int, high: int) -> tuple[slice, slice]:
    """The window of an arrow whose blue top is in this box: its sides reach further down and out."""
    return slice(max(0, y - 3), y + round(1.6 * high) + 3), slice(max(0, x - wide // 4 - 3), x + round(1.25 * wide) + 3)

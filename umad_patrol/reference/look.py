"""What a picture looks like in a few numbers: how sharp it is and in which light it was taken."""

from __future__ import annotations

import cv2
import numpy as np

LIGHT_NAMES = ("dark", "low", "middle", "high", "bright", "red", "blue")
_PERCENTILES = (5, 25, 50, 75, 95)


def sharpness(image: np.ndarray) -> float:
    """The variance of the Laplacian of a BGR picture: larger is sharper (Pech-Pacheco et al. 2000)."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0] ** 2)


def light(image: np.ndarray) -> np.ndarray:
    """`(7,)` float32 that tell noon from dusk: five percentiles of brightness in [0, 1], log red/green and log blue/green.

    The distance between two of them is small where the light was alike; shadows spread the percentiles, lamps and
    low sun move the colours.
    """
    small = cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    blue, green, red = small.mean(axis=0) + 1.0
    brightness = np.percentile(small @ (0.114, 0.587, 0.299), _PERCENTILES) / 255.0
    return np.append(brightness, [np.log(red / green), np.log(blue / green)]).astype(np.float32)

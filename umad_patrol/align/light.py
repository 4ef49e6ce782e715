"""Pictures without their light: grey, with mean and contrast made even everywhere."""

from __future__ import annotations

import cv2
import numpy as np

_SIDE = 8        # half the side of the neighbourhood, in pixels of the quartered picture
_NOISE = 4.0     # grey levels of contrast below which a surface counts as plain
_CONTRAST = 48.0


def even_light(image: np.ndarray) -> np.ndarray:
    """`(H, W, 3)` BGR or `(H, W)` uint8 to `(H, W)` uint8 whose local mean is 128 and local deviation about 48.

    Exposure, white balance and the inside of a shadow vanish, edges and texture stay. Mean and deviation are taken over
    about 64 pixels on a quarter of the resolution, where they cost little.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    height, width = grey.shape
    small = cv2.resize(grey, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA).astype(np.float32)
    window = (2 * _SIDE + 1, 2 * _SIDE + 1)
    mean = cv2.blur(small, window)
    variance = np.maximum(cv2.blur(small * small, window) - mean * mean, 0.0)
    gain = _CONTRAST / cv2.sqrt(variance + _NOISE * _NOISE)
    gain, offset = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (gain, 128.0 - gain * mean))
    return cv2.add(cv2.multiply(grey, gain, dst=gain, dtype=cv2.CV_32F), offset, dtype=cv2.CV_8U)

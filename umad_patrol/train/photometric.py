"""What a camera and its encoding do to a picture of which nothing has changed."""

from __future__ import annotations

import cv2
import numpy as np

METERED = 0.7   # of the pictures
SOFT = 0.4      # of the cameras hold less than their pixels could
SOFTEST = 2.2   # pixels of such a picture to one that it holds, at most


def photometric(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, white balance, gamma, contrast, blur, noise, JPEG, each at random, some left out.

    From `(H, W, 3)` float32 RGB in [0, 1] to uint8.
    """
    gains = _exposure(image, rng) * rng.uniform(0.88, 1.14, 3)
    curve = np.linspace(0, 1, 256)[:, None] * gains + rng.uniform(-0.06, 0.06)
    curve = np.clip(curve, 0, 1) ** rng.uniform(0.75, 1.35)
    if rng.random() < 0.3:
        curve = 0.5 + (curve - 0.5) * rng.uniform(0.6, 1.3)
    table = (np.clip(curve, 0, 1) * 255).astype(np.uint8)[None]
    image = cv2.LUT(cv2.convertScaleAbs(image, alpha=255), table)
    if rng.random() < 0.35:
        image = blur(image, rng)
    image = cv2.add(image, noise(image.shape, rng), dtype=cv2.CV_8U) if rng.random() < 0.7 else image
    if rng.random() < 0.6:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


def _exposure(image: np.ndarray, rng: np.random.Generator) -> float:
    """Gain: mostly what brings the picture near to a middle brightness, as cameras do; else anything."""
    if rng.random() < METERED:
        return float(np.clip(rng.uniform(0.3, 0.58) / max(float(image.mean()), 0.02), 0.6, 1.8))
    return float(rng.uniform(0.65, 1.4))


def random_softness(rng: np.random.Generator) -> float:
    """Pixels to one that a camera's picture holds: 1 for a sharp one. Small cameras enlarge, or have lenses worse than their sensors."""
    return float(rng.uniform(1.2, SOFTEST)) if rng.random() < SOFT else 1.0


def softened(image: np.ndarray, softness: float) -> np.ndarray:
    """`(H, W, 3)` float32 as a camera of such a softness gives it."""
    if softness <= 1:
        return image
    height, width = image.shape[:2]
    few = cv2.resize(image, (max(1, round(width / softness)), max(1, round(height / softness))), interpolation=cv2.INTER_AREA)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or moved while exposed."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.4))
    length, angle = int(rng.integers(3, 8)), rng.uniform(0, np.pi)
    kernel = np.zeros((9, 9), np.float32)
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    cv2.line(kernel, tuple(np.int32(np.round(4 - step))), tuple(np.int32(np.round(4 + step))), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Sensor noise in grey levels `shape` int16, sometimes of grains wider than a pixel."""
    grain = 2 if rng.random() < 0.3 else 1
    small = np.empty((shape[0] // grain + 1, shape[1] // grain + 1, shape[2]), np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(small, (0, 0, 0), (rng.uniform(0.5, 8),) * 3)
    full = small if grain == 1 else cv2.resize(small, None, fx=grain, fy=grain, interpolation=cv2.INTER_LINEAR)
    return full[:shape[0], :shape[1]]

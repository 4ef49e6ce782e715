"""Fabricated scenes for alignment: rich texture, another light, a keyframe of it."""

import cv2
import numpy as np

from umad_patrol.records import Camera, Reference


def make_texture(seed, width=640, height=400):
    """Noise of several grains with straight edges in it, `(height, width, 3)` uint8."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for grain in (4, 9, 20, 60):
        coarse = rng.normal(0, 22, (height // grain + 2, width // grain + 2, 3)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + 120, 0, 255).astype(np.uint8)
    for _ in range(60):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 8, 8), (width, height, 60, 60)))
        cv2.rectangle(image, (x, y), (x + w, y + h), tuple(int(v) for v in rng.integers(0, 256, 3)), -1)
    return image


def relight(image):
    """Darker, warmer and with a shadow over half of it."""
    shade = np.ones(image.shape[:2], np.float32)
    shade[:, :image.shape[1] // 2] = 0.55
    lit = (image / 255.0) ** 1.3 * (0.7, 0.85, 0.95) * cv2.GaussianBlur(shade, (0, 0), 2)[..., None]
    return np.clip(lit * 255, 0, 255).astype(np.uint8)


def make_reference(image, features=None, camera=None, map_T_camera=None):
    camera = camera or Camera(image.shape[1], image.shape[0], np.eye(3))
    return Reference(0, "run", 0, image, camera, np.eye(4) if map_T_camera is None else map_T_camera, features)

"""Pairs with a known shift, from random textures."""

import cv2
import numpy as np

from umad_patrol.io.images import write_image

SHIFT = np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]])


def make_texture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = [rng.integers(0, 256, (300 // grain, 400 // grain, 3)).astype(np.uint8) for grain in (5, 12, 40)]
    texture = np.mean([cv2.resize(c, (400, 300), interpolation=cv2.INTER_CUBIC) for c in coarse], axis=0).astype(np.uint8)
    return cv2.convertScaleAbs(texture, alpha=2.0, beta=-128)


def make_pair(folder, seed, plain=False):
    """A texture, the same moved by SHIFT, and points that say so."""
    texture = make_texture(seed)
    folder.mkdir(parents=True)
    query = np.full_like(texture, 80) if plain else cv2.warpPerspective(texture, SHIFT, (400, 300), borderMode=cv2.BORDER_REFLECT)
    write_image(folder / "reference.png", texture)
    write_image(folder / "query.png", query)
    p = np.random.default_rng(seed + 1000).uniform((30, 30), (370, 270), (10, 2))
    np.savetxt(folder / "points.txt", np.hstack([p, p + (12, -7)]), fmt="%.3f")
    return folder

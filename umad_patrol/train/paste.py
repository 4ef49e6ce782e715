"""Putting a sprite into a picture: sized, recoloured, standing in its own contact shadow and casting one along the sun."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.train.sprites import Sprite

COVERED = 0.5       # alpha from which a pixel is the thing's


@dataclass(frozen=True)
class Sun:
    """Where shadows fall: for a thing 1 px high, its shadow's tip lies (`along`, `down`) px from its foot; `strength` is what it takes."""

    along: float
    down: float
    strength: float
    softness: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Sun:
        """From noon (short) to a low sun (long), and overcast (no cast shadow)."""
        strength = 0.0 if rng.random() < 0.3 else rng.uniform(0.25, 0.7)
        return cls(rng.uniform(-2.5, 2.5), rng.uniform(-0.6, 0.5), strength, rng.uniform(0.3, 3))


def drawn(image: np.ndarray, sprite: np.ndarray, foot: tuple[float, float], sun: Sun, rng: np.random.Generator) -> np.ndarray:
    """Draw RGBA `(h, w, 4)` float32 in [0, 1] into `image` `(H, W, 3)`, in place, its foot's middle at (x, y).

    Returns where the picture now shows it, `(H, W)` bool.
    """
    _shadow(image, sprite, foot, sun, rng)
    mask = np.zeros(image.shape[:2], bool)
    window, part = _overlap(image.shape, sprite, foot)
    if window is not None:
        alpha = part[..., 3:]
        image[window] += (part[..., :3] - image[window]) * alpha
        mask[window] = alpha[..., 0] > COVERED
    return mask


def cast(shade: np.ndarray, sprite: np.ndarray, foot: tuple[float, float], sun: Sun) -> None:
    """Darken `shade` `(H, W)`, a factor on light, by the shadow of a sprite that stands at `foot`."""
    height, width = sprite.shape[:2]
    corners = np.float32([[0, height], [width, height], [0, 0]])
    x, y = foot[0] - width / 2, foot[1]
    tip = sun.along * height, sun.down * height
    lies = np.float32([[x, y], [x + width, y], [x + tip[0], y + tip[1]]])
    shadow = cv2.warpAffine(sprite[..., 3], cv2.getAffineTransform(corners, lies), shade.shape[::-1])
    if sun.softness > 0.4:
        shadow = cv2.GaussianBlur(shadow, (0, 0), sun.softness)
    shade *= 1 - sun.strength * shadow


def _shadow(image: np.ndarray, sprite: np.ndarray, foot: tuple[float, float], sun: Sun, rng: np.random.Generator) -> None:
    height, width = sprite.shape[:2]
    axes = max(1, round(width * rng.uniform(0.45, 0.62))), max(1, round(width * rng.uniform(0.08, 0.2)))
    darkness = rng.uniform(0.15, 0.6)
    window, at = _around(image.shape, foot, (width, height), sun)
    part = image[window]
    if not part.size:
        return
    shade = np.ones(part.shape[:2], np.float32)
    if sun.strength > 0:
        cast(shade, sprite, at, sun)
    contact = cv2.ellipse(np.zeros_like(shade), (round(at[0]), round(at[1] - 1)), axes, 0, 0, 360, darkness, -1)
    shade *= 1 - cv2.GaussianBlur(contact, (0, 0), max(0.5, 0.05 * height))
    part *= shade[..., None]


def _around(shape: tuple[int, ...], foot: tuple[float, float], size: tuple[int, int], sun: Sun) -> tuple[tuple[slice, slice], tuple[float, float]]:
    """The part of a picture that a thing of `size` (width, height) may darken, and its foot there."""
    margin = 0.2 * max(size) + 3 * sun.softness + 4
    reach = sun.along * size[1], sun.down * size[1]
    x0 = max(0, int(foot[0] - 0.7 * size[0] + min(0, reach[0]) - margin))
    y0 = max(0, int(foot[1] - 0.3 * size[0] + min(0, reach[1]) - margin))
    x1 = max(x0, int(min(shape[1], foot[0] + 0.7 * size[0] + max(0, reach[0]) + margin)))
    y1 = max(y0, int(min(shape[0], foot[1] + 0.3 * size[0] + max(0, reach[1]) + margin)))
    return (slice(y0, y1), slice(x0, x1)), (foot[0] - x0, foot[1] - y0)


def _overlap(shape: tuple[int, ...], sprite: np.ndarray, foot: tuple[float, float]) -> tuple[tuple[slice, slice] | None, np.ndarray]:
    """The window of the picture that a sprite covers and the part of the sprite within; None if it lies outside."""
    height, width = sprite.shape[:2]
    left, top = round(foot[0] - width / 2), round(foot[1] - height)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(shape[1], left + width), min(shape[0], top + height)
    if x1 <= x0 or y1 <= y0:
        return None, sprite
    return (slice(y0, y1), slice(x0, x1)), sprite[y0 - top:y1 - top, x0 - left:x1 - left]


def sized(sprite: Sprite, height_px: float, rng: np.random.Generator, texture: np.ndarray | None = None) -> np.ndarray:
    """RGBA float32 in [0, 1] of about such a height, mirrored, recoloured or covered with `texture` `(H, W, 3)` at random."""
    scale = height_px / sprite.image.shape[0]
    size = max(2, round(sprite.image.shape[1] * scale)), max(2, round(height_px))
    image = cv2.resize(sprite.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.float32) / 255
    image = np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image
    colour = image[..., :3]
    if texture is not None:
        grey = colour.mean(-1, keepdims=True)
        colour = cv2.resize(texture, size, interpolation=cv2.INTER_AREA) * (0.4 + grey)
    elif rng.random() < (0.2 if sprite.of_photo else 0.5):
        colour = colour[..., rng.permutation(3)] * rng.uniform(0.5, 1.5, 3).astype(np.float32) + rng.uniform(-0.2, 0.2, 3).astype(np.float32)
    colour = colour * rng.uniform(0.55, 1.25)
    return np.dstack([np.clip(colour, 0, 1), image[..., 3:]]).astype(np.float32)

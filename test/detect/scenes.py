"""Pairs with known truth: a textured ground with joints, and what may happen to it."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from umad_patrol.io.images import to_tensor

HEIGHT, WIDTH = 300, 400


@dataclass(frozen=True)
class Box:
    """A pasted thing: its corner and size in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def foot(self) -> tuple[float, float]:
        return self.x + (self.width - 1) / 2, float(self.y + self.height - 1)


def ground(seed: int = 0) -> np.ndarray:
    """Paving as linear light `(H, W, 3)`: blotches of several sizes and dark joints."""
    rng = np.random.default_rng(seed)
    light = np.full((HEIGHT, WIDTH), 0.3)
    for grain, strength in ((40, 0.05), (10, 0.03), (3, 0.03)):
        noise = rng.standard_normal((HEIGHT // grain + 2, WIDTH // grain + 2))
        light += strength * cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    light = np.clip(light, 0.1, 0.6)
    light[::60] *= 0.5
    light[1::60] *= 0.5
    light[:, ::80] *= 0.5
    light[:, 1::80] *= 0.5
    return cv2.GaussianBlur(light, (0, 0), 0.7)[..., None] * np.array([0.92, 1.0, 1.05])


def photograph(light: np.ndarray, seed: int, gain: float = 1.0, balance: tuple = (1.0, 1.0, 1.0), gamma: float = 2.2,
               noise: float = 1.5) -> np.ndarray:
    """BGR uint8 picture of linear light, with sensor noise of so many grey levels."""
    rng = np.random.default_rng(seed)
    exposed = np.clip(light * gain * np.array(balance), 0, 1) ** (1 / gamma) * 255
    return np.clip(exposed + noise * rng.standard_normal(light.shape), 0, 255).round().astype(np.uint8)


def with_box(light: np.ndarray, box: Box, colour: tuple = (0.05, 0.08, 0.5)) -> np.ndarray:
    """A shaded thing of two parts stands on the ground."""
    out = light.copy()
    shade = np.linspace(1.1, 0.7, box.width)[None, :, None] * np.array(colour)
    out[box.y:box.y + box.height, box.x:box.x + box.width] = shade
    top = max(2, box.height // 4)
    out[box.y:box.y + top, box.x:box.x + box.width] *= 1.6
    return out


def with_shadow(light: np.ndarray, corners: list, depth: float = 0.6, blur: float = 1.5) -> np.ndarray:
    """A cast shadow: the sun's share is gone, the sky's bluer light remains."""
    inside = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.float32), [np.array(corners, np.int32)], 1.0)
    inside = cv2.GaussianBlur(inside, (0, 0), blur)[..., None]
    return light * (1 - inside * depth * np.array([0.9, 0.98, 1.03]))


def shifted(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    return cv2.warpAffine(image, np.float64([[1, 0, dx], [0, 1, dy]]), (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REFLECT)


def tensors(query: np.ndarray, reference: np.ndarray, valid: np.ndarray | None = None):
    seen = np.ones(query.shape[:2], bool) if valid is None else valid
    return to_tensor(query), to_tensor(reference), torch.from_numpy(seen)[None, None]

"""Hard changes of light on one photograph: another hour, cast shadows, rain, haze, a dark and noisy sensor. Nothing moves."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from umad_patrol.simulate.noise import octaves

_LUMA = np.array([0.1, 0.6, 0.3], np.float32)  # BGR


def change_light(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """`image` `(H, W, 3)` uint8 BGR under the light `kind`, one of PHOTO_LIGHTS, as a worse camera would take it."""
    light = (image.astype(np.float32) / 255.0) ** 2.2
    changed = CHANGES[kind](light, rng)
    return as_taken(np.clip(changed, 0.0, 1.0) ** (1 / 2.2), rng)


def as_taken(picture: np.ndarray, rng: np.random.Generator, noise: float | None = None) -> np.ndarray:
    """What a camera makes of `(H, W, 3)` float32 in [0, 1]: vignetting, noise, JPEG; uint8."""
    height, width = picture.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    vignette = 1 - np.float32(rng.uniform(0.05, 0.3)) * (x * x + y * y) / 2
    sigma = float(rng.uniform(0.004, 0.015)) if noise is None else noise
    noisy = picture * vignette[..., None] + sigma * rng.standard_normal(picture.shape, dtype=np.float32)
    data = cv2.imencode(".jpg", np.clip(255 * noisy + 0.5, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 93))])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _sunset(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low red light from one side, the rest in blue dusk; contrast and exposure of another hour."""
    side = _slope(light.shape[:2], rng)[..., None]
    warm, cold = np.array([0.45, 0.8, 1.5], np.float32), np.array([1.25, 0.85, 0.6], np.float32)
    gain = np.float32(rng.uniform(0.15, 0.6)) * ((0.3 + 0.9 * side) * (warm * side + cold * (1 - side)))
    return np.maximum(light * gain, 1e-6) ** np.float32(rng.uniform(0.8, 1.35))


def _shadows(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft-edged polygons of shade, blue and dark, and a little more sun elsewhere; where it is brightest the sensor saturates."""
    shade = np.zeros(light.shape[:2], np.float32)
    for _ in range(int(rng.integers(4, 12))):
        one = np.zeros(light.shape[:2], np.uint8)
        cv2.fillPoly(one, [_polygon(light.shape[1], light.shape[0], rng)], 255, cv2.LINE_AA)
        soft = cv2.GaussianBlur(one, (0, 0), float(rng.uniform(0.8, 4.0))).astype(np.float32) / 255
        shade = np.maximum(shade, soft * np.float32(rng.uniform(0.7, 0.93)))
    in_shade = np.array([1.15, 1.0, 0.85], np.float32) * (1 - shade[..., None])
    return light * np.float32(rng.uniform(1.0, 2.2)) * np.where(shade[..., None] > 0.01, in_shade, 1.0)


def _wet(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Below the middle the ground darkens in patches, which mirror what is above; grey light everywhere."""
    height, width = light.shape[:2]
    start = int(height * rng.uniform(0.45, 0.6))
    ramp = np.clip((np.arange(height, dtype=np.float32) - start) / (0.08 * height), 0, 1)[:, None]
    wet = (ramp * np.clip(0.6 + 0.45 * _blobs((height, width), rng), 0, 1))[..., None]
    mirror = np.abs(2 * start - np.arange(height)).clip(0, height - 1)
    gloss = cv2.GaussianBlur(light[mirror], (0, 0), sigmaX=3.0, sigmaY=12.0)
    grey = light @ _LUMA
    flat = 0.55 * light + 0.45 * grey[..., None]
    return (0.8 * flat) * (1 - 0.6 * wet) + wet * np.float32(rng.uniform(0.15, 0.4)) * gloss


def _haze(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast fades upwards into a bright veil."""
    far = np.linspace(1.0, 0.55, light.shape[0], dtype=np.float32)[:, None, None] * np.float32(rng.uniform(0.65, 0.92))
    veil = np.array([0.62, 0.6, 0.58], np.float32) * np.float32(rng.uniform(0.7, 1.2))
    return light * (1 - far) + veil * far


def _dark(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dusk with some lamps, and the noise of a camera that amplifies it."""
    height, width = light.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) / width, np.arange(height, dtype=np.float32) / width)
    lamps = np.float32(rng.uniform(0.02, 0.08)) * np.ones((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        cx, cy = rng.uniform(0, 1), rng.uniform(0, height / width)
        lamps += np.float32(rng.uniform(0.15, 0.45)) * np.exp(-((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2) / np.float32(rng.uniform(0.01, 0.05)))
    dim = light * lamps[..., None] * np.array([0.65, 0.95, 1.25], np.float32)
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    return np.maximum(dim + grain * np.sqrt(dim * np.float32(8e-4) + np.float32(4e-5)), 0) * np.float32(rng.uniform(1.0, 2.0))


def _mixed(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two of the others, one after the other, but never haze and darkness, which together leave nothing to see."""
    steps = [_shadows, _sunset, _wet, (_haze, _dark)[int(rng.integers(2))]]
    for number in rng.permutation(len(steps))[:2]:
        light = np.clip(steps[number](light, rng), 0.0, 1.0)
    return light


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "noon-sunset": _sunset, "cast shadows": _shadows, "wet-dry": _wet, "haze": _haze, "dark": _dark, "mixed": _mixed}
PHOTO_LIGHTS = tuple(CHANGES)


def _slope(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """From 0 to 1 across the picture in some direction, `(H, W)` float32."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, shape[1], dtype=np.float32), np.linspace(-1, 1, shape[0], dtype=np.float32))
    along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    return 1 / (1 + np.exp(-np.float32(rng.uniform(1, 4)) * along))


def _polygon(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Long and slanting, as poles, trees and eaves throw them, or broad as a house does: `(N, 2)` int32."""
    centre, angle = rng.uniform((0, 0.3 * height), (width, height)), rng.uniform(0, np.pi)
    half = np.array([rng.uniform(0.15, 0.6), rng.uniform(0.01, 0.2)]) * width
    corners = np.array([[-1, -1], [-0.3, -1.2], [0.4, -0.9], [1, -1], [1.1, 0.2], [1, 1], [0.2, 0.8], [-1, 1]]) * half
    corners = corners * rng.uniform(0.7, 1.2, corners.shape)
    c, s = np.cos(angle), np.sin(angle)
    return np.rint(corners @ np.array([[c, s], [-s, c]]) + centre).astype(np.int32)


def _blobs(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    field = octaves((128, 128), 64, 2, rng)
    return cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)

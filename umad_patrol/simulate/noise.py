"""Periodic random fields: smooth noise in octaves, the stuff that procedural surfaces are made of."""

from __future__ import annotations

import cv2
import numpy as np


def smooth(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """One octave: `shape` float32 of about unit variance, `cells` blobs a side, periodic in both directions.

    `shape` must be a multiple of `cells` in each direction.
    """
    grid = np.pad(rng.standard_normal(cells, dtype=np.float32), 2, mode="wrap")
    fy, fx = shape[0] // cells[0], shape[1] // cells[1]
    large = cv2.resize(grid, (grid.shape[1] * fx, grid.shape[0] * fy), interpolation=cv2.INTER_CUBIC)
    return large[2 * fy:2 * fy + shape[0], 2 * fx:2 * fx + shape[1]]


def octaves(shape: tuple[int, int], coarsest_px: int, finest_px: int, rng: np.random.Generator, gain: float = 0.6) -> np.ndarray:
    """Noise whose blobs go from `coarsest_px` down to `finest_px` in powers of two, each finer one `gain` times as strong.

    The field has unit variance. Both sizes are powers of two that divide `shape`.
    """
    field, weight, power, size = np.zeros(shape, np.float32), 1.0, 0.0, coarsest_px
    while size >= finest_px:
        field += weight * smooth(shape, (max(1, shape[0] // size), max(1, shape[1] // size)), rng)
        weight, power, size = weight * gain, power + weight * weight, size // 2
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def veins(shape: tuple[int, int], coarsest_px: int, finest_px: int, rng: np.random.Generator) -> np.ndarray:
    """Thin winding lines, `[0, 1]` float32: where octave noise crosses zero. Cracks and leaf litter start as these."""
    field = octaves(shape, coarsest_px, finest_px, rng, gain=0.55)
    slope = np.hypot(cv2.Sobel(field, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(field, cv2.CV_32F, 0, 1, scale=0.125))
    return np.clip(1.2 - np.abs(field) / np.maximum(slope, 1e-4), 0.0, 1.0)


def blots(shape: tuple[int, int], count: int, radius_px: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Random soft-edged round spots, `[0, 1]` float32, periodic: chewing gum, oil, fallen leaves."""
    field = np.zeros(shape, np.uint8)
    low, high = radius_px
    for _ in range(count):
        x, y = int(rng.integers(shape[1])), int(rng.integers(shape[0]))
        axes = (max(1, int(rng.uniform(low, high))), max(1, int(rng.uniform(low, high))))
        angle, value = float(rng.uniform(0, 180)), int(rng.integers(90, 256))
        for cx in {x, x - shape[1]} if x + axes[0] >= shape[1] else {x}:
            cv2.ellipse(field, (cx, y), axes, angle, 0, 360, value, -1, cv2.LINE_AA)
    return field.astype(np.float32) / 255.0

"""Periodic random fields: smooth noise in octaves, the stuff that procedural surfaces are made of."""

from __future__ import annotations

import cv2
import numpy as np


def octaves(shape: tuple[int, int], coarsest_px: int, finest_px: int, rng: np.random.Generator, gain: float = 0.6) -> np.ndarray:
    """Noise whose blobs go from `coarsest_px` down to `finest_px` in powers of two, each finer one `gain` times as strong.

    `shape` float32 of zero mean and unit variance, periodic in both directions. Both sizes are powers of two that divide
    `shape` (a blob larger than it fills it).
    """
    size, weight = coarsest_px, 1.0
    field = rng.standard_normal(_cells(shape, size), dtype=np.float32)
    while size > finest_px:
        size, weight = size // 2, weight * gain
        finer = rng.standard_normal(_cells(shape, size), dtype=np.float32)
        field = _enlarged(field, finer.shape) + np.float32(weight) * finer
    field = _enlarged(field, shape)
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def _cells(shape: tuple[int, int], size: int) -> tuple[int, int]:
    return max(1, shape[0] // size), max(1, shape[1] // size)


def _enlarged(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The periodic field on a grid finer by whole factors, smoothly between its values."""
    fy, fx = shape[0] // field.shape[0], shape[1] // field.shape[1]
    if fy == fx == 1:
        return field
    padded = np.pad(field, 2, mode="wrap")
    large = cv2.resize(padded, (padded.shape[1] * fx, padded.shape[0] * fy), interpolation=cv2.INTER_CUBIC)
    return large[2 * fy : 2 * fy + shape[0], 2 * fx : 2 * fx + shape[1]]


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

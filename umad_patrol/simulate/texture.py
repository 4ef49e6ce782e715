"""Pictures laid on surfaces, filtered for how much of them a pixel covers, apart in both directions (rip-maps).

A pavement seen from 0.7 m is far more foreshortened along the view than across it. Averaging as much in both
directions, as a mip-map does, would leave it without texture at 5 m; not averaging would make it shimmer.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

PAD = 2
ROW = 4096  # remap refuses pictures beyond 32767 a side, so flat lists of points are folded into rows
LINEAR = (
    ((np.arange(256) / 255.0 + 0.055) / 1.055) ** 2.4 * (np.arange(256) > 10)
    + np.arange(256) / 255.0 / 12.92 * (np.arange(256) <= 10)
).astype(np.float32)
"""From an sRGB byte to linear light (IEC 61966-2-1)."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A periodic picture with all its averaged versions side by side in `atlas`, `(h, w, 3)` uint8 RGB.

    `texel` is the size of one texel in metres, `size` the (width, height) of the finest version in texels,
    `x0` and `y0` where the version of each level of averaging starts in the atlas.
    """

    atlas: np.ndarray
    texel: float
    size: tuple[int, int]
    x0: np.ndarray
    y0: np.ndarray

    @classmethod
    def build(cls, image: np.ndarray, texel: float, levels: int = 12) -> Texture:
        """From an `(h, w, 3)` uint8 picture that repeats seamlessly; `u` runs along its columns, `v` along its rows."""
        height, width = image.shape[:2]
        columns, rows = _levels(width, levels), _levels(height, levels)
        x0 = np.concatenate([[0], np.cumsum([width >> i for i in range(columns)]) + 2 * PAD * np.arange(1, columns + 1)])
        y0 = np.concatenate([[0], np.cumsum([height >> i for i in range(rows)]) + 2 * PAD * np.arange(1, rows + 1)])
        atlas = np.zeros((y0[-1], x0[-1], 3), np.uint8)
        row = image
        for j in range(rows):
            row = cv2.resize(row, (width, height >> j), interpolation=cv2.INTER_AREA)
            part = row
            for i in range(columns):
                part = cv2.resize(part, (width >> i, height >> j), interpolation=cv2.INTER_AREA)
                padded = np.pad(part, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="wrap")
                atlas[y0[j] : y0[j + 1], x0[i] : x0[i + 1]] = padded
        return cls(atlas, texel, (width, height), x0[:-1].astype(np.float32), y0[:-1].astype(np.float32))

    def sample(
        self, u: np.ndarray, v: np.ndarray, footprint_u: np.ndarray, footprint_v: np.ndarray, dither: np.ndarray
    ) -> np.ndarray:
        """Bytes `(N, 3)` at `u`, `v` `(N,)` metres. Footprints are what a pixel covers, in metres.

        `dither` in [0, 1) `(N,)` spreads the step from one level of averaging to the next. All arrays are float32.
        """
        bias = (dither + np.float32(0.85)) * np.float32(1.0 / self.texel)  # 0.85 to 1.85: about one level from end to end
        level_u, scale_u = _level(footprint_u * bias, len(self.x0))
        level_v, scale_v = _level(footprint_v * bias, len(self.y0))
        x = self._place(u, self.size[0], scale_u) + self.x0.take(level_u)
        y = self._place(v, self.size[1], scale_v) + self.y0.take(level_v)
        return _look_up(self.atlas, x, y)

    def _place(self, u: np.ndarray, size: int, scale: np.ndarray) -> np.ndarray:
        turns = u * np.float32(1.0 / (self.texel * size))
        return (turns - np.floor(turns)) * np.float32(size) * scale + np.float32(PAD - 0.5)


def _level(texels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The power of two in a positive float32, 0 to `count` - 1, and its inverse: read from the exponent bits."""
    level = np.clip((texels.view(np.int32) >> 23) - 127, 0, count - 1)
    return level, ((127 - level) << 23).astype(np.int32).view(np.float32)


def linear_light(picture: np.ndarray) -> np.ndarray:
    """Linear RGB `(3, N)` float32 of sRGB bytes `(N, 3)`."""
    return np.ascontiguousarray(cv2.LUT(picture.reshape(1, -1, 3), LINEAR)[0].T) if len(picture) else np.zeros((3, 0), np.float32)


def _levels(size: int, most: int) -> int:
    count = 1
    while count < most and size % (1 << count) == 0 and size >> count >= 1:
        count += 1
    return count


def _look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    n = len(x)
    if n == 0:
        return np.zeros((0, 3), np.uint8)
    rows = -(-n // ROW)
    x, y = np.resize(x, (rows, ROW)), np.resize(y, (rows, ROW))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3)[:n]

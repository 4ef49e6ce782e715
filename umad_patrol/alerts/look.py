"""What a thing looks like in two numbers that light changes little: enough to tell a red bag from the grey box that was dismissed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from umad_patrol.records import Region

UNLIKE = 0.8       # distance of two looks, in log ratio, that no light explains
SIZE_FACTOR = 2.5  # a thing both so many times as wide and as high is another
_DARK = 8.0        # added to every channel: the colour of black is noise


def scene_colour(image: np.ndarray) -> np.ndarray:
    """The colour `(3,)` that a picture `(H, W, 3)` uint8 has on the whole: that of its light, more or less."""
    return image[::8, ::8].reshape(-1, 3).mean(axis=0) + _DARK


def look_of(image: np.ndarray, mask: np.ndarray, region: Region, scene: np.ndarray) -> tuple[float, ...]:
    """Log red/green and log blue/green of the region's changed pixels, over those of the `scene`; () if it has none."""
    x, y, width, height = region.box
    part, chosen = image[y:y + height, x:x + width], mask[y:y + height, x:x + width] > 0
    if not chosen.any():
        return ()
    blue, green, red = (part[chosen].mean(axis=0) + _DARK) / scene
    return float(np.log(red / green)), float(np.log(blue / green))


def middle_look(looks: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """The median of several looks; () if none of them is known."""
    known = [look for look in looks if look]
    return tuple(float(v) for v in np.median(known, axis=0)) if known else ()


def unlike(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two looks are those of different things for sure."""
    return bool(a and b and np.linalg.norm(np.subtract(a, b)) > UNLIKE)


def another_size(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two sizes (width, height) are those of different things for sure."""
    ratios = [max(u, 1e-3) / max(v, 1e-3) for u, v in zip(a, b)]
    return min(ratios) > SIZE_FACTOR or max(ratios) < 1 / SIZE_FACTOR

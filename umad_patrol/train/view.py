"""A crop of a photograph as the robot's camera would see it: where its ground is, and how large things on it look."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.train.photos import Photo

SMALLEST_SCALE, LARGEST_SCALE = 0.55, 2.0    # enlarged too: what is small is looked at so


@dataclass(frozen=True, eq=False)
class View:
    """A square `image` float32 RGB in [0, 1], `(S, S, 3)`; `dynamic` `(S, S)` uint8, 255 where it surely shows people or vehicles.

    `horizon_px` is the horizon's row, perhaps outside; a metre on the ground at row y looks (y - horizon_px) * `share` px high.
    `road` `(S, S)` bool is where things lie on a road, None if nobody knows.
    """

    image: np.ndarray
    dynamic: np.ndarray
    horizon_px: float
    share: float
    road: np.ndarray | None


def random_view(photo: Photo, side: int, rng: np.random.Generator) -> View:
    """A crop at 0.55 to 2 times the photograph's scale, mostly of what lies below its horizon, every other time mirrored."""
    height, width = photo.image.shape[:2]
    scale = np.exp(rng.uniform(np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE)))
    span = int(min(height, width, side / scale))
    free = height - span
    top = int(rng.integers(free // 3, free + 1)) if rng.random() < 0.75 else int(rng.integers(free + 1))
    left = int(rng.integers(width - span + 1))
    scale = side / span
    flip = rng.random() < 0.5

    def part(plane: np.ndarray, how: int) -> np.ndarray:
        resized = cv2.resize(plane[top:top + span, left:left + span], (side, side), interpolation=how)
        return np.ascontiguousarray(resized[:, ::-1]) if flip else resized

    image = part(photo.image, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.float32) / 255
    dynamic = np.zeros((side, side), np.uint8) if photo.dynamic is None else part(photo.dynamic, cv2.INTER_LINEAR)
    road = None if photo.road is None else part(photo.road, cv2.INTER_NEAREST) > 0
    horizon = (height * rng.uniform(0.33, 0.52) - top) * scale
    return View(image, dynamic, horizon, 1 / rng.uniform(0.5, 1.6), road)


def random_foot(view: View, rng: np.random.Generator) -> tuple[float, float]:
    """Where a thing may stand: on the road if it is known, else mostly below the horizon."""
    side = view.image.shape[0]
    if view.road is not None and rng.random() < 0.7:
        rows, columns = np.nonzero(view.road[::8, ::8])
        if len(rows):
            index = int(rng.integers(len(rows)))
            return columns[index] * 8 + rng.uniform(0, 8), rows[index] * 8 + rng.uniform(0, 8)
    top = min(max(view.horizon_px, 0.0), 0.7 * side) if rng.random() < 0.85 else 0.0
    return rng.uniform(0, side), rng.uniform(top + 8, 1.08 * side)


def far_foot(view: View, foot: tuple[float, float], height_m: float, high: float, rng: np.random.Generator) -> tuple[float, float]:
    """`foot`, every other time as far away as a thing of `height_m` has to be to look `high` px, where the view shows that row."""
    row = view.horizon_px + high / (max(height_m, 1e-3) * view.share) * rng.uniform(0.85, 1.15)
    return (foot[0], row) if rng.random() < 0.5 and high <= row < view.image.shape[0] else foot


def height_px(view: View, foot: tuple[float, float], height_m: float, smallest: float, largest: float, rng: np.random.Generator) -> float:
    """How high a thing looks at `foot`: every other time as perspective has it, else anything from smallest to largest."""
    if height_m > 0 and rng.random() < 0.5:
        seen = height_m * rng.uniform(0.85, 1.15) * max(foot[1] - view.horizon_px, 4.0) * view.share
        if smallest <= seen <= 1.5 * largest:
            return float(seen)
    return float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))

"""Whether a place in the map is seen in a frame, and whether something is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from umad_patrol.alerts.structure import Structure
from umad_patrol.geometry.camera import project
from umad_patrol.geometry.se3 import inverse
from umad_patrol.records import Camera

MARGIN_PX = 12      # a place nearer to the border of the picture is not seen well
WELL_COMPARED = 0.9  # share of a place's pixels that must have been compared
CLEAR_RANGE = 0.9    # a place is judged clean from this share of the range from which the thing was seen
HIDING_RANGE = 1.1   # and may be hidden up to this one
SMALL_PX = 12       # a thing that would be lower in the picture than this may well be missed
AROUND = 0.5        # how much around a thing, over its size, still counts as the thing
HIDDEN_SHARE = 0.5  # of a thing's box that something nearer covers, so that the thing may well not be told
NEARER_M = 0.6      # what hides a thing stands so much nearer

Box = tuple[float, float, float, float]    # left, top, right, bottom in pixels
UNSEEN, CLEAN, TAKEN, HIDDEN = "unseen", "clean", "taken", "hidden"


@dataclass(frozen=True, eq=False)
class View:
    """One comparable frame: the camera, what of it was compared `(H, W)` bool (None: all), and the mask `(H, W)` of what is new or passes.

    `fronts` `(N, 6)` are the regions of that: left, top, right, bottom, the range in metres at which each stands, and whether it passes (None: there are none).
    """

    camera: Camera
    map_T_camera: np.ndarray
    valid: np.ndarray | None
    mask: np.ndarray | None
    structure: Structure | None = None
    fronts: np.ndarray | None = None

    def state(self, foot: np.ndarray, size_m: tuple[float, float], seen_from_m: float, others: Sequence[Box] = ()) -> str:
        """What the view says of a thing of width and height `size_m` that stands at `foot` `(3,)` and was seen from so far: UNSEEN, CLEAN, TAKEN or HIDDEN.

        What is new in the boxes `others` is known to be something else.
        """
        range_m = float(np.hypot(*(foot - self.map_T_camera[:3, 3])[:2]))
        if range_m > HIDING_RANGE * seen_from_m or (box := self.box(foot, size_m)) is None:
            return UNSEEN
        if self.covers(box, range_m):
            return HIDDEN
        if range_m > CLEAR_RANGE * seen_from_m:
            return UNSEEN
        left, top, right, bottom = box
        dx, dy = AROUND * (right - left) + 4, AROUND * (bottom - top) + 4
        if self.mask is not None and self._is_taken((left - dx, top - dy, right + dx, bottom + dy), others):
            return TAKEN
        inside = left >= MARGIN_PX and right < self.camera.width - MARGIN_PX and bottom < self.camera.height - MARGIN_PX
        if not inside or bottom - top < SMALL_PX:
            return UNSEEN
        if self.valid is not None and _window(self.valid, left, top, right, bottom).mean() < WELL_COMPARED:
            return UNSEEN
        if self.structure is not None and self.structure.blocks(self.map_T_camera[:3, 3], foot):
            return UNSEEN
        return CLEAN

    def covers(self, box: Box, range_m: float, passing: bool = False) -> bool:
        """Whether something nearer, of what passes if only that is asked, covers much of a box (left, top, right, bottom) of what stands so far away."""
        if self.fronts is None or not len(self.fronts):
            return False
        left, top, right, bottom = box
        across = np.minimum(self.fronts[:, 2], right) - np.maximum(self.fronts[:, 0], left)
        down = np.minimum(self.fronts[:, 3], bottom) - np.maximum(self.fronts[:, 1], top)
        much = (across > 0) & (down > 0) & (across * down >= HIDDEN_SHARE * (right - left) * (bottom - top))
        return bool((much & (self.fronts[:, 4] < range_m - NEARER_M) & (self.fronts[:, 5] >= passing)).any())

    def _is_taken(self, box: Box, others: Sequence[Box]) -> bool:
        """Whether the mask is set anywhere in a box but in those of `others`; a region that is in none of these counts also where it reaches into one."""
        new = _window(self.mask, *box) > 0
        if not others or not new.any():
            return bool(new.any())
        left, top = (max(int(v), 0) for v in box[:2])
        regions = [tuple(front[:4]) for front in self.fronts] if self.fronts is not None else []
        counts = np.ones(new.shape, bool)
        for boxes, value in ((others, False), ([r for r in regions if not any(_within(r, other) for other in others)], True)):
            for x0, y0, x1, y1 in boxes:
                counts[max(int(y0) - top, 0):max(int(y1) - top, 0), max(int(x0) - left, 0):max(int(x1) - left, 0)] = value
        return bool((new & counts).any())

    def box(self, foot: np.ndarray, size_m: tuple[float, float]) -> Box | None:
        """Left, top, right, bottom in pixels of a thing that stands at `foot`; None if it is behind or outside the picture."""
        points = np.array([foot, foot + [0.0, 0.0, max(size_m[1], 0.0)]])
        T = inverse(self.map_T_camera)
        in_camera = points @ T[:3, :3].T + T[:3, 3]
        if in_camera[:, 2].min() < 0.1:
            return None
        (x, bottom), (_, top) = project(in_camera, self.camera)
        half = self.camera.K[0, 0] * size_m[0] / 2 / in_camera[0, 2]
        if x + half < 0 or x - half >= self.camera.width or bottom < 0 or top >= self.camera.height:
            return None
        return float(x - half), float(top), float(x + half), float(bottom)


def _within(box: Box, other: Box) -> bool:
    return other[0] <= box[0] and other[1] <= box[1] and box[2] <= other[2] and box[3] <= other[3]


def _window(picture: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    height, width = picture.shape[:2]
    rows = slice(int(np.clip(top, 0, height - 1)), int(np.clip(bottom, 0, height - 1)) + 1)
    columns = slice(int(np.clip(left, 0, width - 1)), int(np.clip(right, 0, width - 1)) + 1)
    return picture[rows, columns]

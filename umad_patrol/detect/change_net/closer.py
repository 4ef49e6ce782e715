"""A closer look at what is small and perhaps new: the network is asked again about that part of both pictures, enlarged.

A thing of a few pixels fills a cell or two of the finest features; enlarged it is one that the network knows how to tell, and a spot of
sun on a kerb is one as well: the closer look counts more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.engines import Engine
from umad_patrol.detect.change_net.enlarged import enlarged
from umad_patrol.detect.change_net.network import OUTPUT_STRIDE

SIDE_PX = 64            # of a window; enlarged, so that a score is one of a pixel, a multiple of network.SIDE
SMALL_PX = 32           # what is wider or higher is seen well enough as it is
MARGIN_PX = 16          # what lies so far within a window is seen with what is around it
APART_PX = 16           # of two peaks of the scores nearer than half of this to one another the higher counts
SHARE = 0.5             # of a peak's score is what belongs to it
PERHAPS, SURELY = 0.3, 0.9  # scores of *anomaly* between which it is worth a look
LEAST = 1e-6            # and as much less than 1: scores of which there are logits
CLOSER = 0.75           # share of the closer look in what both say together
AROUND_PX = 4           # a thing is at most so much larger than it seemed
Part = Callable[[slice, slice], torch.Tensor]     # the given rows and columns of a picture `(1, 3, H, W)`


@dataclass(frozen=True, eq=False)
class Window:
    """A square of a picture from (x, y) on, and where in it, `(SIDE_PX, SIDE_PX)` bool, something is perhaps new."""

    x: int
    y: int
    perhaps: np.ndarray


def find_windows(new: np.ndarray, most: int) -> list[Window]:
    """The windows, at most so many, that hold what is small and perhaps new in scores `(H, W)`: what stands out most comes first.

    A thing is what is connected to a peak of the scores and scores at least half as much: what is around may be perhaps new as well.
    """
    height, width = new.shape
    if min(height, width) < SIDE_PX or not most:
        return []
    looked_at: dict[tuple[int, int], np.ndarray] = {}
    for thing, part in islice(_small_things(new), 2 * most):
        box = tuple((side.start, side.stop - side.start) for side in reversed(part))    # x and width, y and height
        own = tuple(max(0, min(start + (size - SIDE_PX) // 2, side - SIDE_PX)) for (start, size), side in zip(box, (width, height)))
        corner = next((corner for corner in looked_at if corner == own or _within(box, corner)), None)     # at a border several may have one
        if corner is None and len(looked_at) < most:
            corner = own
            looked_at[corner] = np.zeros((SIDE_PX, SIDE_PX), bool)
        if corner is not None:
            looked_at[corner][tuple(slice(side.start - start, side.stop - start) for side, start in zip(part, reversed(corner)))] |= thing
    return [Window(x, y, _grown(things)) for (x, y), things in looked_at.items()]


def _small_things(new: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[slice, slice]]]:
    """What is perhaps new and small: its pixels, and the rows and columns that they are of; first whose score is most above that of what is around."""
    coarse = np.ascontiguousarray(new[::OUTPUT_STRIDE, ::OUTPUT_STRIDE])    # the network says no more
    highest = cv2.dilate(coarse, np.ones((APART_PX // OUTPUT_STRIDE + 1,) * 2, np.uint8))
    cells = np.flatnonzero((coarse > PERHAPS) & (coarse < SURELY))
    cells = cells[coarse.ravel()[cells] >= highest.ravel()[cells]]
    if not len(cells):
        return
    seen = np.zeros(new.shape, bool)
    above = coarse.ravel()[cells] - cv2.blur(coarse, (SMALL_PX // OUTPUT_STRIDE + 1,) * 2).ravel()[cells]
    for cell in cells[np.argsort(-above, kind="stable")]:
        row, column = (OUTPUT_STRIDE * int(at) for at in divmod(cell, coarse.shape[1]))
        if seen[row, column]:
            continue
        top, left = max(0, row - SMALL_PX), max(0, column - SMALL_PX)
        around = new[top:row + SMALL_PX + 1, left:column + SMALL_PX + 1]
        _, labels, stats, _ = cv2.connectedComponentsWithStats((around >= max(PERHAPS, SHARE * new[row, column])).astype(np.uint8))
        label = labels[row - top, column - left]
        x, y, width, height = stats[label, :4]
        part = slice(top + y, top + y + height), slice(left + x, left + x + width)
        thing = labels[y:y + height, x:x + width] == label
        seen[part] |= thing
        if max(width, height) <= SMALL_PX:
            yield thing, part


def look_closer(engine: Engine, windows: list[Window], query: Part, reference: Part, valid: torch.Tensor, top: int = 0) -> torch.Tensor:
    """Logits of *anomaly* `(N, 1, SIDE_PX, SIDE_PX)` in N windows of two pictures.

    `valid` `(1, 1, h, w)`, and where the windows are, begin in row `top` of the pictures.
    """
    both = torch.cat([picture(*place(window, top)) for picture in (query, reference) for window in windows])
    return ask(engine, both, torch.cat([valid[(..., *place(window))] for window in windows]))


def ask(engine: Engine, both: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Logits of *anomaly* `(N, 1, SIDE_PX, SIDE_PX)` in parts `(2N, 3, SIDE_PX, SIDE_PX)` of two pictures, those of the query first."""
    features = engine.encode(enlarged(both, "bicubic").clamp_(0, 1))
    mine, theirs = (tuple(plane[part] for plane in features) for part in (slice(len(valid)), slice(len(valid), None)))
    return engine.compare(mine, theirs, F.interpolate(valid.to(both.dtype), scale_factor=float(OUTPUT_STRIDE)))[:, :1].float()


def heed(new: torch.Tensor, windows: list[Window], closer: torch.Tensor) -> None:
    """Put into scores `(h, w)` of *anomaly* what both looks say together, where something was perhaps new."""
    first = torch.stack([new[place(window)] for window in windows])
    perhaps = torch.from_numpy(np.stack([window.perhaps for window in windows])).to(new.device)
    for window, where, both in zip(windows, perhaps, said_by_both(first, closer[:len(windows), 0])):
        part = new[place(window)]
        torch.where(where, both, part, out=part)


def said_by_both(first: torch.Tensor, closer: torch.Tensor) -> torch.Tensor:
    """Scores of *anomaly* from those of the first look and the logits of the closer one: a mean of their logits."""
    return torch.logit(first, LEAST).lerp(closer, CLOSER).sigmoid_()


def place(window: Window, top: int = 0) -> tuple[slice, slice]:
    """The rows and columns of a window of what begins in row `top`."""
    return slice(top + window.y, top + window.y + SIDE_PX), slice(window.x, window.x + SIDE_PX)


def _within(box: tuple[tuple[int, int], ...], corner: tuple[int, int]) -> bool:
    """Whether a box, (x, width) and (y, height), lies in the window at this corner, its margin left out."""
    return all(start + MARGIN_PX <= at and at + size <= start + SIDE_PX - MARGIN_PX for start, (at, size) in zip(corner, box))


def _grown(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * AROUND_PX + 1,) * 2, np.uint8)) > 0

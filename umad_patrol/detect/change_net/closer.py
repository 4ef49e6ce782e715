"""A closer look at what is small and perhaps new: the network is asked again about that part of both pictures, enlarged.

A thing of a few pixels fills a cell or two of the finest features; enlarged it is one that the network knows how to tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.engines import Engine
from umad_patrol.detect.change_net.network import OUTPUT_STRIDE

ZOOM = OUTPUT_STRIDE    # so a score of the enlarged part is one of a pixel
SIDE_PX = 64            # of a window; enlarged a multiple of network.SIDE
SMALL_PX = 32           # what is wider or higher is seen well enough as it is
MARGIN_PX = 16          # what lies so far within a window is seen with what is around it
PERHAPS, SURELY = 0.1, 0.8  # scores of *anomaly* between which it is worth a look
DOUBT = 0.54            # taken off the logits: enlarged, as many regions are false at a score of 0.8 as else at 0.7
AROUND_PX = 4           # a thing is at most so much larger than it seemed


@dataclass(frozen=True, eq=False)
class Window:
    """A square of a picture from (x, y) on, and where in it, `(SIDE_PX, SIDE_PX)` bool, something is perhaps new."""

    x: int
    y: int
    perhaps: np.ndarray


def find_windows(new: np.ndarray, most: int) -> list[Window]:
    """The windows, at most so many, that hold what is small and perhaps new in scores `(H, W)`: what scores most comes first."""
    height, width = new.shape
    if min(height, width) < SIDE_PX:
        return []
    count, things, stats, _ = cv2.connectedComponentsWithStats((new > PERHAPS).astype(np.uint8))
    small = [index for index in range(1, count) if max(stats[index, cv2.CC_STAT_WIDTH], stats[index, cv2.CC_STAT_HEIGHT]) <= SMALL_PX]
    boxes = {index: stats[index, :4] for index in small}
    best = {index: float(new[y:y + h, x:x + w][things[y:y + h, x:x + w] == index].max()) for index, (x, y, w, h) in boxes.items()}
    corners: dict[tuple[int, int], list[int]] = {}
    for index in sorted((index for index in small if best[index] < SURELY), key=lambda index: -best[index]):
        x, y, w, h = boxes[index]
        corner = next((corner for corner in corners if _within(boxes[index], corner)), None)
        if corner is None and len(corners) < most:
            corner = tuple(int(np.clip(start + (size - SIDE_PX) // 2, 0, side - SIDE_PX)) for start, size, side in ((x, w, width), (y, h, height)))
        if corner is not None:
            corners.setdefault(corner, []).append(index)
    return [Window(x, y, _grown(np.isin(things[y:y + SIDE_PX, x:x + SIDE_PX], indices))) for (x, y), indices in corners.items()]


def look_closer(engine: Engine, windows: list[Window], query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Scores of *anomaly* `(N, 1, SIDE_PX, SIDE_PX)` in N windows of two pictures `(1, 3, H, W)`, 0 where nothing was perhaps new."""
    both = torch.cat([_cut(picture, windows) for picture in (query, reference)])
    enlarged = F.interpolate(both, scale_factor=float(ZOOM), mode="bicubic", align_corners=False).clamp_(0, 1)
    features = engine.encode(enlarged)
    mine, theirs = (tuple(plane[part] for plane in features) for part in (slice(len(windows)), slice(len(windows), None)))
    seen = F.interpolate(_cut(valid.to(query.dtype), windows), scale_factor=float(ZOOM))
    logits = engine.compare(mine, theirs, seen)[:, :1].float()
    perhaps = torch.from_numpy(np.stack([window.perhaps for window in windows])[:, None]).to(logits.device)
    return (logits - DOUBT).sigmoid() * perhaps


def _cut(planes: torch.Tensor, windows: list[Window]) -> torch.Tensor:
    return torch.cat([planes[..., window.y:window.y + SIDE_PX, window.x:window.x + SIDE_PX] for window in windows])


def _within(box: np.ndarray, corner: tuple[int, int]) -> bool:
    """Whether a box (x, y, width, height) lies in the window at this corner, its margin left out."""
    return all(start + MARGIN_PX <= at and at + size <= start + SIDE_PX - MARGIN_PX for start, at, size in zip(corner, box[:2], box[2:]))


def _grown(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * AROUND_PX + 1,) * 2, np.uint8)) > 0

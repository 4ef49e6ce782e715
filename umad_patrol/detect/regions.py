"""From a score map to a mask and its regions: hysteresis, gaps closed, holes filled, edges trimmed, connected patches."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.config import DetectSettings
from umad_patrol.errors import DetectorError
from umad_patrol.records import DYNAMIC, Region, ScoreMap

FOOT_ROWS = 3


def find_regions(score_map: ScoreMap, settings: DetectSettings) -> tuple[np.ndarray, tuple[Region, ...]]:
    """Cut a score map into regions.

    Pixels from `low_threshold` up that are connected to one from `threshold` up form a region; it is dropped where
    smaller than `min_area_px`. Returns the mask `(H, W)` uint8, 255 on just the pixels of the kept regions of every
    class but "dynamic", and the regions of all classes, best first. Raises DetectorError on planes that fit no class.
    """
    scores = score_map.scores.detach().float().cpu().numpy()
    if scores.ndim != 4 or scores.shape[:2] != (1, len(score_map.classes)):
        raise DetectorError(f"scores of shape {scores.shape} do not fit the classes {', '.join(score_map.classes)}")
    valid = score_map.valid[0, 0].cpu().numpy()
    mask = np.zeros(valid.shape, np.uint8)
    regions: list[Region] = []
    for name, plane in zip(score_map.classes, scores[0]):
        labels, kept = _patches(np.nan_to_num(plane), valid, settings)
        regions += [_region(name, plane, labels, index, box) for index, box in kept]
        if name != DYNAMIC and kept:
            for index, (x, y, width, height) in kept:
                mask[y:y + height, x:x + width][labels[y:y + height, x:x + width] == index] = 255
    return mask, tuple(sorted(regions, key=lambda region: (-region.score, region.box)))


def _patches(plane: np.ndarray, valid: np.ndarray, settings: DetectSettings) -> tuple[np.ndarray, list[tuple[int, tuple]]]:
    """Labels of the patches of one plane, and (label, box) of those that hold a high score and are large enough."""
    low = min(settings.low_threshold, settings.threshold)
    patch = _shaped(((plane >= low) & valid).astype(np.uint8), settings) & valid.astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(patch, connectivity=8)
    high = np.unique(labels[(plane >= settings.threshold) & (patch > 0)])
    boxes = [(int(i), tuple(int(v) for v in stats[i, :4])) for i in high if i and stats[i, cv2.CC_STAT_AREA] >= settings.min_area_px]
    return labels, boxes


def _shaped(patch: np.ndarray, settings: DetectSettings) -> np.ndarray:
    """Gaps up to `close_px` bridged, holes filled, `trim_px` taken off all round."""
    if not patch.any():
        return patch
    patch = cv2.morphologyEx(patch, cv2.MORPH_CLOSE, _disc(settings.close_px // 2))
    outlines, _ = cv2.findContours(patch, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(patch), outlines, -1, 1, cv2.FILLED)
    return cv2.erode(filled, _disc(settings.trim_px))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)


def _region(name: str, plane: np.ndarray, labels: np.ndarray, index: int, box: tuple) -> Region:
    x, y, width, height = box
    inside = labels[y:y + height, x:x + width] == index
    score = float(plane[y:y + height, x:x + width][inside].max())
    lowest = np.nonzero(inside[max(0, height - FOOT_ROWS):])[1]
    foot = (float(x + (lowest.min() + lowest.max()) / 2), float(y + height - 1))
    return Region(name, score, int(inside.sum()), box, foot)

"""From a score map to a mask and its regions: hysteresis, gaps closed, holes filled, edges trimmed, connected patches."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from umad_patrol.config import DetectSettings
from umad_patrol.errors import DetectorError
from umad_patrol.records import ANOMALY, DYNAMIC, Region, ScoreMap

FOOT_ROWS = 3
GONE_BELOW, PASSES_BELOW = 0.8, 0.7     # an anomaly that scores less may be what is gone, and may be somebody who passes


def find_regions(score_map: ScoreMap, settings: DetectSettings) -> tuple[np.ndarray, tuple[Region, ...]]:
    """Cut a score map into regions.

    Pixels from `low_threshold` up that are connected to one from `threshold` up form a region; it is dropped where
    smaller than `min_area_px`. One of class "anomaly" that is not surely one is dropped as well where less than `outline_share` of its outline
    is the query's, and where it scores more as one of class "dynamic": it is gone, or somebody who passes. Returns the mask `(H, W)` uint8, 255 on just the
    pixels of the kept regions of class "anomaly", and the regions of all classes, best first. Raises DetectorError on planes that fit no class.
    """
    settings = settings.resolved()
    scores = score_map.scores.detach().float().cpu().numpy()
    if scores.ndim != 4 or scores.shape[:2] != (1, len(score_map.classes)):
        raise DetectorError(f"scores of shape {scores.shape} do not fit the classes {', '.join(score_map.classes)}")
    valid = score_map.valid[0, 0].cpu().numpy()
    mask = np.zeros(valid.shape, np.uint8)
    regions: list[Region] = []
    for name, plane in zip(score_map.classes, scores[0]):
        for region, inside in _regions(name, plane, valid, settings):
            x, y, width, height = region.box
            if name == ANOMALY and (_passes(score_map.classes, scores[0], region, inside) or _is_gone(score_map, region, inside, settings.outline_share)):
                continue
            regions.append(region)
            if name == ANOMALY:
                mask[y:y + height, x:x + width][inside] = 255
    return mask, tuple(sorted(regions, key=lambda region: (-region.score, region.box)))


def _passes(classes: tuple[str, ...], scores: np.ndarray, region: Region, inside: np.ndarray) -> bool:
    """Whether the pixels of an anomaly in doubt say in the mean that it is rather somebody, or a vehicle."""
    if region.score >= PASSES_BELOW or DYNAMIC not in classes:
        return False
    x, y, width, height = region.box
    new, passing = (scores[classes.index(name), y:y + height, x:x + width][inside].mean() for name in (ANOMALY, DYNAMIC))
    return bool(passing > new)


def _is_gone(score_map: ScoreMap, region: Region, inside: np.ndarray, share: float) -> bool:
    """Whether it is the references in which something ends where an anomaly in doubt does."""
    return share > 0 and region.score < GONE_BELOW and score_map.shown is not None and score_map.shown(inside, *region.box[:2]) < share


def _regions(name: str, plane: np.ndarray, valid: np.ndarray, settings: DetectSettings) -> list[tuple[Region, np.ndarray]]:
    """The regions of one plane, each with its pixels inside its box."""
    if not (plane >= settings.threshold).any():
        return []
    patch = ((plane >= min(settings.low_threshold, settings.threshold)) & valid).view(np.uint8)
    found = []
    for window, part in _groups(patch, plane, settings):
        shaped = _shaped(part, settings) & valid[window].view(np.uint8)
        found.extend(_regions_within(name, window, plane[window], shaped, settings))
    return found


def _groups(patch: np.ndarray, plane: np.ndarray, settings: DetectSettings) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """The pixels of a patch that shaping may join, group by group, each in a window that shaping does not leave.

    Most of a picture is unchanged, and most of what is changed a little is nowhere changed enough: those groups are left out.
    """
    reach = settings.close_px // 2
    near = cv2.dilate(patch, np.ones((2 * reach + 1,) * 2, np.uint8))
    outlines, _ = cv2.findContours(near, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for outline in outlines:
        window = _grown(cv2.boundingRect(outline), reach + settings.trim_px)
        if (plane[window] >= settings.threshold).any():
            within = np.zeros(plane[window].shape, np.uint8)
            cv2.drawContours(within, [outline], 0, 1, cv2.FILLED, offset=(-window[1].start, -window[0].start))
            yield window, within & patch[window]


def _grown(box: tuple[int, int, int, int], margin_px: int) -> tuple[slice, slice]:
    """The rows and columns of a box (x, y, width, height), with a margin as far as the picture goes."""
    x, y, width, height = box
    return slice(max(0, y - margin_px), y + height + margin_px), slice(max(0, x - margin_px), x + width + margin_px)


def _regions_within(name: str, window: tuple[slice, slice], plane: np.ndarray, patch: np.ndarray,
                    settings: DetectSettings) -> Iterator[tuple[Region, np.ndarray]]:
    """The regions of a patch in a window of the picture, each with its pixels inside its box."""
    top, left = window[0].start, window[1].start
    _, labels, stats, _ = cv2.connectedComponentsWithStats(patch, connectivity=8)
    for index in np.unique(labels[(plane >= settings.threshold) & (patch > 0)]):
        x, y, width, height, area = (int(v) for v in stats[index])
        if area >= settings.min_area_px:
            part = slice(y, y + height), slice(x, x + width)
            inside = labels[part] == index
            score = float(np.nanmax(plane[part][inside]))
            core = inside & (plane[part] >= settings.foot_share * score)
            yield Region(name, score, area, (x + left, y + top, width, height), _foot(core, x + left, y + top)), inside


def _shaped(patch: np.ndarray, settings: DetectSettings) -> np.ndarray:
    """Gaps up to `close_px` bridged, holes filled, `trim_px` taken off all round but at the border."""
    patch = cv2.morphologyEx(patch, cv2.MORPH_CLOSE, _disc(settings.close_px // 2))
    outlines, _ = cv2.findContours(patch, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(patch), outlines, -1, 1, cv2.FILLED)
    return cv2.erode(filled, _disc(settings.trim_px))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)


def _foot(core: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """The middle of the lowest rows of the surely changed pixels of a region whose box has its corner at (x, y).

    What a thing casts on the ground before it changes less than the thing itself.
    """
    lowest = int(np.nonzero(core.any(axis=1))[0][-1])
    columns = np.nonzero(core[max(0, lowest - FOOT_ROWS + 1):lowest + 1])[1]
    return float(x + (columns.min() + columns.max()) / 2), float(y + lowest)

"""A picture with what was found drawn into it."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.records import CHANGED, DYNAMIC, Region

COLOUR = (40, 40, 255)
COLOURS = {DYNAMIC: (255, 140, 30), CHANGED: (0, 170, 215)}     # of classes but what is new
TINT = 0.4
TEXT_SCALE = 0.5
MOST_MOVES = 5      # of a label, up or down, until it covers no other

Box = tuple[int, int, int, int]     # left, top, right, bottom


def overlay(image: np.ndarray, mask: np.ndarray, regions: tuple[Region, ...] = ()) -> np.ndarray:
    """A copy of the picture `(H, W, 3)` uint8 BGR with `mask` `(H, W)` tinted and outlined, and a named box a region: red what is new, blue who passes, yellow what was moved or is gone."""
    drawn = image.copy()
    x, y, width, height = cv2.boundingRect(mask)
    if width:
        part, inside = drawn[y:y + height, x:x + width], mask[y:y + height, x:x + width]
        cv2.copyTo(cv2.add(cv2.convertScaleAbs(part, alpha=1 - TINT), tuple(TINT * c for c in COLOUR) + (0,)), inside, part)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, COLOUR, 1)
    labels: list[Box] = []
    for region in regions:
        _draw_box(drawn, region)
    for region in sorted(regions, key=lambda region: region.box[1]):
        labels.append(_draw_label(drawn, region, labels))
    return drawn


def _draw_box(drawn: np.ndarray, region: Region) -> None:
    x, y, width, height = region.box
    cv2.rectangle(drawn, (x - 2, y - 2), (x + width + 1, y + height + 1), COLOURS.get(region.class_name, COLOUR), 1)
    cv2.circle(drawn, tuple(round(v) for v in region.foot), 2, (0, 255, 255), -1)


def _draw_label(drawn: np.ndarray, region: Region, others: list[Box]) -> Box:
    """Name and score above the region or, where no room is, below, moved on until it covers no other label. Returns where it is."""
    x, y, width, height = region.box
    text = f"{region.class_name} {region.score:.2f}"
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, 1)
    left, step = min(max(0, x - 2), max(0, drawn.shape[1] - wide - 2)), high + 6
    above = [y - 6 - n * step for n in range(MOST_MOVES)]
    below = [y + height + high + 5 + n * step for n in range(MOST_MOVES)]
    inside = [base for base in (*above, *below) if high + 2 <= base <= drawn.shape[0] - 4] or [min(max(y + height, high + 2), drawn.shape[0] - 4)]
    boxes = [(left, base - high - 2, left + wide + 2, base + 3) for base in inside]
    box = next((b for b in boxes if not any(_overlap(b, other) for other in others)), boxes[0])
    cv2.rectangle(drawn, box[:2], box[2:], COLOURS.get(region.class_name, COLOUR), -1)
    cv2.putText(drawn, text, (left + 1, box[3] - 3), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
    return box


def _overlap(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]

"""A picture with what was found drawn into it."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.records import DYNAMIC, Region

COLOUR = (40, 40, 255)
DYNAMIC_COLOUR = (255, 140, 30)
TINT = 0.4
TEXT_SCALE = 0.5


def overlay(image: np.ndarray, mask: np.ndarray, regions: tuple[Region, ...] = ()) -> np.ndarray:
    """A copy of the picture `(H, W, 3)` uint8 BGR with `mask` `(H, W)` tinted and outlined, and a named box a region."""
    drawn = image.copy()
    x, y, width, height = cv2.boundingRect(mask)
    if width:
        part, inside = drawn[y:y + height, x:x + width], mask[y:y + height, x:x + width]
        cv2.copyTo(cv2.add(cv2.convertScaleAbs(part, alpha=1 - TINT), tuple(TINT * c for c in COLOUR) + (0,)), inside, part)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, COLOUR, 1)
    for region in regions:
        _draw_region(drawn, region)
    return drawn


def _draw_region(drawn: np.ndarray, region: Region) -> None:
    x, y, width, height = region.box
    colour = DYNAMIC_COLOUR if region.class_name == DYNAMIC else COLOUR
    cv2.rectangle(drawn, (x - 2, y - 2), (x + width + 1, y + height + 1), colour, 1)
    cv2.circle(drawn, tuple(round(v) for v in region.foot), 2, (0, 255, 255), -1)
    text = f"{region.class_name} {region.score:.2f}"
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, 1)
    left = min(max(0, x - 2), max(0, drawn.shape[1] - wide - 2))
    base = y - 6 if y - 6 >= high else min(y + height + high + 5, drawn.shape[0] - 2)
    cv2.rectangle(drawn, (left, base - high - 2), (left + wide + 2, base + 3), colour, -1)
    cv2.putText(drawn, text, (left + 1, base), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, (255, 255, 255), 1, cv2.LINE_AA)

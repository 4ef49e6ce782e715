"""The rate of false regions over the threshold, drawn."""

from __future__ import annotations

import cv2
import numpy as np

_SIZE, _LEFT, _RIGHT, _TOP, _BELOW = (760, 460), 80, 30, 50, 60  # width and height, margins, in pixels
_FONT, _INK, _GRID = cv2.FONT_HERSHEY_SIMPLEX, (60, 60, 60), (225, 225, 225)
_CURVE, _ASKED, _CHOSEN, _WAS = (40, 40, 200), (60, 160, 60), (0, 0, 0), (190, 150, 60)  # BGR


def draw_curve(result: dict) -> np.ndarray:
    """Regions an hour or a km, logarithmic, over the threshold: `(H, W, 3)` uint8 BGR. Takes what the verb `calibrate` returns."""
    per, asked = result["per"], result["asked_rate"]
    points = [(point["threshold"], point[f"per_{per}"]) for point in result["curve"]]
    low, high = _decades([asked, result["finest_rate"], *(rate for _, rate in points if rate)])
    image = np.full((_SIZE[1], _SIZE[0], 3), 255, np.uint8)
    _text(image, f"false regions {'an hour' if per == 'hour' else 'a km'} over detect.threshold", (_LEFT, 28), 0.55)
    for decade in range(low, high + 1):
        _line(image, (0, 10.0 ** decade), (1, 10.0 ** decade), _GRID, low, high)
        _text(image, f"{10.0 ** decade:g}", (10, _place(0, 10.0 ** decade, low, high)[1] + 5), 0.45)
    for tenth in range(0, 11, 2):
        _text(image, f"{tenth / 10:g}", (_place(tenth / 10, 1, low, high)[0] - 8, _SIZE[1] - _BELOW + 20), 0.45)
    _line(image, (0, asked), (1, asked), _ASKED, low, high)
    _text(image, "asked", (_LEFT + 6, _place(1, asked, low, high)[1] - 6), 0.45)
    steps = [_place(t, max(rate, 10.0 ** low), low, high) for t, rate in points]
    cv2.polylines(image, [np.array(steps, np.int32).reshape(-1, 1, 2)], False, _CURVE, 2, cv2.LINE_AA)
    for threshold, colour, name, row in ((result["was"], _WAS, "before", 0), (result["threshold"], _CHOSEN, "chosen", 1)):
        if threshold is not None:
            _line(image, (threshold, 10.0 ** low), (threshold, 10.0 ** high), colour, low, high)
            x = _place(threshold, 1, low, high)[0]
            left, base = x + 4 if x < _SIZE[0] - 140 else x - 118, _TOP + 16 + 18 * row
            cv2.rectangle(image, (left - 2, base - 12), (left + 112, base + 4), (255, 255, 255), cv2.FILLED)   # the curve is there as well
            _text(image, f"{name} {threshold:g}", (left, base), 0.45)
    return image


def _decades(rates: list[float]) -> tuple[int, int]:
    logs = np.log10([rate for rate in rates if rate > 0])
    low, high = int(np.floor(logs.min() - 0.3)), int(np.ceil(logs.max()))
    return low, max(high, low + 1)


def _place(threshold: float, rate: float, low: int, high: int) -> tuple[int, int]:
    """Column and row of a threshold in [0, 1] and a rate within the decades."""
    share = (np.log10(rate) - low) / (high - low)
    width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BELOW
    return round(_LEFT + threshold * width), round(_SIZE[1] - _BELOW - float(np.clip(share, 0, 1)) * height)


def _line(image: np.ndarray, start: tuple[float, float], end: tuple[float, float], colour: tuple[int, int, int], low: int, high: int) -> None:
    cv2.line(image, _place(*start, low, high), _place(*end, low, high), colour, 1, cv2.LINE_AA)


def _text(image: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(image, text, place, _FONT, size, _INK, 1, cv2.LINE_AA)

"""Words on pictures that can be read whatever is behind them."""

from __future__ import annotations

import cv2
import numpy as np

_AROUND = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if (x, y) != (0, 0)]


def write_caption(image: np.ndarray, text: str, place: tuple[int, int], scale: float, colour: tuple[int, int, int], thickness: int = 1) -> None:
    """Write `text` into a BGR picture, in place, with a dark edge 1 px wide; its first letter stands on `place` (x, y).

    The edge is the text itself, moved: a thicker one is wider as well, from OpenCV 5 on.
    """
    for shift in _AROUND:
        _write(image, text, (place[0] + shift[0], place[1] + shift[1]), scale, (0, 0, 0), thickness)
    _write(image, text, place, scale, colour, thickness)


def _write(image: np.ndarray, text: str, place: tuple[int, int], scale: float, colour: tuple[int, int, int], thickness: int) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)

"""Two pictures in one, to see by eye how well they lie on each other."""

from __future__ import annotations

import cv2
import numpy as np


def anaglyph(query: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The query in red, the reference in cyan, grey where they agree: `(H, W, 3)` uint8 BGR of the query's size.

    The reference is cut or filled up with black at the right and below where its size differs.
    """
    height, width = query.shape[:2]
    other = np.zeros((height, width), np.uint8)
    grey = cv2.cvtColor(reference, cv2.COLOR_BGR2GRAY)[:height, :width]
    other[:grey.shape[0], :grey.shape[1]] = grey
    return np.dstack([other, other, cv2.cvtColor(query, cv2.COLOR_BGR2GRAY)])


def before_after(query: np.ndarray, reference: np.ndarray, warped: np.ndarray | None) -> np.ndarray:
    """Anaglyphs with the reference as it is and as it is warped, one below the other; the second is black for None."""
    after = np.zeros_like(query) if warped is None else anaglyph(query, warped)
    return np.vstack([anaglyph(query, reference), after])

"""Pictures of pairs before and after alignment, many on one sheet."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align.anaglyph import before_after
from umad_patrol.io.caption import write_caption
from umad_patrol.io.images import to_image
from umad_patrol.records import Alignment

_TILE_WIDTH = 480


def tile(name: str, query: np.ndarray, reference: np.ndarray, alignment: Alignment, errors: dict[str, float]) -> np.ndarray:
    """One pair, with its PME in px of "identity" and "ours" below its name."""
    text = f"{name}: {errors['identity']:.1f} px before, {errors['ours']:.2f} after" if alignment.comparable else f"{name}: not comparable"
    return captioned(text, query, reference, alignment)


def captioned(text: str, query: np.ndarray, reference: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Anaglyphs of one pair before and after, `(H, 480, 3)` uint8 BGR, with a line of text."""
    warped = None if alignment.laid is None else to_image(alignment.laid.picture)
    made = before_after(query, reference, warped)
    made = cv2.resize(made, (_TILE_WIDTH, max(round(made.shape[0] * _TILE_WIDTH / made.shape[1]), 1)), interpolation=cv2.INTER_AREA)
    write_caption(made, text, (6, 18), 0.45, (255, 255, 255))
    return made


def sheet(tiles: list[np.ndarray], columns: int = 4) -> np.ndarray:
    """All tiles in rows of `columns`."""
    height = max(one.shape[0] for one in tiles)
    padded = [cv2.copyMakeBorder(one, 0, height - one.shape[0], 0, 0, cv2.BORDER_CONSTANT) for one in tiles]
    padded += [np.zeros_like(padded[0])] * (-len(padded) % columns)
    return np.vstack([np.hstack(padded[i:i + columns]) for i in range(0, len(padded), columns)])

"""Whether the outline of what seems new is one in the query: a shadow or a thing that is gone left its outline in the reference.

What is new shows where it ends, and hides what was behind it. Where a shadow lay, or a thing stood that is no longer there, the pictures differ
as much; but the query shows plain ground, and it is in the reference that something ends there.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from umad_patrol.records import Laid

APART_PX = 3        # so near to the outline of a mask is that of the thing; a reference lies as near to where it should
BLUR_PX = 1.0       # sigma, against noise
BORDER_PX = APART_PX + 3    # so near to where a reference ends its edges are not its own
AROUND_PX = APART_PX + 5    # what is looked at around a patch
FLAT = 0.25         # levels a pixel: the least contrast that a picture is taken to have


class Outlines:
    """The outlines of patches of a query in the query itself and in its references.

    Edges count relative to the contrast of their whole picture: in a dim one as in one in the sun. Pictures are looked at where they are asked about.
    """

    def __init__(self, image: np.ndarray, top: int, references: list[tuple[np.ndarray, Laid]]) -> None:
        """`image` `(H, W, 3)` uint8 BGR, of which nothing above row `top` counts, and its references: as they were taken, and as they lie on it."""
        self._image, self._top, self._references = image, top, references

    def shown(self, patch: np.ndarray, left: int, top: int) -> float:
        """The share of the outline of a patch `(h, w)` bool with its corner at (left, top) along which the query has the stronger edge.

        Of several references that see any of it the one counts that leaves the query most; where none does it is 1.
        """
        rows, columns = (slice(max(0, start - AROUND_PX), min(side, start + size + AROUND_PX))
                         for start, size, side in zip((top, left), patch.shape, self._image.shape))
        outline = _outline(patch, (rows.stop - rows.start, columns.stop - columns.start), (top - rows.start, left - columns.start))
        here = _edges(self._image[rows, columns].astype(np.float32))[outline] / self._contrast
        shares = []
        for contrast, (_, laid) in zip(self._contrasts, self._references):
            valid = laid.valid[0, 0, rows, columns].cpu().numpy().astype(np.uint8)     # it is black beyond: an edge of its own
            seen = cv2.erode(valid, np.ones((2 * BORDER_PX + 1,) * 2, np.uint8))[outline] > 0
            if seen.any():
                there = _edges(255 * laid.part(rows, columns)[0].permute(1, 2, 0).cpu().numpy())[outline] / contrast
                shares.append(float((here > there)[seen].mean()))
        return max(shares, default=1.0)

    @cached_property
    def _contrast(self) -> float:
        return _contrast(self._image[self._top:])

    @cached_property
    def _contrasts(self) -> list[float]:
        return [_contrast(image[self._top * len(image) // len(self._image):]) for image, _ in self._references]


def _outline(patch: np.ndarray, size: tuple[int, int], corner: tuple[int, int]) -> np.ndarray:
    """The outermost pixels of a patch, `size` (h, w) bool, in which its corner lies at `corner` (row, column)."""
    whole = np.zeros(size, np.uint8)
    whole[corner[0]:corner[0] + patch.shape[0], corner[1]:corner[1] + patch.shape[1]] = patch
    return whole > cv2.erode(whole, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)


def _edges(image: np.ndarray) -> np.ndarray:
    """The strongest edge of any colour `(h, w)` within APART_PX of each pixel of a picture `(h, w, 3)` float32, in its levels a pixel."""
    return cv2.dilate(_gradient(cv2.GaussianBlur(image, (0, 0), BLUR_PX)), np.ones((2 * APART_PX + 1,) * 2, np.uint8))


def _contrast(image: np.ndarray) -> float:
    """How strong edges are in a picture `(h, w, 3)` uint8, halved, in the mean."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) if min(image.shape[:2]) > 1 else image
    return max(FLAT, float(_gradient(half.astype(np.float32)).mean()))


def _gradient(image: np.ndarray) -> np.ndarray:
    across, down = (cv2.Sobel(image, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
    steep = across * across + down * down
    return np.sqrt(np.maximum(np.maximum(steep[..., 0], steep[..., 1]), steep[..., 2]))     # ten times as quick as max(2)

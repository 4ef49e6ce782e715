"""A picture made ready for alignment: freed of its light, reduced, with the points worth following."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from umad_patrol.align import features
from umad_patrol.align.light import even_light
from umad_patrol.config import AlignSettings
from umad_patrol.records import Features

_CORNER_BLOCK = 5    # neighbourhood of the corner measure
_CORNERS, _MANY_CORNERS, _COARSE_CORNERS = 400, 1200, 200
_HALF = np.diag([0.5, 0.5, 1.0])   # cv2.pyrDown keeps the even pixels: own = 2 * coarse


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture `(H, W, 3)` uint8 BGR as alignment looks at it; what is costly is made when first asked for, and kept."""

    image: np.ndarray
    settings: AlignSettings

    @classmethod
    def of(cls, image: np.ndarray, settings: AlignSettings) -> Picture:
        """Raises AlignmentError if `image` is no picture."""
        features.check_picture(image)
        return cls(image, settings)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1::-1]

    @cached_property
    def grey(self) -> np.ndarray:
        """The picture in grey, its longer side at most `settings.side_px`."""
        grey = cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY)
        quick = grey.shape[1] < 2 * self._reduced[0]     # two pixels either way are nearly all there is to average
        return cv2.resize(grey, self._reduced, interpolation=cv2.INTER_LINEAR if quick else cv2.INTER_AREA)

    @cached_property
    def even(self) -> np.ndarray:
        """`grey` with even light, `(h, w)` uint8."""
        return even_light(self.grey)

    @cached_property
    def even_S_picture(self) -> np.ndarray:
        """The matrix `(3, 3)` that takes pixels of the picture to pixels of `even`; centres are at integers in both."""
        x, y = (small / large for small, large in zip(self._reduced, self.size))
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])

    @cached_property
    def coarse(self) -> np.ndarray:
        """`even` at half its size."""
        return cv2.pyrDown(self.even)

    @property
    def coarse_S_picture(self) -> np.ndarray:
        """As `even_S_picture`, to pixels of `coarse`."""
        return _HALF @ self.even_S_picture

    @cached_property
    def corners(self) -> np.ndarray:
        """Points `(N, 2)` float32 of `even` worth following, one a cell (feature point uniformization, UMAD sec. IV)."""
        return _corners(self.even, _CORNERS)

    @cached_property
    def many_corners(self) -> np.ndarray:
        """As `corners`, three times as many."""
        return _corners(self.even, _MANY_CORNERS)

    @cached_property
    def coarse_corners(self) -> np.ndarray:
        """As `corners`, of `coarse`."""
        return _corners(self.coarse, _COARSE_CORNERS)

    @cached_property
    def features(self) -> Features:
        """Key points with descriptors."""
        return features.extract(self.image, self.settings)

    @property
    def _reduced(self) -> tuple[int, int]:
        scale = min(1.0, self.settings.side_px / max(self.size))
        return tuple(max(round(side * scale), 1) for side in self.size)


def _corners(even: np.ndarray, count: int) -> np.ndarray:
    return features.best_of_cells(cv2.cornerMinEigenVal(even, _CORNER_BLOCK), count)

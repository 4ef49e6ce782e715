"""How far something went, by where it was seen."""

from __future__ import annotations

import numpy as np

STRIDE_M = 0.25     # shorter ones wait until they add up, so that the noise of a localization at rest, to some 3 cm, adds up to nothing
LONGEST_M = 10.0    # a longer one is a jump of the localization


class Strides:
    """Turns places into way, stride by stride."""

    def __init__(self) -> None:
        self._anchor: np.ndarray | None = None

    def add(self, position: np.ndarray) -> float:
        """The metres that come to the way with the next place `(3,)`; a jump adds none."""
        if self._anchor is None:
            self._anchor = np.array(position, np.float64)
        stride = float(np.linalg.norm(position - self._anchor))
        if stride < STRIDE_M:
            return 0.0
        self._anchor = np.array(position, np.float64)
        return stride if stride <= LONGEST_M else 0.0

    def interrupt(self) -> None:
        """Where it goes on, it did not go to from the last place."""
        self._anchor = None

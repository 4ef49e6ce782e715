"""For how long and how far a run was compared."""

from __future__ import annotations

import numpy as np

LONGEST_GAP_S = 5.0   # a longer gap between two frames is a break in the recording
LONGEST_STRIDE_M = 10.0  # a longer one is a jump of the localization
STRIDE_M = 0.1        # way is counted in strides, so that the noise of a localization at rest adds up to none


class Exposure:
    """Adds up time and way over the frames that were compared; each frame stands for what passed since the one before."""

    def __init__(self) -> None:
        self._seconds = self._metres = 0.0
        self._last_ns: int | None = None
        self._anchor: np.ndarray | None = None

    @property
    def hours(self) -> float:
        return self._seconds / 3600

    @property
    def km(self) -> float:
        return self._metres / 1000

    def add(self, stamp_ns: int, position: np.ndarray, compared: bool) -> None:
        """Take in the next frame: when and where `(3,)` in metres it was taken. Breaks and jumps of the clock count nothing."""
        gap_s = (stamp_ns - self._last_ns) / 1e9 if self._last_ns is not None else 0.0
        whole = self._anchor is not None and 0 <= gap_s <= LONGEST_GAP_S
        self._seconds += gap_s if whole and compared else 0.0
        stride = float(np.linalg.norm(position - self._anchor)) if whole else np.inf
        if stride >= STRIDE_M:
            self._metres += stride if compared and stride <= LONGEST_STRIDE_M else 0.0
            self._anchor = np.array(position, np.float64)
        self._last_ns = stamp_ns

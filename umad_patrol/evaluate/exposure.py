"""For how long and how far a run was compared."""

from __future__ import annotations

import numpy as np

from umad_patrol.geometry.strides import Strides

LONGEST_GAP_S = 5.0   # a longer gap between two frames is a break in the recording


class Exposure:
    """Adds up time and way over the frames that were compared; each frame stands for what passed since the one before."""

    def __init__(self) -> None:
        self._seconds = self._metres = 0.0
        self._last_ns: int | None = None
        self._strides = Strides()

    @property
    def hours(self) -> float:
        return self._seconds / 3600

    @property
    def km(self) -> float:
        return self._metres / 1000

    def add(self, stamp_ns: int, position: np.ndarray, compared: bool) -> None:
        """Take in the next frame: when and where `(3,)` in metres it was taken. Breaks and jumps of the clock count nothing."""
        gap_s = (stamp_ns - self._last_ns) / 1e9 if self._last_ns is not None else 0.0
        if not 0 <= gap_s <= LONGEST_GAP_S:
            self._strides.interrupt()
            gap_s = 0.0
        stride = self._strides.add(position)
        if compared:
            self._seconds += gap_s
            self._metres += stride
        self._last_ns = stamp_ns

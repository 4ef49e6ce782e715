"""Sums up how the comparing goes along the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from umad_patrol.alerts.store import Stretch
from umad_patrol.geometry.strides import Strides


class Way:
    """Sums up how the comparing goes, a piece of `step_m` metres at a time, and hands each piece to `keep`."""

    def __init__(self, step_m: float, keep: Callable[[Stretch], None] | None):
        self._step_m, self._keep = step_m, keep
        self._piece: Stretch | None = None
        self._strides = Strides()

    def add(self, stamp_ns: int, position: np.ndarray, status: str, reason: str, then: Callable[[], None]) -> None:
        """Count a frame; `then` is called when a piece is complete."""
        place = tuple(float(v) for v in position)
        gone = self._strides.add(position)
        piece = self._piece
        if piece is not None and status == piece.status and np.linalg.norm(position - np.array(piece.position)) < self._step_m:
            self._piece = dataclasses.replace(piece, last_ns=stamp_ns, metres=piece.metres + gone, frames=piece.frames + 1, reason=reason)
            return
        self.finish(then)
        self._piece = Stretch(stamp_ns, stamp_ns, place, gone, 1, status, reason)

    def finish(self, then: Callable[[], None]) -> None:
        """Hand on the piece that is not complete yet."""
        if self._piece is not None:
            if self._keep is not None:
                self._keep(self._piece)
            then()
        self._piece = None

    def interrupt(self) -> None:
        """What comes next did not begin where the last frame was."""
        self._strides.interrupt()

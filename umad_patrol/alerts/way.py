"""Sums up how the comparing goes along the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from umad_patrol.alerts.store import Stretch
from umad_patrol.geometry.strides import Strides

LONGEST_S = 60.0    # a piece ends after so long, so that a robot that stands still loses no more when it is switched off


class Way:
    """Sums up how the comparing goes, `step_m` metres at a time, a piece a status, and hands each piece to `keep`."""

    def __init__(self, step_m: float, keep: Callable[[Stretch], None] | None):
        self._step_m, self._keep = step_m, keep
        self._pieces: dict[str, Stretch] = {}   # of the present metres, by status: one that flickers makes two pieces, not one a frame
        self._strides = Strides()

    def add(self, stamp_ns: int, position: np.ndarray, status: str, reason: str, then: Callable[[], None]) -> None:
        """Count a frame; `then` is called when pieces are complete."""
        place = tuple(float(v) for v in position)
        gone = self._strides.add(position)
        first = next(iter(self._pieces.values()), None)
        if first is not None and (np.linalg.norm(position - np.array(first.position)) >= self._step_m or stamp_ns - first.first_ns >= LONGEST_S * 1e9):
            self.finish(then)
        piece = self._pieces.get(status, Stretch(stamp_ns, stamp_ns, place, 0.0, 0, status, reason))
        self._pieces[status] = dataclasses.replace(piece, last_ns=stamp_ns, metres=piece.metres + gone, frames=piece.frames + 1, reason=reason)

    def finish(self, then: Callable[[], None]) -> None:
        """Hand on the pieces that are not complete yet."""
        pieces, self._pieces = list(self._pieces.values()), {}
        if self._keep is not None:
            for piece in pieces:
                self._keep(piece)
        if pieces:
            then()

    def interrupt(self) -> None:
        """What comes next did not begin where the last frame was."""
        self._strides.interrupt()

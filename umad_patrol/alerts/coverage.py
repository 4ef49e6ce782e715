"""Where on the taught route something was compared, as it stands now."""

from __future__ import annotations

import threading

import numpy as np

from umad_patrol.records import COMPARED, Result

UNSEEN, SEEN, MISSED = 0, 1, 2
NEAR_M = 0.5       # a frame speaks for the keyframes this near to it
CELL_M = 0.5       # grain of places off the route
MOST_CELLS = 5000  # of them that are kept


class Coverage:
    """The last word on each keyframe, and the places off the route where nothing could be compared. Safe to share between threads."""

    def __init__(self, route: np.ndarray):
        self._route = np.asarray(route, dtype=np.float64).reshape(-1, 3)
        self._states = np.zeros(len(self._route), np.uint8)
        self._off: dict[tuple[int, int], np.ndarray] = {}
        self._lock = threading.Lock()
        self.changes = 0

    def add(self, result: Result) -> None:
        """Take in what became of a frame."""
        place = result.frame.map_T_camera[:3, 3]
        state = SEEN if result.status == COMPARED else MISSED
        near = np.flatnonzero(np.linalg.norm(self._route - place, axis=1) < NEAR_M)
        with self._lock:
            if len(near):
                self.changes += int((self._states[near] != state).any())
                self._states[near] = state
                return
            cell = tuple(np.floor(place[:2] / CELL_M).astype(int).tolist())
            if state == SEEN:
                self.changes += self._off.pop(cell, None) is not None
            elif cell not in self._off and len(self._off) < MOST_CELLS:
                self._off[cell] = np.array(place)
                self.changes += 1

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Places `(N, 3)` in `map` and what is known of each `(N,)`: UNSEEN, SEEN or MISSED."""
        with self._lock:
            off = np.array(list(self._off.values())).reshape(-1, 3)
            return np.vstack([self._route, off]), np.append(self._states, np.full(len(off), MISSED, np.uint8))

    def share(self) -> float | None:
        """How much of what was visited of the route was compared at the last visit, 0 to 1; None before anything was visited."""
        with self._lock:
            visited = int((self._states != UNSEEN).sum())
            return float((self._states == SEEN).sum() / visited) if visited else None

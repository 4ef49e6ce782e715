"""What lies right above something nearer in the picture: its upper part, or another thing behind it. Where it seems to stand as the camera moves tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from umad_patrol.alerts import hypotheses
from umad_patrol.alerts.thing import Spot
from umad_patrol.config import AlertSettings

MOVED_M = 0.1   # the camera has moved so far before another glimpse tells something new
KEPT = 20       # glimpses of one place: two metres of the way and more
MOST = 50       # places


class Glimpses:
    """The places where what was taken for an upper part would stand if it were another thing, over the latest frames."""

    def __init__(self, settings: AlertSettings):
        self.settings = settings
        self._places: list[tuple[int, list[Spot]]] = []     # the frame in which each was seen last, and the glimpses of it

    def add(self, here: Spot) -> list[Spot]:
        """Keep a glimpse. Returns the earlier ones of its place; none where there are none."""
        self._places = [place for place in self._places if place[0] > here.frame - self.settings.window][-MOST + 1:]
        index = self._index(here)
        before = [] if index is None else self._places.pop(index)[1]
        new = not before or np.linalg.norm(here.eye - before[-1].eye) >= MOVED_M
        self._places.append((here.frame, [*before, here][-KEPT:] if new else before))
        return before

    def _index(self, here: Spot) -> int | None:
        apart = [float(np.linalg.norm(np.mean([s.place for s in spots], axis=0) - here.place)) for _, spots in self._places]
        near = int(np.argmin(apart)) if apart else None
        return near if near is not None and apart[near] < self.settings.gate_m else None


def behind_over_part(spots: Sequence[Spot], here: Spot, ratio: float) -> float:
    """Log likelihood ratio of what was seen as `spots` and now `here`: it stands there, or is the upper part of what is nearer by `ratio` (negative)."""
    return hypotheses.behind_over_part(np.array([s.place for s in spots]), np.array([s.eye for s in spots]), np.array([s.covariance for s in spots]),
                                       here.place, here.eye, here.covariance, ratio)

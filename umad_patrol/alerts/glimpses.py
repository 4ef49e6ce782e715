"""What lies right above something nearer in the picture: its upper part, or another thing behind it. Where it seems to stand as the camera moves tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from umad_patrol.alerts.hypotheses import inverses
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


def behind_over_part(before: Sequence[Spot], here: Spot, ratio: float) -> float:
    """Log likelihood ratio of what was seen as the spots `before` and now `here`: it stands there, or is the upper part of something nearer (negative).

    A part that is `ratio` times as far as what it belongs to, where the rays through its foot meet the ground, is there at k X - (k - 1) eye with k the ratio and
    X where it really is: it comes (k - 1) times as far towards the camera as that moves.
    """
    stands = here.place - np.mean([spot.place for spot in before], axis=0)
    comes = (ratio - 1.0) * (here.eye - np.mean([spot.eye for spot in before], axis=0))
    covariance = here.covariance + np.mean([spot.covariance for spot in before], axis=0) / len(before)
    information = inverses(covariance)
    part = stands + comes
    return float(part @ information @ part - stands @ information @ stands) / 2

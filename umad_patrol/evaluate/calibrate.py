"""The threshold of a site, from a run over the taught route on which there is nothing to find: every region is a false one.

Regions are cut once, at a floor. As long as a threshold is not below `detect.low_threshold`, the regions at it are just those
of the floor whose highest score reaches it (see detect/regions.py), so counting them replaces detecting anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from umad_patrol.config import DetectSettings
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ConfigError
from umad_patrol.evaluate.exposure import Exposure
from umad_patrol.records import ANOMALY, COMPARED, Result

HOUR, KM = "hour", "km"
FLOOR, MET, SHORT, NONE = "floor", "met", "too short", "none"
STEP, DIGITS = 1e-4, 4  # thresholds are multiples of this; scores of a detector that is sure of itself lie close to 1
MARGIN = 1.5          # by which the odds s / (1 - s) of the highest score are raised, where a recording is too short to tell
SAME_PICTURE = 5.0    # mean difference in grey levels up to which two pictures of one stamp are the same, JPEG aside


@dataclass(frozen=True)
class Alarm:
    """A region that is an alarm at the floor: its highest score, its pixels, its box (x, y, width, height)."""

    stamp_ns: int
    score: float
    area_px: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Run:
    """What a run gave: alarms at the floor, how many frames, how many compared, and for how long and how far that was.

    `statuses` counts the frames by status, `reason` says of the last one that was not compared why.
    """

    alarms: tuple[Alarm, ...]
    frames: int
    compared: int
    hours: float
    km: float
    statuses: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    def length(self, per: str) -> float:
        """Hours or kilometres compared."""
        return self.hours if per == HOUR else self.km

    def count(self, threshold: float) -> int:
        """Alarms at a threshold."""
        return _reaching([alarm.score for alarm in self.alarms], threshold)

    def at(self, threshold: float) -> dict[str, float | int | None]:
        """A point of the curve; a rate is None where there is no length to speak of."""
        regions = self.count(threshold)
        return {"threshold": round(threshold, DIGITS), "regions": regions,
                **{f"per_{per}": round(regions / self.length(per), 3) if self.length(per) > 0 else None for per in (HOUR, KM)}}


@dataclass(frozen=True)
class Choice:
    """A threshold, None where there is none, and why in words. `outcome` is FLOOR, MET, SHORT or NONE."""

    threshold: float | None
    outcome: str
    says: str


class Gatherer:
    """Takes in the results of a run, frame by frame.

    Only regions of class "anomaly" are alarms: people and vehicles ("dynamic"), and what was moved or taken away ("changed") are not.
    """

    def __init__(self, detect: DetectSettings, floor: float):
        self._detect = replace(detect.resolved(), threshold=floor)
        self._alarms: list[Alarm] = []
        self._exposure = Exposure()
        self._statuses: Counter[str] = Counter()
        self._reason = ""

    def add(self, result: Result) -> None:
        """Count a frame. Raises ConfigError for one from which the map was taught."""
        frame, compared = result.frame, result.status == COMPARED
        self._exposure.add(frame.stamp_ns, frame.map_T_camera[:3, 3], compared)
        self._statuses[result.status] += 1
        if not compared:
            self._reason = result.reason
        else:
            _check_own(result)
            self._alarms += [Alarm(frame.stamp_ns, region.score, region.area_px, region.box)
                             for region in find_regions(result.score_map, self._detect)[1] if region.class_name == ANOMALY]

    def run(self) -> Run:
        """What was gathered so far."""
        return Run(tuple(self._alarms), self._statuses.total(), self._statuses[COMPARED], self._exposure.hours, self._exposure.km,
                   {status: count for status, count in self._statuses.items() if count}, self._reason)


def smallest_threshold(scores: Iterable[float], allowed: int, floor: float) -> float | None:
    """The smallest multiple of 0.0001 from `floor` up to 1 that at most `allowed` scores reach; None if even 1 is reached by more."""
    high = sorted(scores, reverse=True)
    if _reaching(high, floor) <= allowed:
        return floor
    threshold = _above(high[allowed])
    return threshold if threshold <= 1.0 else None


def choose(run: Run, rate: float, per: str, floor: float) -> Choice:
    """The smallest threshold at which there are at most `rate` alarms an hour or a kilometre."""
    length, scores = run.length(per), [alarm.score for alarm in run.alarms]
    allowed = math.floor(rate * length + 1e-9)
    threshold, a_rate = smallest_threshold(scores, allowed, floor), f"{number(rate)} regions {_a(per)}"
    if threshold is None:
        return Choice(None, NONE, f"no threshold gives {a_rate}: {run.count(1.0)} regions score 1, the most there is, and {allowed} are allowed; "
                                  "was the run free of anomalies?")
    short = f"{_length(length, per)} cannot tell rates under {number(1 / length)} {_a(per)}" if allowed < 1 else ""
    if threshold == floor:
        return Choice(floor, FLOOR, f"even the floor of {floor:g} gives at most {a_rate}: {run.count(floor)} regions" + (f"; {short}" if short else ""))
    if short:
        raised = _raised(max(scores))
        return Choice(raised, SHORT, f"{short}; set to {raised:g}, the highest score seen ({max(scores):.4g}) and a margin")
    return Choice(threshold, MET, f"the smallest threshold that gives at most {a_rate}: {run.count(threshold)} regions in {_length(length, per)}")


def curve(run: Run, floor: float) -> list[dict]:
    """Alarms, and their rates, at the floor and every hundredth above it."""
    return [run.at(t) for t in (floor, *(k / 100 for k in range(math.floor(100 * floor + 1e-9) + 1, 101)))]


def worst(run: Run, most: int = 10) -> Sequence[Alarm]:
    """The alarms with the highest scores: what to look at first."""
    return sorted(run.alarms, key=lambda alarm: -alarm.score)[:most]


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _reaching(scores: Sequence[float], threshold: float) -> int:
    """How many scores reach a threshold, as the detector compares them: in single precision."""
    return int(np.count_nonzero(np.asarray(scores, np.float32) >= np.float32(threshold)))


def _above(score: float) -> float:
    """The smallest multiple of STEP that a score does not reach."""
    steps = max(0, math.floor(score / STEP) - 1)
    while _reaching([score], round(steps * STEP, DIGITS)):
        steps += 1
    return round(steps * STEP, DIGITS)


def _raised(score: float) -> float:
    """A score below 1 and a margin, which is smaller the nearer it is to 1."""
    odds = MARGIN * score / (1 - score)
    return min(1.0, _above(odds / (1 + odds)))


def _check_own(result: Result) -> None:
    """Raise ConfigError if a frame is the very keyframe it is compared with: then nothing differs, whatever the site is like."""
    frame, reference = result.frame, result.reference
    if frame.stamp_ns == reference.stamp_ns and frame.image.shape == reference.image.shape:
        if np.abs(frame.image.astype(np.int16) - reference.image).mean() < SAME_PICTURE:
            raise ConfigError(f"the frame at {frame.stamp_ns / 1e9:.3f} s is a keyframe of the map: the map was taught from this recording; "
                              "calibrate on a second run over the route")


def _a(per: str) -> str:
    return "an hour" if per == HOUR else "a km"


def _length(length: float, per: str) -> str:
    return f"{60 * length:.3g} min" if per == HOUR else f"{length:.3g} km"

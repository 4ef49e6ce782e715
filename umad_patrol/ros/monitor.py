"""What a node has to say of itself on /diagnostics. Needs no ROS.

The level follows rules, the worst that applies:

- ERROR: a transition failed; alerts cannot be raised or written; keyframes are lost while teaching; nothing could be worked on for 30 s although
  the node is active (no image, not localized, no usable calibration).
- WARN: the node is not active; no frame for 5 s; the newest frame was not compared (no reference here, not comparable, a fault); the localization is farther
  from what the pictures tell, in the median of the last frames, than is made good with ease.
- OK: frames are compared, or the node was activated less than 5 s ago.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from umad_patrol.records import COMPARED, NO_REFERENCE, NOT_COMPARABLE

OK, WARN, ERROR = 0, 1, 2
REASONS = (NO_REFERENCE, NOT_COMPARABLE, "not localized", "bad image", "bad camera", "bad pose", "out of order", "time ran backwards")
RECENT_S = 5.0   # rate and verdict are of the last seconds
SILENT_S = 30.0  # after which nobody may think that the patrol goes on
LATENCIES = 300
OTHER_CLOCK_S = 3600.0  # stamps farther from now are of another clock: a recording played without use_sim_time
TAUGHT = "taught"
NO_IMAGE = "no image has come yet; is the image topic remapped to the camera's?"
NO_MORE, WAITING = "no image comes", "those that come still wait"
FEW = 20         # frames that say nothing yet of the localization
LATELY_S = 30.0
OFF_M, OFF_DEG = 0.3, 3.0
_DOING = {COMPARED: "comparing", TAUGHT: "teaching"}
_PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


class Monitor:
    """Counts frames by what became of them, and times them; `good` is what should. Safe to share between threads."""

    def __init__(self, good: str = COMPARED, clock: Callable[[], float] = time.monotonic) -> None:
        self._good, self._clock, self._lock = good, clock, threading.Lock()
        self._done: deque[tuple[float, str]] = deque(maxlen=1000)
        self._work_s: deque[float] = deque(maxlen=LATENCIES)
        self._latency_s: deque[float] = deque(maxlen=LATENCIES)
        self._off: deque[tuple[float, float, float]] = deque(maxlen=LATENCIES)
        self._counts: Counter[str] = Counter()
        self._newest, self._last_reason, self._frame_reason = "", "", ""   # what became of the newest frame; why, of any and of that one
        self._refused = 0
        self._images, self._image_at = 0, self._clock()   # how many had come, and since when
        self._started = self._clock()

    def frame(self, status: str, reason: str, work_s: float, latency_s: float, off: tuple[float, float] | None = None) -> None:
        """A frame was worked on; `latency_s` is the time from its stamp to the end of publishing, by the node's clock, `off` how far the
        localization is from what the pictures tell, in metres and degrees, if they do."""
        with self._lock:
            self._done.append((self._clock(), status))
            self._counts[status] += 1
            self._work_s.append(work_s)
            if 0 <= latency_s < OTHER_CLOCK_S:
                self._latency_s.append(latency_s)
            if off is not None:
                self._off.append((self._clock(), *off))
            self._newest, self._frame_reason = status, reason
            if status != self._good:
                self._last_reason = reason

    def fault(self, reason: str, message: str) -> None:
        """A frame could not be worked on."""
        with self._lock:
            self._counts[reason] += 1
            self._newest, self._frame_reason = reason, message
            self._last_reason = message

    def status(self, images: int, dropped: int, refused: Counter[str], last_refusal: str, trouble: str = "") -> tuple[int, str, dict[str, str]]:
        """Level, message and values; the arguments are the counts of the frame assembler, and what else is wrong, in words."""
        with self._lock:
            now = self._clock()
            recent = [status for moment, status in self._done if now - moment <= RECENT_S]
            if refused.total() > self._refused:
                self._refused, self._last_reason = refused.total(), last_refusal
            if images != self._images:
                self._images, self._image_at = images, now
            counts, last = self._counts + refused, self._last_reason
            newest = self._newest
            silent_s = now - (self._done[-1][0] if self._done else self._started)
            work_s, latency_s = list(self._work_s), list(self._latency_s)
            lately = [off for moment, *off in self._off if now - moment <= LATELY_S]
            off = np.median(lately, axis=0) if len(lately) >= FEW else None
        rate = len(recent) / RECENT_S
        why = (last or WAITING) if now - self._image_at <= RECENT_S else NO_MORE    # a camera that stopped: what was refused before is no reason
        level, message = self._verdict(rate, bool(recent), bool(images), newest, silent_s, why)
        if level == OK and off is not None and (off[0] > OFF_M or off[1] > OFF_DEG):
            level, message = WARN, f"the localization is {off[0]:.2f} m and {off[1]:.1f} degrees from what the pictures tell"
        if trouble:
            level, message = ERROR, trouble
        values = {"rate_hz": f"{rate:.2f}", "images": str(images), "dropped": str(dropped), self._good: str(counts[self._good]),
                  "compared_percent" if self._good == COMPARED else "taught_percent":
                      f"{100 * recent.count(self._good) / len(recent):.0f}" if recent else ""}
        if off is not None:
            values |= {"localization_off_m": f"{off[0]:.3f}", "localization_off_deg": f"{off[1]:.2f}"}
        values |= {reason: str(counts[reason]) for reason in (*REASONS, *sorted(set(counts) - {*REASONS, self._good}))}
        return level, message, {**values, **_milliseconds("work", work_s), **_milliseconds("latency", latency_s), "last_reason": last}

    def _verdict(self, rate: float, recent: bool, images: bool, newest: str, silent_s: float, why: str) -> tuple[int, str]:
        grave = ERROR if silent_s > SILENT_S else WARN
        if not recent and not newest and silent_s < RECENT_S:
            return OK, "waiting for the first frame"
        if not images:
            return grave, NO_IMAGE
        if not recent:
            return grave, f"no frame for {silent_s:.0f} s: {why}"
        if newest != self._good:
            return WARN, self._frame_reason
        return OK, f"{_DOING[self._good]} at {rate:.1f} Hz"


def _milliseconds(name: str, seconds: list[float]) -> dict[str, str]:
    values = np.percentile(seconds, list(_PERCENTILES.values())) if seconds else [float("nan")] * len(_PERCENTILES)
    return {f"{name}_ms_{label}": f"{1e3 * value:.1f}" if seconds else "" for label, value in zip(_PERCENTILES, values)}

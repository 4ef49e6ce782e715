"""What a node has to say of itself on /diagnostics. Needs no ROS."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from umad_patrol.records import COMPARED, NO_REFERENCE, NOT_COMPARABLE

OK, WARN, ERROR = 0, 1, 2
REASONS = (NO_REFERENCE, NOT_COMPARABLE, "not localized", "bad image", "bad camera", "bad pose", "out of order", "time ran backwards")
RECENT_S = 5.0  # rate and verdict are of the last seconds
LATENCIES = 300
OTHER_CLOCK_S = 3600.0  # stamps farther from now are of another clock: a recording played without use_sim_time
TAUGHT = "taught"
_DOING = {COMPARED: "comparing", TAUGHT: "teaching"}


class Monitor:
    """Counts frames by what became of them, and times them; `good` is what should. Safe to share between threads."""

    def __init__(self, good: str = COMPARED, clock: Callable[[], float] = time.monotonic) -> None:
        self._good, self._clock, self._lock = good, clock, threading.Lock()
        self._done: deque[tuple[float, str]] = deque(maxlen=1000)
        self._work_s: deque[float] = deque(maxlen=LATENCIES)
        self._age_s: deque[float] = deque(maxlen=LATENCIES)
        self._counts: Counter[str] = Counter()
        self._last_reason, self._frame_reason = "", ""
        self._refused = 0
        self._started = self._clock()

    def frame(self, status: str, reason: str, work_s: float, age_s: float) -> None:
        """A frame was worked on; `age_s` is the time from its stamp to its result, by the node's clock."""
        with self._lock:
            self._done.append((self._clock(), status))
            self._counts[status] += 1
            self._work_s.append(work_s)
            if 0 <= age_s < OTHER_CLOCK_S:
                self._age_s.append(age_s)
            self._frame_reason = reason
            if status != self._good:
                self._last_reason = reason

    def fault(self, reason: str, message: str) -> None:
        """A frame could not be worked on."""
        with self._lock:
            self._counts[reason] += 1
            self._last_reason = message

    def status(self, images: int, dropped: int, refused: Counter[str], last_refusal: str) -> tuple[int, str, dict[str, str]]:
        """Level, message and values; the arguments are the counts of the frame assembler."""
        with self._lock:
            now = self._clock()
            recent = [status for moment, status in self._done if now - moment <= RECENT_S]
            if refused.total() > self._refused:
                self._refused, self._last_reason = refused.total(), last_refusal
            counts, last = self._counts + refused, self._last_reason
            newest = self._done[-1][1] if self._done else ""
        rate = len(recent) / RECENT_S
        level, message = OK, f"{_DOING[self._good]} at {rate:.1f} Hz"
        if not recent and now - self._started < RECENT_S:
            message = "waiting for the first frame"
        elif not images:
            level, message = WARN, "no image has come yet; is the image topic remapped to the camera's?"
        elif not recent:
            level, message = WARN, f"no frame in the last {RECENT_S:g} s: {last or 'no image comes'}"
        elif newest != self._good:
            level, message = WARN, self._frame_reason
        values = {"rate_hz": f"{rate:.2f}", "images": str(images), "dropped": str(dropped), self._good: str(counts[self._good]),
                  "coverage_percent": f"{100 * recent.count(self._good) / len(recent):.0f}" if recent else ""}
        values |= {reason: str(counts[reason]) for reason in (*REASONS, *sorted(set(counts) - {*REASONS, self._good}))}
        values |= {**_milliseconds("work", self._work_s), **_milliseconds("age", self._age_s), "last_reason": last}
        return level, message, values


def _milliseconds(name: str, seconds: deque[float]) -> dict[str, str]:
    percentiles = np.percentile(list(seconds), (50, 95, 100)) if seconds else (float("nan"),) * 3
    return {f"{name}_ms_{label}": f"{1e3 * value:.1f}" if seconds else "" for label, value in zip(("p50", "p95", "max"), percentiles)}

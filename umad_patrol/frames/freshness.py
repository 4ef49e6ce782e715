"""Whether a better frame comes so soon that waiting for it makes the result younger."""

from __future__ import annotations

LONGEST_S = 0.1   # slower cameras are not waited for
HALF, LATE = 0.5, 1.3  # of the usual time between two frames: from when on, and until when, the next one is waited for
FOLLOW = 0.1      # how quickly what is usual follows


class Freshness:
    """Learns how often frames become ready.

    Who takes the newest frame whenever there is time finds it on average half a period old. One that is older is left
    for the next: that costs an eighth of a period on average, and the results are younger and their age steadier.
    """

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._ready_s = 0.0
        self._period_s = 0.0

    def ready(self, stamp_ns: int, now_s: float) -> None:
        """The newest frame that is ready is that of `stamp_ns`."""
        if stamp_ns == self._stamp_ns:
            return
        if self._stamp_ns is not None:
            passed = min(now_s - self._ready_s, 1.0)
            self._period_s = passed if not self._period_s else (1 - FOLLOW) * self._period_s + FOLLOW * passed
        self._stamp_ns, self._ready_s = stamp_ns, now_s

    def wait_s(self, now_s: float) -> float:
        """How long to wait for the next frame rather than take the one there is; 0 if that is to be taken."""
        age_s = now_s - self._ready_s
        if self._period_s > LONGEST_S or not HALF * self._period_s < age_s < LATE * self._period_s:
            return 0.0
        return LATE * self._period_s - age_s

    def reset(self) -> None:
        """Time ran backwards."""
        self._stamp_ns, self._period_s = None, 0.0

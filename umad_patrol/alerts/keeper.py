"""What a patrol keeps goes through here: nothing is lost while the disk refuses, and the patrol goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.errors import StoreError
from umad_patrol.records import Alert

AGAIN_S = 2.0         # between two tries to write what the disk refused
MOST_PIECES = 5000    # of the way that wait for a disk; older ones are given up


class Keeper:
    """Writes alerts and coverage to a store, keeps what could not be written, and tries again.

    `trouble` says in words what is wrong now, "" if nothing is.
    """

    def __init__(self, store: AlertStore, clock: Callable[[], float] = time.monotonic):
        self.store, self.trouble = store, ""
        self._clock, self._again_at = clock, 0.0
        self._alerts: dict[str, Alert] = {}
        self._pieces: deque[Stretch] = deque(maxlen=MOST_PIECES)

    def keep(self, alerts: Iterable[Alert]) -> None:
        """Write alerts, and what waits; at once unless the disk refused a moment ago."""
        self._alerts |= {alert.id: alert for alert in alerts}
        if self.ready:
            self._write()

    def add_coverage(self, stretch: Stretch) -> None:
        """Write a piece of the way."""
        self._pieces.append(stretch)
        self.keep(())

    @property
    def ready(self) -> bool:
        """Whether writing is worth a try."""
        return not self.trouble or self._clock() >= self._again_at

    def failed(self, error: StoreError) -> None:
        """Something else could not be written."""
        self.trouble, self._again_at = str(error), self._clock() + AGAIN_S

    def flush(self) -> None:
        """Write everything that waits. Raises StoreError where that fails."""
        self._write()
        if self._alerts or self._pieces:
            raise StoreError(f"{len(self._alerts)} alerts and {len(self._pieces)} pieces of the way could not be written: {self.trouble}")

    def _write(self) -> None:
        try:
            self.store.save(self._alerts.values())
            self._alerts = {}
            while self._pieces:
                self.store.add_coverage(self._pieces[0])
                self._pieces.popleft()
            self.trouble = ""
        except StoreError as error:
            self.failed(error)

"""The thread that does a node's work, outside its callbacks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from umad_patrol.errors import PatrolError
from umad_patrol.frames import FrameAssembler

log = logging.getLogger(__name__)

LOOK_S = 0.1  # how long a stop may take to be seen
INTERNAL = "internal error"


class Worker:
    """Takes what the assembler has ready and works on it, one at a time, until stopped.

    `work` is called with each frame or cloud; what it raises goes to `fault(reason, message)` and the thread goes on.
    """

    def __init__(self, frames: FrameAssembler, work: Callable[[Any], None], fault: Callable[[str, str], None]):
        self._frames, self._work, self._fault = frames, work, fault
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umad_patrol worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being worked on and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                record = self._frames.take(wait_s=LOOK_S)
                if record is not None:
                    self._work(record)
            except PatrolError as error:
                self._fault(error.reason, str(error))
            except Exception as error:  # ours: one bad frame must not end the patrol
                if self._stop.is_set():
                    return
                log.warning("internal error", exc_info=True)
                self._fault(INTERNAL, f"{type(error).__name__}: {error}")

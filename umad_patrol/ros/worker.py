"""The thread that does a node's work, outside its callbacks."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

from umad_patrol.errors import PatrolError
from umad_patrol.frames import FrameAssembler

log = logging.getLogger(__name__)

LOOK_S = 0.1  # how long a stop or a job may take to be seen
TICK_S = 0.005  # how long an executor that awaits a job sleeps at a time
SWITCH_S = 0.001  # a callback that waits for the interpreter gets it from the worker this soon; Python's default is 5 ms
NICE = 5  # the work on pictures gives way to the callbacks, and to the drivers of the robot
INTERNAL = "internal error"


def in_words(error: Exception) -> str:
    """What went wrong: as it was raised on purpose or by the disk, or else as a fault of ours."""
    return str(error) if isinstance(error, (PatrolError, OSError)) else f"{INTERNAL}: {type(error).__name__}: {error}"


def gently(work: Callable[[], Any]) -> Any:
    """Do something in a thread of low priority, and wait for it: the threads that it starts for good have that too."""
    job = Job(work)
    threading.Thread(target=lambda: (step_back(), job.run()), name="umad_patrol gently").start()
    return job.wait()


def step_back() -> None:
    """Let other threads and processes of the robot go before this thread; what it starts afterwards does so too (Linux)."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    except OSError:  # not allowed here: then it works as all others do
        pass


class Job:
    """Something that the worker does between two frames. A service callback awaits it; the executor serves others meanwhile."""

    def __init__(self, work: Callable[[], Any]):
        self._work, self._done = work, threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it; in the worker's thread."""
        try:
            self._result = self._work()
        except Exception as error:  # whoever awaits it gets it
            self._error = error
        self._done.set()

    def give_up(self) -> None:
        """The worker ends before it came to this."""
        self._error = PatrolError("the node stops")
        self._done.set()

    def __await__(self) -> Generator[None, None, Any]:
        while not self._done.wait(TICK_S):  # rclpy calls again at once what yields: without the wait it would spin
            yield
        return self.result()

    def wait(self) -> Any:
        """What came of it, once it is done. A signal may end the wait, as it may not Thread.join: to Python 3.12 that counts the thread as ended then."""
        self._done.wait()
        return self.result()

    def result(self) -> Any:
        """What came of it. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result


class Worker:
    """Takes what the assembler has ready and works on it, one at a time, until stopped; does jobs between.

    `work` is called with each frame or cloud; what it raises goes to `fault(reason, message)` and the thread goes on, unless
    the node is no longer `alive()`: a signal ends rclpy under whatever is being published just then.
    """

    def __init__(self, frames: FrameAssembler, work: Callable[[Any], None], fault: Callable[[str, str], None], alive: Callable[[], bool]):
        self._frames, self._work, self._fault, self._alive = frames, work, fault, alive
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._stop, self._ended = threading.Event(), threading.Event()
        sys.setswitchinterval(SWITCH_S)
        self._thread = threading.Thread(target=self._run, name="umad_patrol worker", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Any]) -> Job:
        """Have something done between two frames."""
        job = Job(work)
        self._jobs.put(job)
        return job

    def stop(self) -> None:
        """Finish what is being worked on and end."""
        self._stop.set()
        self._ended.wait()      # see Job.wait
        self._thread.join()
        while not self._jobs.empty():
            self._jobs.get().give_up()

    def _run(self) -> None:
        step_back()
        try:
            self._take_all()
        finally:
            self._ended.set()

    def _take_all(self) -> None:
        while not self._stop.is_set():
            try:
                while not self._jobs.empty():
                    self._jobs.get().run()
                record = self._frames.take(wait_s=LOOK_S)
                if record is not None:
                    self._work(record)
            except PatrolError as error:
                self._fault(error.reason, str(error))
            except Exception as error:  # ours: one bad frame must not end the patrol
                if self._stop.is_set() or not self._alive():
                    return
                log.warning("internal error", exc_info=True)
                self._fault(INTERNAL, f"{type(error).__name__}: {error}")

"""Start, spin and end of every node: Ctrl-C and SIGTERM give exit status 0, whenever they come, unless the node ends without what it was to leave."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import uninstall_signal_handlers

from umad_patrol.errors import PatrolError
from umad_patrol.io.memory import keep_freed_memory

STOP_SECONDS = 2.0
GRACE_SECONDS = 0.5


def run_node(make: Callable[[], Node], args: list[str] | None = None,
             spin: Callable[[SingleThreadedExecutor, Node], None] | None = None) -> int:
    """Make a node and spin it until it is told to stop; `spin` may do that in its own way and end it by returning.

    Returns the exit status: 0 done or stopped, 2 for parameters or input that cannot be used (one line says which), or what
    the node has as its `exit_status` once it is destroyed.
    """
    keep_freed_memory()
    run, status = _Run(make, spin), 0
    try:
        status = run.go(args)
    except KeyboardInterrupt:   # perhaps while another failure, of the same signal, was being looked into
        pass
    finally:
        while not run.ended:
            try:
                run.end()
            except KeyboardInterrupt:
                pass
    return status or run.status


class _Run:
    """A node from start to end; `ended` once all of it is gone, with the `status` that its end gives."""

    def __init__(self, make: Callable[[], Node], spin: Callable[[SingleThreadedExecutor, Node], None] | None) -> None:
        self._make, self._spin = make, spin
        self._node: Node | None = None
        self._executor: SingleThreadedExecutor | None = None
        self.ended, self.status = False, 0

    def go(self, args: list[str] | None) -> int:
        """Returns the exit status."""
        started = False
        try:
            rclpy.init(args=args)
            started = True
            self._node = self._make()
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self._node)
            if self._spin is None:
                self._executor.spin()
            else:
                self._spin(self._executor, self._node)
        except ExternalShutdownException:
            pass
        except (PatrolError, ParameterException) as error:
            return _refuse(error)
        except Exception as error:
            if not _told_to_stop():
                raise
            if not started:  # a parameter file or --ros-args that rcl cannot read
                return _refuse(error)
            # else a signal shut the context down under whatever ran just then
        return 0

    def end(self) -> None:
        """Finish what is being written, first of all; a second call goes on where a signal broke the first one off."""
        _ignore_signals()   # launch sends one after the other
        uninstall_signal_handlers()     # and so wait for the thread in which rclpy wakes what the executor is about to free
        if self._executor is not None:
            self._executor.shutdown(timeout_sec=STOP_SECONDS)
        node, self._node = self._node, None
        if node is not None:
            node.destroy_node()
            self.status = getattr(node, "exit_status", 0)
        rclpy.try_shutdown()
        _forget_interrupts()
        self.ended = True


def _ignore_signals() -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)


def _forget_interrupts() -> None:
    """Have Python forget a KeyboardInterrupt that has left an `exec` of text, as every dataclass is made by.

    It would end a program run by -m with that signal, whatever status the program gives (CPython's unhandled_keyboard_interrupt);
    the next `exec` of text clears that.
    """
    exec("")


def _told_to_stop() -> bool:
    """Whether a signal has shut the context down or is about to: rclpy does that in a thread, while this one may fail at anything."""
    end = time.monotonic() + GRACE_SECONDS
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.02)
    return not rclpy.ok()


def _refuse(error: Exception) -> int:
    print(" ".join(str(error).split()), file=sys.stderr)
    return 2

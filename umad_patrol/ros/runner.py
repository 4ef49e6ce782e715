"""Start, spin and end of every node: Ctrl-C and SIGTERM give exit status 0, whenever they come."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from umad_patrol.errors import PatrolError

STOP_SECONDS = 2.0
GRACE_SECONDS = 0.5


def run_node(make: Callable[[], Node], args: list[str] | None = None,
             spin: Callable[[SingleThreadedExecutor, Node], None] | None = None) -> int:
    """Make a node and spin it until it is told to stop; `spin` may do that in its own way and end it by returning.

    Returns the exit status: 0 done or stopped, 2 for parameters or input that cannot be used (one line says which).
    """
    node, executor, status, started = None, None, 0, False
    try:
        rclpy.init(args=args)
        started = True
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if spin is None:
            executor.spin()
        else:
            spin(executor, node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (PatrolError, ParameterException) as error:
        status = _refuse(error)
    except Exception as error:
        if not _told_to_stop():
            raise
        if not started:  # a parameter file or --ros-args that rcl cannot read
            status = _refuse(error)
        # else a signal shut the context down under whatever ran just then
    finally:
        _end(node, executor)
    return status


def _told_to_stop() -> bool:
    """Whether a signal has shut the context down or is about to: rclpy does that in a thread, while this one may fail at anything."""
    end = time.monotonic() + GRACE_SECONDS
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.02)
    return not rclpy.ok()


def _refuse(error: Exception) -> int:
    print(" ".join(str(error).split()), file=sys.stderr)
    return 2


def _end(node: Node | None, executor: SingleThreadedExecutor | None) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):  # launch sends one after the other; what is being written is finished first
        signal.signal(sign, signal.SIG_IGN)
    if executor is not None:
        executor.shutdown(timeout_sec=STOP_SECONDS)
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    for sign in (signal.SIGINT, signal.SIGTERM):  # rclpy restored what was there before
        signal.signal(sign, signal.SIG_IGN)

"""What must not be broken off in its middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that are to end the work wait for the end of what is within."""
    if threading.current_thread() is not threading.main_thread():   # Python gives them to that one alone
        yield
        return
    come: list[int] = []
    usual = {number: signal.signal(number, lambda number, _: come.append(number)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        for number in come:
            signal.raise_signal(number)

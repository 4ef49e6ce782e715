"""Nodes as child processes: started, waited for, stopped, with their output in log files."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from umad_patrol.errors import RosError
from umad_patrol.io.memory import jemalloc_in

STOP_SECONDS = 20.0


def require_ros() -> None:
    """Raise RosError if rclpy cannot be imported here."""
    if importlib.util.find_spec("rclpy") is None:
        raise RosError("rclpy is not installed here; source a ROS 2 environment, or: pip install -r requirements-ros.txt")


class Node:
    """One running `python -m module --ros-args ...`, with jemalloc where that is installed, as the launch files have it."""

    def __init__(self, module: str, arguments: list[str], log: Path, environment: dict[str, str] | None = None):
        self.module, self.log = module, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self._process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=file, stderr=subprocess.STDOUT,
                                             stdin=subprocess.DEVNULL, env={**os.environ, **jemalloc_in(os.environ), **(environment or {})})

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def text(self) -> str:
        """What the process has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, line: str, seconds: float = 60.0) -> None:
        """Wait until the log holds `line`. Raises RosError if it does not come or the process ends."""
        self.wait_until(lambda: line in self.text(), f"to say {line!r}", seconds)

    def wait_until(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until `done()`. Raises RosError if that takes too long or the process ends before."""
        end = time.monotonic() + seconds
        while not done():
            if not self.running and not done():
                raise RosError(f"{self.module} ended with status {self._process.returncode} instead {what}; see {self.log}")
            if time.monotonic() > end:
                raise RosError(f"{self.module} took more than {seconds:g} s {what}; see {self.log}")
            time.sleep(0.05)

    def finish(self, seconds: float, tick: Callable[[], Any] = lambda: None) -> int:
        """Wait for the end of the process, calling `tick` meanwhile. Returns its exit status."""
        end = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > end:
                self._process.kill()
                raise RosError(f"{self.module} did not end within {seconds:g} s; see {self.log}")
            tick()
            time.sleep(0.1)
        return self._process.wait()

    def stop(self, sign: int = signal.SIGINT) -> int:
        """Ask the process to end, insist after a while. Returns its exit status (negative: killed)."""
        if self.running:
            self._process.send_signal(sign)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def parameters(values: dict[str, Any]) -> list[str]:
    """`--ros-args` for a node's parameters; a list of numbers is written as YAML."""
    words = ["--ros-args"]
    for name, value in values.items():
        words += ["-p", f"{name}:={_yaml(value)}"]
    return words


def remappings(names: dict[str, str]) -> list[str]:
    """`-r from:=to` for topic names, to follow `parameters`."""
    return [word for name, target in names.items() for word in ("-r", f"{name}:={target}")]


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(str(float(v)) for v in value) + "]"
    if isinstance(value, (str, Path)):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)

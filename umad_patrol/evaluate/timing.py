"""How long calls take: warm-up first, the device waited for, the middle and the slow end of many repetitions."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

WARM_UPS = 2


@dataclass(frozen=True)
class Timing:
    """What each repetition took."""

    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """In milliseconds."""
        return float(np.median(self.milliseconds))

    @property
    def p90(self) -> float:
        """What nine in ten repetitions do not exceed, in milliseconds."""
        return float(np.percentile(self.milliseconds, 90))


def measure(call: Callable[[], object], repeat: int, device: torch.device, name: str = "") -> Timing:
    """Call a few times unmeasured, then `repeat` times; a GPU's work is waited for before and after each."""
    for _ in range(WARM_UPS):
        call()
    return Timing(tuple(once(call, device) for _ in tqdm(range(repeat), desc=name, unit="call", leave=False, disable=None)))


def once(call: Callable[[], object], device: torch.device) -> float:
    """Milliseconds of one call."""
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return (time.perf_counter() - start) * 1e3


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch and OpenCV with so many threads each, and as they were afterwards."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def peak_mb() -> float:
    """The most memory that this process has held resident so far, in MB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def cpu_name() -> str:
    """As the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine(devices: list[torch.device]) -> dict:
    """What the figures were measured on."""
    gpu = next((torch.cuda.get_device_name(device) for device in devices if device.type == "cuda"), None)
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "gpu": gpu, "torch": torch.__version__}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""What a process takes of the machine. Needs no ROS."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from umad_patrol.io.memory import give_back_freed_memory

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mb() -> float:
    """Resident memory of this process in MB; NaN where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE / 1e6
    except (OSError, ValueError, IndexError):
        return float("nan")


def vitals(device: Any) -> dict[str, str]:
    """Device and memory, for diagnostics. `device` is a torch device."""
    values = {"device": str(device), "memory_mb": f"{resident_mb():.0f}"}
    if device.type == "cuda":
        torch = sys.modules["torch"]
        values |= {"device": f"{device} ({torch.cuda.get_device_name(device)})",
                   "device_memory_mb": f"{torch.cuda.memory_allocated(device) / 1e6:.0f}"}
    return values


def give_back_memory() -> None:
    """Hand freed memory back to the system, as far as it goes."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    give_back_freed_memory()

"""What a process does with memory that it has freed."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes.util import find_library

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8     # mallopt(3)
_KEPT_BYTES = 128 << 20
_MAPPED_BYTES = 32 << 20    # the most that glibc takes
_ARENAS = 1                 # threads wait for one another now and then, but what one has freed serves the others
_ONE_POOL = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0"    # jemalloc(3): for all threads and sizes; it keeps what is freed
_ALL_ARENAS = 4096          # MALLCTL_ARENAS_ALL


def keep_freed_memory() -> bool:
    """Have the process keep freed memory of the size of pictures, up to 128 MB, for the next picture. Whether that is possible here.

    Else glibc gives it back at once, and the kernel hands every page out anew, zeroed, at the next frame: that takes longer than much of
    what is done with it. For whoever starts a process, before its work; it holds that memory, and changes no result.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):     # no glibc
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_ARENA_MAX, _ARENAS))


def jemalloc_in(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the `environment` of a process for it to have its memory from jemalloc; nothing where that is not installed.

    glibc's malloc cannot use what a patrol has freed in pieces for the next large picture: it holds more than as much again as is in use.
    jemalloc keeps what is freed as well, in one piece. Nor is anything added where an allocator is preloaded already.
    """
    library, preloaded = find_library("jemalloc"), environment.get("LD_PRELOAD", "")
    if library is None or "malloc" in preloaded:
        return {}
    return {"LD_PRELOAD": " ".join(filter(None, (library, preloaded))), "MALLOC_CONF": environment.get("MALLOC_CONF", _ONE_POOL)}


def give_back_freed_memory() -> None:
    """Hand what is kept of freed memory back to the system, as far as it goes."""
    try:
        process = ctypes.CDLL(None)
    except (OSError, TypeError):
        return
    if hasattr(process, "mallctl"):     # jemalloc's
        process.mallctl(f"arena.{_ALL_ARENAS}.purge".encode(), None, None, None, ctypes.c_size_t(0))
    elif hasattr(process, "malloc_trim"):
        process.malloc_trim(0)

"""What the process does with memory that it has freed."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8     # mallopt(3)
_KEPT_BYTES = 128 << 20
_MAPPED_BYTES = 32 << 20    # the most that glibc takes
_ARENAS = 1                 # threads wait for one another now and then, but what one has freed serves the others


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

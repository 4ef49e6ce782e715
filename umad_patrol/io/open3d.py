"""Open3D, imported late: its wheel needs libusb, which the libusb-package wheel brings where the system has none."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from types import ModuleType

from umad_patrol.errors import PatrolError

SYSTEM_LIBRARIES = "libusb-1.0-0 libgl1 libegl1 libx11-6 libudev1 libidn2-0"


@lru_cache(maxsize=1)
def open3d() -> ModuleType:
    """The open3d module. Raises PatrolError naming the command that installs what it lacks."""
    try:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError, AttributeError):
        pass  # the system's own libusb may serve
    try:
        import open3d as module
    except (ImportError, OSError) as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):     # in the middle of it
            raise KeyboardInterrupt from error
        raise PatrolError(f"open3d cannot be imported ({error}); try: sudo apt-get install {SYSTEM_LIBRARIES}") from error
    return module

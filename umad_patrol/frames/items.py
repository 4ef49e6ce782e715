"""What an assembler holds and hands out besides frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Cloud:
    """The points of one sweep, `(N, 3)` float32 in `map`."""

    stamp_ns: int
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Waiting:
    """A picture or a point cloud whose pose is not known yet, as it came."""

    stamp_ns: int
    msg: Any
    arrived_s: float
    is_cloud: bool

    @property
    def size(self) -> int:
        return len(self.msg.data)

"""Where an alignment takes points of the reference."""

from __future__ import annotations

import numpy as np

from umad_patrol.geometry.homography import transform
from umad_patrol.records import Alignment


def to_query(alignment: Alignment, points: np.ndarray) -> np.ndarray:
    """Reference pixels `(N, 2)` as the alignment lays them on the query, `(N, 2)`; NaN for what goes to infinity."""
    return transform(alignment.query_H_reference, points)

"""PME, the mean distance in pixels between a query's annotated points and the reference's, warped (UMAD, arXiv 2408.12527)."""

from __future__ import annotations

import numpy as np

from umad_patrol.align.layers import to_query
from umad_patrol.geometry.homography import transform
from umad_patrol.records import Alignment

MOST_PX = 60.0
FAILURE_PX = 10.0


def pme(query_H_reference: np.ndarray | None, points: np.ndarray) -> float:
    """Mean distance in pixels of points `(N, 4)` (xr yr xq yq) warped and annotated, each at most 60; 60 for None."""
    return MOST_PX if query_H_reference is None else mean_distance(transform(query_H_reference, points[:, :2]), points)


def pme_of(alignment: Alignment, points: np.ndarray) -> float:
    """As `pme`, of where the alignment takes the points; 60 for one that is not comparable."""
    return mean_distance(to_query(alignment, points[:, :2]), points) if alignment.comparable else MOST_PX


def mean_distance(warped: np.ndarray, points: np.ndarray) -> float:
    """Mean distance of `warped` `(N, 2)` from where `points` `(N, 4)` have them; what is NaN or farther counts 60 px."""
    distance = np.linalg.norm(warped - points[:, 2:], axis=1)
    return float(np.minimum(np.nan_to_num(distance, nan=MOST_PX), MOST_PX).mean())


def summary(errors: list[float]) -> dict:
    """Mean, median, 95th percentile and worst of the pairs' PME, and how many are over 10 px."""
    values = np.asarray(errors, np.float64)
    figures = {"mean_px": values.mean(), "median_px": np.median(values), "p95_px": np.percentile(values, 95), "worst_px": values.max()}
    return {name: round(float(value), 4) for name, value in figures.items()} | {"failures": int((values > FAILURE_PX).sum())}

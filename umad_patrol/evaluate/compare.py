"""One pair of pictures without poses or time: align if asked for, detect, cut into regions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from umad_patrol.config import Settings
from umad_patrol.errors import ImageError
from umad_patrol.io.images import to_tensor
from umad_patrol.pipeline import Comparer
from umad_patrol.records import Alignment, Camera, Reference, Region, ScoreMap

SMALLEST_PX = 16


@dataclass(frozen=True, eq=False)
class Compared:
    """Mask `(H, W)` uint8, regions, the highest score of any class `(H, W)` float32; `alignment` is None where none was asked for.

    `score_map` has the classes apart; it is None where the pictures were not comparable.
    """

    mask: np.ndarray
    regions: tuple[Region, ...]
    scores: np.ndarray
    alignment: Alignment | None
    milliseconds: float
    score_map: ScoreMap | None = None

    @property
    def comparable(self) -> bool:
        """False where the reference could not be laid on the query, so that the empty mask says nothing."""
        return self.alignment is None or self.alignment.comparable


class PairComparer:
    """Compares pictures of equal size, with the reference laid on the query first or taken as it is."""

    def __init__(self, settings: Settings, align: bool):
        self._comparer = Comparer(settings)
        self._align, self._above_horizon_px = align, settings.detect.above_horizon_px
        self.detector = self._comparer.detector

    def compare(self, reference: np.ndarray, query: np.ndarray, valid: np.ndarray | None = None, horizon: int = 0) -> Compared:
        """Compare two BGR pictures. `valid` `(H, W)` bool is where the reference, taken as it is, shows anything.

        A row of the `horizon` lets the detector leave out what lies above, as a patrol with poses does.

        Raises ImageError for unequal sizes and for pictures too small to compare.
        """
        _check(reference, query)
        start = time.perf_counter()
        camera = Camera(reference.shape[1], reference.shape[0], np.eye(3))
        found = self._comparer.compare_laid(query, [Reference(0, "pair", 0, reference, camera, np.eye(4))], lambda pair: (
            self._comparer.aligner.align(query, pair) if self._align else self._as_it_lies(pair.image, valid)),
            top=max(0, horizon - self._above_horizon_px))
        scores = np.zeros(query.shape[:2], np.float32) if found.score_map is None else found.score_map.scores[0].amax(0).cpu().numpy()
        return Compared(found.mask, found.regions, scores, found.alignment if self._align else None, (time.perf_counter() - start) * 1e3,
                        found.score_map)

    def _as_it_lies(self, reference: np.ndarray, valid: np.ndarray | None) -> Alignment:
        seen = np.ones(reference.shape[:2], bool) if valid is None else valid
        device = self._comparer.device
        return Alignment(np.eye(3), "none", 0, 0, 0.0, 0.0, float(seen.mean()), True, "taken as it lies", to_tensor(reference, device),
                         torch.from_numpy(seen).to(device)[None, None])


def _check(reference: np.ndarray, query: np.ndarray) -> None:
    sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (reference, query)]
    if sizes[0] != sizes[1]:
        raise ImageError(f"the reference is {sizes[0]}, the query {sizes[1]}: pictures must be of one size; scale one, never stretch it")
    if min(query.shape[:2]) < SMALLEST_PX:
        raise ImageError(f"pictures of {sizes[1]} pixels are too small to compare: {SMALLEST_PX}x{SMALLEST_PX} at least")

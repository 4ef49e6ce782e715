"""One pair of pictures without poses or time: align if asked for, detect, cut into regions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from umad_patrol.comparer import Comparer
from umad_patrol.config import Settings
from umad_patrol.detect import Detector
from umad_patrol.errors import ImageError
from umad_patrol.evaluate.beside import Beside
from umad_patrol.io.images import to_tensor
from umad_patrol.records import ANOMALY, Alignment, Camera, Reference, Region, ScoreMap

SMALLEST_PX = 16


@dataclass(frozen=True, eq=False)
class Compared:
    """Mask `(H, W)` uint8, regions, the score of *anomaly* `(H, W)` float32 (of any class where there is none of that name).

    `alignment` is None where none was asked for. `score_map` has the classes apart; it is None where the pictures were not comparable.
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
    """Compares pictures of equal size, with the reference laid on the query first or taken as it is.

    With another `detector` than the one that the settings name, if there is one. With a seed `moved`, references taken as they are
    are first seen from a little beside, otherwise for each pair, and known to be: as on a patrol.
    """

    def __init__(self, settings: Settings, align: bool, detector: Detector | None = None, moved: int | None = None):
        self._comparer = Comparer(settings, detector=detector)
        self._align, self._above_horizon_px = align, settings.detect.above_horizon_px
        self.detector = self._comparer.detector
        self._draw = None if moved is None else torch.Generator().manual_seed(moved)

    def compare(self, reference: np.ndarray, query: np.ndarray, valid: np.ndarray | None = None, horizon: int = 0) -> Compared:
        """Compare two BGR pictures. `valid` `(H, W)` bool is where the reference, taken as it is, shows anything.

        A row of the `horizon` lets the detector leave out what lies above, as a patrol with poses does.

        Raises ImageError for unequal sizes and for pictures too small to compare.
        """
        _check(reference, query)
        seen = np.ones(reference.shape[:2], bool) if valid is None else valid
        beside = None if self._draw is None else Beside.of(reference, seen, self._draw, self._comparer.device)
        start = time.perf_counter()
        camera = Camera(reference.shape[1], reference.shape[0], np.eye(3))
        pair = Reference(0, "pair", 0, reference if beside is None else beside.taken, camera, np.eye(4))
        found = self._comparer.compare_laid(query, [pair], lambda pair: (
            self._comparer.aligner.align(query, pair) if self._align else self._as_it_lies(pair.image, seen, beside)),
            top=max(0, horizon - self._above_horizon_px))
        milliseconds = (time.perf_counter() - start) * 1e3
        return Compared(found.mask, found.regions, anomaly_scores(found.score_map, query.shape[:2]), found.alignment if self._align else None,
                        milliseconds, found.score_map)

    def _as_it_lies(self, reference: np.ndarray, seen: np.ndarray, beside: Beside | None) -> Alignment:
        device = self._comparer.device
        laid = _AsItLies(to_tensor(reference, device), torch.from_numpy(seen).to(device)[None, None]) if beside is None else beside
        H = np.eye(3) if beside is None else beside.query_H_picture
        return Alignment(H, "none", 0, 0, 0.0, 0.0, float(seen.mean()), True, "taken as it lies", laid)


@dataclass(frozen=True, eq=False)
class _AsItLies:
    """A reference that was laid before, by whomever."""

    picture: torch.Tensor
    valid: torch.Tensor
    seen: None = None

    def part(self, rows: slice, columns: slice) -> torch.Tensor:
        return self.picture[:, :, rows, columns]


def anomaly_scores(score_map: ScoreMap | None, size: tuple[int, int]) -> np.ndarray:
    """Scores of *anomaly* `(H, W)` float32, of any class where there is none of that name; 0 where nothing was compared."""
    if score_map is None:
        return np.zeros(size, np.float32)
    scores = score_map.scores[0]
    return (scores[score_map.classes.index(ANOMALY)] if ANOMALY in score_map.classes else scores.amax(0)).cpu().numpy()


def _check(reference: np.ndarray, query: np.ndarray) -> None:
    sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (reference, query)]
    if sizes[0] != sizes[1]:
        raise ImageError(f"the reference is {sizes[0]}, the query {sizes[1]}: pictures must be of one size; scale one, never stretch it")
    if min(query.shape[:2]) < SMALLEST_PX:
        raise ImageError(f"pictures of {sizes[1]} pixels are too small to compare: {SMALLEST_PX}x{SMALLEST_PX} at least")

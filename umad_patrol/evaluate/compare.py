"""One pair of pictures without poses or time: align if asked for, detect, cut into regions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from umad_patrol.align.aligner import Aligner
from umad_patrol.config import Settings
from umad_patrol.detect import make_detector
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ImageError
from umad_patrol.io.images import to_tensor
from umad_patrol.pipeline import choose_device
from umad_patrol.records import Alignment, Camera, Reference, Region, ScoreMap

SMALLEST_PX = 16


@dataclass(frozen=True, eq=False)
class Compared:
    """Mask `(H, W)` uint8, regions, the highest score of any class `(H, W)` float32; `alignment` is None where none was asked for."""

    mask: np.ndarray
    regions: tuple[Region, ...]
    scores: np.ndarray
    alignment: Alignment | None
    milliseconds: float

    @property
    def comparable(self) -> bool:
        """False where the reference could not be laid on the query, so that the empty mask says nothing."""
        return self.alignment is None or self.alignment.comparable


class PairComparer:
    """Compares pictures of equal size, with the reference laid on the query first or taken as it is."""

    def __init__(self, settings: Settings, align: bool):
        self._settings = settings
        self._device = choose_device(settings.device)
        self._aligner = Aligner(settings.align, self._device) if align else None
        self.detector = make_detector(settings.detect, self._device)

    def compare(self, reference: np.ndarray, query: np.ndarray, valid: np.ndarray | None = None) -> Compared:
        """Compare two BGR pictures. `valid` `(H, W)` bool is where the reference, taken as it is, shows anything.

        Raises ImageError for unequal sizes and for pictures too small to compare.
        """
        _check(reference, query)
        start = time.perf_counter()
        alignment, warped, seen = self._laid(reference, query, valid)
        if warped is None:
            nothing = np.zeros(query.shape[:2])
            return Compared(nothing.astype(np.uint8), (), nothing.astype(np.float32), alignment, _since(start))
        scores = self.detector.score(to_tensor(query, self._device), warped, seen)
        mask, regions = find_regions(ScoreMap(self.detector.classes, scores, seen), self._settings.detect)
        return Compared(mask, regions, scores[0].amax(0).cpu().numpy(), alignment, _since(start))

    def _laid(self, reference: np.ndarray, query: np.ndarray, valid: np.ndarray | None) -> tuple[Alignment | None, Any, Any]:
        """The alignment, and the reference in the query's pixels with where it is valid."""
        if self._aligner is None:
            seen = np.ones(query.shape[:2], bool) if valid is None else valid
            return None, to_tensor(reference, self._device), torch.from_numpy(seen).to(self._device)[None, None]
        camera = Camera(reference.shape[1], reference.shape[0], np.eye(3))
        alignment = self._aligner.align(query, Reference(0, "pair", 0, reference, camera, np.eye(4)))
        return (alignment, alignment.warped, alignment.valid) if alignment.comparable else (alignment, None, None)


def _check(reference: np.ndarray, query: np.ndarray) -> None:
    sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (reference, query)]
    if sizes[0] != sizes[1]:
        raise ImageError(f"the reference is {sizes[0]}, the query {sizes[1]}: pictures must be of one size; scale one, never stretch it")
    if min(query.shape[:2]) < SMALLEST_PX:
        raise ImageError(f"pictures of {sizes[1]} pixels are too small to compare: {SMALLEST_PX}x{SMALLEST_PX} at least")


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3

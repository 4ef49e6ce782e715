"""How detections are scored: pixels, objects and regions, with the tolerances of hand-drawn labels.

All masks are `(H, W)` arrays of one size; labels hold UMAD's bits. Distances are Euclidean between pixel centres.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

import cv2
import numpy as np

from umad_patrol.io import umad_bits

EDGE_PX = 3
BAND_PX = 3
FORGIVEN_PX = 1
FOUND_PX = 3
TOUCH_PX = 8
MIN_OBJECT_PX = 30
LARGE_OBJECT_PX = 100
MIN_REGION_PX = 12
TALL_PX = 12
LEVELS = 65536


@dataclass(frozen=True)
class PixelCounts:
    """True positives, false positives and false negatives; they add up over pictures."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where there is neither truth nor claim."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else None

    @property
    def iou(self) -> float | None:
        """TP / (TP + FP + FN); None where there is neither truth nor claim."""
        total = self.tp + self.fp + self.fn
        return self.tp / total if total else None


@dataclass(frozen=True)
class ObjectCounts:
    """Anomalies found and present: large (100 px and more), small (30 to 99 px), and of both together those over 12 px in height."""

    large_found: int = 0
    large: int = 0
    small_found: int = 0
    small: int = 0
    tall_found: int = 0
    tall: int = 0

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other))))


@dataclass(frozen=True)
class RegionCounts:
    """Predicted regions that touch nothing labelled (false) or nothing but people, vehicles and moved objects (dynamic)."""

    false: int = 0
    dynamic: int = 0

    def __add__(self, other: RegionCounts) -> RegionCounts:
        return RegionCounts(self.false + other.false, self.dynamic + other.dynamic)


@dataclass(frozen=True, eq=False)
class RankCounts:
    """How many anomalous and other pixels have each of 65536 scores; adds up over pictures."""

    positives: np.ndarray = field(default_factory=lambda: np.zeros(LEVELS, np.int64))
    negatives: np.ndarray = field(default_factory=lambda: np.zeros(LEVELS, np.int64))

    def __add__(self, other: RankCounts) -> RankCounts:
        return RankCounts(self.positives + other.positives, self.negatives + other.negatives)

    @property
    def average_precision(self) -> float | None:
        """Sum of precision times gain in recall from the highest score down, equal scores taken at once; None without anomalies."""
        tp, fp = np.cumsum(self.positives[::-1]), np.cumsum(self.negatives[::-1])
        if not tp[-1]:
            return None
        return float(np.sum(self.positives[::-1] * tp / np.maximum(tp + fp, 1)) / tp[-1])


def near(mask: np.ndarray, distance_px: float) -> np.ndarray:
    """Pixels within `distance_px` of a true pixel of `mask`, those themselves included."""
    if not mask.any():
        return np.zeros(mask.shape, bool)
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= distance_px + 1e-3


def counted(valid: np.ndarray, below_horizon: np.ndarray) -> np.ndarray:
    """Pixels that count: valid, below the horizon, and more than 3 px from any that is not; the picture's border takes none."""
    return ~near(~(valid & below_horizon), EDGE_PX)


def pixel_counts(mask: np.ndarray, labels: np.ndarray, roi: np.ndarray) -> PixelCounts:
    """Anomaly against the rest on the pixels that count and show no person, vehicle or moved object.

    A 3 px band around an anomaly is no false positive, its outermost pixel no false negative.
    """
    truth = labels & umad_bits.ANOMALY > 0
    care = roi & (labels & umad_bits.OTHERS == 0)
    core = truth & ~near(~truth, FORGIVEN_PX)
    return PixelCounts(tp=int(np.sum(mask & truth & care)), fp=int(np.sum(mask & ~near(truth, BAND_PX) & care)),
                       fn=int(np.sum(~mask & core & care)))


def strict_pixel_counts(mask: np.ndarray, labels: np.ndarray, valid: np.ndarray) -> PixelCounts:
    """The paper's way: every valid pixel, anomaly against the rest, without tolerance."""
    return class_pixel_counts(mask & valid, (labels & umad_bits.ANOMALY > 0) & valid)


def class_pixel_counts(mask: np.ndarray, truth: np.ndarray) -> PixelCounts:
    """One class against the rest on every pixel, without tolerance."""
    hit = int(np.count_nonzero(mask & truth))
    return PixelCounts(tp=hit, fp=int(np.count_nonzero(mask)) - hit, fn=int(np.count_nonzero(truth)) - hit)


def object_counts(mask: np.ndarray, labels: np.ndarray, roi: np.ndarray) -> ObjectCounts:
    """Anomalies of 30 px and more (8-connected, where pixels count), found if the mask comes within 3 px."""
    count, patches, stats, _ = cv2.connectedComponentsWithStats(((labels & umad_bits.ANOMALY > 0) & roi).astype(np.uint8), connectivity=8)
    reached = set(np.unique(patches[near(mask & roi, FOUND_PX)]).tolist())
    totals = ObjectCounts()
    for index in range(1, count):
        area, height, found = stats[index, cv2.CC_STAT_AREA], stats[index, cv2.CC_STAT_HEIGHT], int(index in reached)
        large, tall = int(area >= LARGE_OBJECT_PX), int(height > TALL_PX)
        if area >= MIN_OBJECT_PX:
            totals += ObjectCounts(found * large, large, found * (1 - large), 1 - large, found * tall, tall)
    return totals


def region_counts(mask: np.ndarray, labels: np.ndarray, roi: np.ndarray) -> RegionCounts:
    """Predicted regions of 12 px and more (8-connected, where pixels count) by what they touch within 8 px."""
    count, patches, stats, _ = cv2.connectedComponentsWithStats((mask & roi).astype(np.uint8), connectivity=8)
    at_anomaly = set(np.unique(patches[near(labels & umad_bits.ANOMALY > 0, TOUCH_PX)]).tolist())
    at_other = set(np.unique(patches[near(labels & umad_bits.OTHERS > 0, TOUCH_PX)]).tolist())
    large = {index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= MIN_REGION_PX} - at_anomaly
    return RegionCounts(false=len(large - at_other), dynamic=len(large & at_other))


def rank_counts(scores: np.ndarray, labels: np.ndarray, roi: np.ndarray) -> RankCounts:
    """Scores in [0, 1] of anomalous and other pixels, left out as in `pixel_counts`."""
    truth = labels & umad_bits.ANOMALY > 0
    care = roi & (labels & umad_bits.OTHERS == 0)
    levels = np.round(np.clip(scores, 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)
    return RankCounts(np.bincount(levels[truth & care], minlength=LEVELS),
                      np.bincount(levels[care & ~near(truth, BAND_PX)], minlength=LEVELS))

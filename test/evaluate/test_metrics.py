"""Detection metrics against a brute-force reading of the rules and against cases made by hand."""

from collections import deque

import numpy as np
import pytest

from umad_patrol.evaluate import metrics
from umad_patrol.evaluate.metrics import ObjectCounts, PixelCounts, RankCounts, RegionCounts

ALL = np.ones((40, 60), bool)


def pixels(mask):
    return [tuple(p) for p in np.argwhere(mask)]


def within(point, points, distance):
    return any((point[0] - y) ** 2 + (point[1] - x) ** 2 <= distance ** 2 for y, x in points)


def patches(mask):
    left, found = set(pixels(mask)), []
    while left:
        queue, patch = deque([left.pop()]), []
        while queue:
            y, x = queue.popleft()
            patch.append((y, x))
            for neighbour in [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
                if neighbour in left:
                    left.remove(neighbour)
                    queue.append(neighbour)
        found.append(patch)
    return found


def brute_roi(valid, below):
    outside = pixels(~(valid & below))
    return np.array([[not within((y, x), outside, 3) for x in range(valid.shape[1])] for y in range(valid.shape[0])])


def brute_pixels(mask, labels, roi):
    truth, tp, fp, fn = pixels(labels & 128), 0, 0, 0
    rest = pixels((labels & 128) == 0)
    for y, x in pixels(roi & (labels & 63 == 0)):
        inside = bool(labels[y, x] & 128)
        tp += inside and mask[y, x]
        fp += bool(mask[y, x]) and not within((y, x), truth, 3)
        fn += inside and not mask[y, x] and not within((y, x), rest, 1)
    return PixelCounts(int(tp), int(fp), int(fn))


def brute_objects(mask, labels, roi):
    claimed, totals = pixels(mask & roi), [0] * 6
    for patch in patches((labels & 128 > 0) & roi):
        if len(patch) >= 30:
            rows = [y for y, _ in patch]
            found = any(within(p, claimed, 3) for p in patch)
            for place in (0 if len(patch) >= 100 else 2, *((4,) if max(rows) - min(rows) + 1 > 12 else ())):
                totals[place] += found
                totals[place + 1] += 1
    return ObjectCounts(*totals)


def brute_regions(mask, labels, roi):
    anomaly, other, false, dynamic = pixels(labels & 128), pixels(labels & 63), 0, 0
    for patch in patches(mask & roi):
        if len(patch) < 12 or any(within(p, anomaly, 8) for p in patch):
            continue
        touches = any(within(p, other, 8) for p in patch)
        dynamic += touches
        false += not touches
    return RegionCounts(false, dynamic)


def brute_average_precision(scores, truth):
    order, total, area, recall = sorted(set(scores.tolist()), reverse=True), truth.sum(), 0.0, 0.0
    for level in order:
        claimed = scores >= level
        new = (claimed & truth).sum() / total
        area += (new - recall) * (claimed & truth).sum() / claimed.sum()
        recall = new
    return area


def scene(seed):
    """A mask, labels of every kind that overlap, and where they count."""
    rng = np.random.default_rng(seed)
    labels, mask = np.zeros(ALL.shape, np.uint8), np.zeros(ALL.shape, bool)
    for bit in (128, 128, 32, 16, 4, 1):
        y, x, h, w = rng.integers(0, 34), rng.integers(0, 52), rng.integers(1, 14), rng.integers(1, 14)
        labels[y:y + h, x:x + w] |= bit
    for _ in range(6):
        y, x, h, w = rng.integers(0, 36), rng.integers(0, 56), rng.integers(1, 9), rng.integers(1, 9)
        mask[y:y + h, x:x + w] = True
    valid, below = ALL.copy(), ALL.copy()
    valid[:, :rng.integers(0, 6)] = False
    below[:rng.integers(0, 12)] = False
    return mask, labels, valid, below


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_those_of_brute_force(seed):
    mask, labels, valid, below = scene(seed)
    roi = metrics.counted(valid, below)
    assert np.array_equal(roi, brute_roi(valid, below))
    assert metrics.pixel_counts(mask, labels, roi) == brute_pixels(mask, labels, roi)
    assert metrics.object_counts(mask, labels, roi) == brute_objects(mask, labels, roi)
    assert metrics.region_counts(mask, labels, roi) == brute_regions(mask, labels, roi)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(ALL.shape) * 20) / 20
    labels = np.where(rng.random(ALL.shape) < 0.1, 128, 0).astype(np.uint8)
    care = (labels > 0) | ~metrics.near(labels > 0, 3)
    found = metrics.rank_counts(scores, labels, ALL).average_precision
    assert found == pytest.approx(brute_average_precision(scores[care], labels[care] > 0), abs=1e-9)


def box(y, x, h, w):
    mask = np.zeros(ALL.shape, bool)
    mask[y:y + h, x:x + w] = True
    return mask


def test_a_perfect_mask_scores_one():
    truth = box(10, 10, 12, 12)
    labels = truth * np.uint8(128)
    assert metrics.pixel_counts(truth, labels, ALL) == PixelCounts(144, 0, 0)
    assert metrics.pixel_counts(truth, labels, ALL).f1 == 1.0
    assert metrics.object_counts(truth, labels, ALL) == ObjectCounts(large_found=1, large=1)


def test_a_band_is_no_false_positive_and_an_edge_pixel_no_false_negative_but_strictly_both_are():
    labels = box(10, 10, 12, 12) * np.uint8(128)
    assert metrics.pixel_counts(box(7, 7, 18, 18) & metrics.near(labels > 0, 3), labels, ALL).fp == 0
    assert metrics.pixel_counts(box(11, 11, 10, 10), labels, ALL).fn == 0
    assert metrics.strict_pixel_counts(box(11, 11, 10, 10), labels, ALL) == PixelCounts(100, 0, 44)
    assert metrics.strict_pixel_counts(box(9, 9, 14, 14), labels, ALL) == PixelCounts(144, 52, 0)


def test_people_are_left_out_but_count_strictly():
    labels = box(5, 5, 20, 8) * np.uint8(32)
    assert metrics.pixel_counts(labels > 0, labels, ALL) == PixelCounts(0, 0, 0)
    assert metrics.strict_pixel_counts(labels > 0, labels, ALL) == PixelCounts(0, 160, 0)
    assert metrics.region_counts(labels > 0, labels, ALL) == RegionCounts(false=0, dynamic=1)


def test_a_region_is_false_only_beyond_eight_pixels_and_from_twelve_pixels_on():
    labels = box(10, 10, 6, 6) * np.uint8(128)
    assert metrics.region_counts(box(10, 23, 4, 4), labels, ALL) == RegionCounts()
    assert metrics.region_counts(box(10, 24, 4, 4), labels, ALL) == RegionCounts(false=1)
    assert metrics.region_counts(box(10, 40, 1, 11), labels, ALL) == RegionCounts()
    assert metrics.region_counts(box(10, 40, 1, 12), labels, ALL) == RegionCounts(false=1)


def test_objects_are_counted_by_size_and_found_within_three_pixels():
    labels = (box(2, 2, 5, 6) | box(20, 2, 10, 10) | box(20, 40, 5, 5)) * np.uint8(128)
    assert metrics.object_counts(box(2, 10, 3, 3), labels, ALL) == ObjectCounts(0, 1, 1, 1)
    assert metrics.object_counts(box(2, 11, 3, 3), labels, ALL) == ObjectCounts(0, 1, 0, 1)


def test_tall_objects_are_those_over_twelve_pixels_high():
    labels = (box(2, 2, 12, 6) | box(20, 2, 13, 3) | box(20, 40, 5, 9)) * np.uint8(128)
    found = metrics.object_counts(box(2, 2, 12, 6) | box(20, 40, 5, 9), labels, ALL)
    assert (found.tall_found, found.tall) == (0, 1)
    both = metrics.object_counts(box(22, 2, 3, 3), labels, ALL) + ObjectCounts(tall_found=2, tall=3)
    assert (both.tall_found, both.tall) == (3, 4)


def test_nothing_claimed_and_nothing_there_has_no_score():
    nothing = np.zeros(ALL.shape, np.uint8)
    assert metrics.pixel_counts(nothing > 0, nothing, ALL).f1 is None
    assert metrics.rank_counts(nothing, nothing, ALL).average_precision is None
    assert PixelCounts(0, 3, 0).f1 == 0.0


def test_what_is_invalid_or_above_the_horizon_does_not_count():
    valid, below = box(0, 0, 40, 30), box(20, 0, 20, 60)
    roi = metrics.counted(valid, below)
    assert roi[23:, :27].all() and not roi[:23].any() and not roi[:, 27:].any()


def test_counts_add_up():
    assert PixelCounts(1, 2, 3) + PixelCounts(1, 1, 1) == PixelCounts(2, 3, 4)
    left = metrics.rank_counts(np.full(ALL.shape, 0.9), box(0, 0, 20, 20) * np.uint8(128), ALL)
    right = metrics.rank_counts(np.full(ALL.shape, 0.1), np.zeros(ALL.shape, np.uint8), ALL)
    assert (left + right).average_precision == left.average_precision
    assert (RankCounts() + left).average_precision == left.average_precision

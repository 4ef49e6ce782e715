"""Score maps to regions: hand-made patches and what must hold for any map."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings as examples, strategies as st

from umad_patrol.config import DetectSettings
from umad_patrol.detect.overlay import overlay
from umad_patrol.detect.regions import _shaped, find_regions
from umad_patrol.errors import DetectorError
from umad_patrol.records import ANOMALY, CHANGED, DYNAMIC, Region, ScoreMap

PLAIN = DetectSettings(threshold=0.5, low_threshold=0.3, close_px=0, trim_px=0, min_area_px=20)


def score_map(*planes, classes=(ANOMALY,), valid=None):
    scores = torch.from_numpy(np.stack(planes).astype(np.float32))[None]
    seen = np.ones(planes[0].shape, bool) if valid is None else valid
    return ScoreMap(classes, scores, torch.from_numpy(seen)[None, None])


def plane(*boxes, size=(60, 80)):
    out = np.zeros(size, np.float32)
    for x, y, width, height, value in boxes:
        out[y:y + height, x:x + width] = value
    return out


def test_a_patch_becomes_a_region_with_its_foot():
    mask, regions = find_regions(score_map(plane((10, 20, 9, 12, 0.8))), PLAIN)
    assert regions == (Region(ANOMALY, pytest.approx(0.8), 108, (10, 20, 9, 12), (14.0, 31.0)),)
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255} and (mask > 0).sum() == 108


def test_low_scores_belong_to_a_region_only_beside_a_high_one():
    scores = plane((10, 10, 20, 20, 0.4), (15, 15, 3, 3, 0.9), (50, 10, 20, 20, 0.4))
    mask, regions = find_regions(score_map(scores), PLAIN)
    assert [r.area_px for r in regions] == [400] and not mask[:, 50:].any()


def test_holes_are_filled_and_gaps_bridged():
    ring = plane((10, 10, 30, 30, 0.9), (14, 14, 22, 22, 0.0))
    assert find_regions(score_map(ring), PLAIN)[1][0].area_px == 900
    pieces = plane((10, 10, 10, 20, 0.9), (24, 10, 10, 20, 0.9))
    assert len(find_regions(score_map(pieces), PLAIN)[1]) == 2
    assert len(find_regions(score_map(pieces), replace(PLAIN, close_px=8))[1]) == 1


def test_trimming_takes_the_same_off_all_round():
    mask, regions = find_regions(score_map(plane((10, 20, 15, 16, 0.8))), replace(PLAIN, trim_px=2))
    assert regions[0].box == (12, 22, 11, 12) and regions[0].foot[1] == 33


def test_a_thing_stands_on_what_surely_changed_not_on_its_weak_lower_fringe():
    scores = plane((10, 10, 9, 20, 0.9), (10, 30, 9, 8, 0.35))
    assert find_regions(score_map(scores), replace(PLAIN, foot_share=0.5))[1][0].foot == (14.0, 29.0)
    assert find_regions(score_map(scores), replace(PLAIN, foot_share=0.0))[1][0].foot == (14.0, 37.0)


def test_small_regions_are_dropped_from_the_mask_too():
    mask, regions = find_regions(score_map(plane((10, 10, 4, 4, 0.9), (30, 30, 5, 4, 0.9))), PLAIN)
    assert [r.area_px for r in regions] == [20] and (mask > 0).sum() == 20


def test_what_is_dynamic_is_a_region_but_not_in_the_mask():
    mask, regions = find_regions(score_map(plane((10, 10, 10, 10, 0.7)), plane((40, 10, 10, 10, 0.9)), classes=(ANOMALY, DYNAMIC)), PLAIN)
    assert [r.class_name for r in regions] == [DYNAMIC, ANOMALY]
    assert mask[:, :30].any() and not mask[:, 30:].any()


def test_invalid_pixels_are_in_no_region_even_where_gaps_are_bridged():
    valid = np.ones((60, 80), bool)
    valid[:, 20:24] = False
    mask, _ = find_regions(score_map(plane((10, 10, 30, 20, 0.9)), valid=valid), replace(PLAIN, close_px=20))
    assert mask.any() and not mask[~valid].any()


@pytest.mark.parametrize("value", [0.0, 0.49, np.nan])
def test_nothing_high_gives_nothing(value):
    mask, regions = find_regions(score_map(np.full((60, 80), value)), PLAIN)
    assert not mask.any() and regions == ()


def test_pixels_without_a_score_count_as_unchanged():
    scores = plane((10, 10, 20, 20, 0.8), (15, 15, 4, 4, np.nan), (50, 0, 30, 60, np.nan))
    mask, regions = find_regions(score_map(scores), PLAIN)
    assert regions[0].score == pytest.approx(0.8) and regions[0].area_px == 400 and not mask[:, 50:].any()


def test_planes_that_fit_no_class_are_refused():
    with pytest.raises(DetectorError, match="do not fit the classes"):
        find_regions(score_map(plane(), plane()), PLAIN)


@examples(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10 ** 6), close=st.integers(0, 12), trim=st.integers(0, 3), area=st.integers(1, 80))
def test_mask_and_regions_agree(seed, close, trim, area):
    rng = np.random.default_rng(seed)
    scores = cv2.resize(rng.random((12, 15)).astype(np.float32) ** 3, (75, 60), interpolation=cv2.INTER_LINEAR)
    valid = cv2.resize(rng.random((4, 5)).astype(np.float32), (75, 60)) > 0.2
    chosen = replace(PLAIN, close_px=close, trim_px=trim, min_area_px=area)
    mask, regions = find_regions(score_map(scores, valid=valid), chosen)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    assert sorted((tuple(map(int, s[:4])), int(s[4])) for s in stats[1:]) == sorted((r.box, r.area_px) for r in regions)
    assert not mask[~valid].any()
    for region in regions:
        x, y, width, height = region.box
        assert region.area_px >= area and region.score >= chosen.threshold
        assert x <= region.foot[0] <= x + width - 1 and y <= region.foot[1] <= y + height - 1
        assert mask[int(region.foot[1]), x:x + width].any()
    assert list(regions) == sorted(regions, key=lambda r: -r.score)


def test_an_overlay_is_a_copy_that_marks_mask_and_regions():
    image = np.full((120, 160, 3), 128, np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    mask[60:80, 40:70] = 255
    drawn = overlay(image, mask, (Region(ANOMALY, 0.9, 600, (40, 60, 30, 20), (54.5, 79.0)),))
    assert (image == 128).all() and drawn.shape == image.shape and drawn.dtype == np.uint8
    assert drawn[70, 50, 2] > drawn[70, 50, 0] and (drawn[110, 140] == 128).all()
    assert np.array_equal(overlay(image, np.zeros_like(mask)), image)


def test_labels_of_an_overlay_do_not_cover_each_other_and_classes_differ():
    """Boxes side by side and one above the other, as parts of a thing are: each name can be read, so its colour is there as often as alone."""
    image, mask = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), np.uint8)
    regions = [Region(name, 0.9, 100, (x, y, 20, 20), (x + 10.0, y + 19.0)) for name, x, y in
               ((ANOMALY, 100, 100), (DYNAMIC, 110, 102), (CHANGED, 125, 104), (ANOMALY, 100, 150))]
    colours, shown = [], []
    for region in regions[:3]:
        kinds, counts = np.unique(overlay(image, mask, (region,)).reshape(-1, 3), axis=0, return_counts=True)
        kinds, counts = kinds[kinds.any(axis=1)], counts[kinds.any(axis=1)]
        colours.append(kinds[counts.argmax()])
        shown.append(counts.max())
    assert len({tuple(colour) for colour in colours}) == 3
    together = overlay(image, mask, tuple(regions))
    assert all((together == colour).all(axis=2).sum() > 0.9 * count for colour, count in zip(colours, shown))


@pytest.mark.parametrize("box", [(0, 0, 16, 16), (0, 0, 3, 2), (12, 12, 4, 4)])
def test_an_overlay_of_a_tiny_picture_does_not_fail(box):
    image = np.zeros((16, 16, 3), np.uint8)
    x, y, width, height = box
    assert overlay(image, np.full((16, 16), 255, np.uint8), (Region(ANOMALY, 1.0, 9, box, (x + width / 2, y + height - 1.0)),)).shape == image.shape


@examples(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), close_px=st.integers(0, 20), trim_px=st.integers(0, 3))
def test_shaping_group_by_group_is_shaping_the_picture(seed, close_px, trim_px):
    """Rings in rings, specks and things at the border: the groups that are left out or done apart change nothing."""
    rng, settings = np.random.default_rng(seed), replace(PLAIN, close_px=close_px, trim_px=trim_px, min_area_px=1)
    scores, valid = np.zeros((90, 110), np.float32), np.ones((90, 110), bool)
    for _ in range(12):
        middle, radius, value = rng.integers(0, 100, 2).tolist(), int(rng.integers(1, 30)), float(rng.choice([0.35, 0.4, 0.7]))
        cv2.circle(scores, middle, radius, value, int(rng.choice([-1, 1, 2])) if radius < 8 else 2)
    cv2.circle(valid.view(np.uint8), rng.integers(0, 100, 2).tolist(), 9, 0, -1)
    mask, regions = find_regions(score_map(scores, valid=valid), settings)
    shaped = _shaped(((scores >= settings.low_threshold) & valid).view(np.uint8), settings) & valid
    _, labels = cv2.connectedComponents(shaped, connectivity=8)
    high = np.unique(labels[(scores >= settings.threshold) & (shaped > 0)])
    assert len(regions) == len(high) and np.array_equal(mask > 0, np.isin(labels, high) & (shaped > 0))


def test_a_low_threshold_above_the_other_counts_no_more_than_that():
    scores = plane((10, 10, 20, 20, 0.6), (15, 15, 3, 3, 0.9))
    assert [r.area_px for r in find_regions(score_map(scores), replace(PLAIN, low_threshold=0.8))[1]] == [400]

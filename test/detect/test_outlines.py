"""What is new has its outline in the query, what is gone in the reference: drawn things, shadows, other light, and a real pair."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.align.warp import Laid
from umad_patrol.config import DetectSettings, Settings
from umad_patrol.detect.outlines import Outlines, _gradient
from umad_patrol.detect.regions import GONE_BELOW, PASSES_BELOW, find_regions
from umad_patrol.evaluate.compare import PairComparer
from umad_patrol.io.images import read_image
from umad_patrol.records import ANOMALY, DYNAMIC, ScoreMap

SIZE = 200, 120
BOX = 80, 40, 30, 24    # x, y, width, height
PATCH = np.ones(BOX[:1:-1], bool)


@pytest.fixture
def ground(rng):
    """Paving: fine grain and coarse stains."""
    layers = [cv2.resize(rng.normal(size=(SIZE[1] // s + 2, SIZE[0] // s + 2, 3)).astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC) for s in (2, 25)]
    return 120 + 3 * layers[0] + 6 * layers[1]


def picture(ground, light=1.0):
    return np.clip(ground * light, 0, 255).astype(np.uint8)


def with_thing(ground, box=BOX):
    x, y, width, height = box
    image = ground.copy()
    image[y:y + height, x:x + width] = (40, 60, 160)
    return image


def in_shadow(ground, box=BOX):
    x, y, width, height = box
    shade = np.ones(ground.shape[:2], np.float32)
    shade[y:y + height, x:x + width] = 0.5
    return ground * cv2.GaussianBlur(shade, (0, 0), 1.5)[..., None]


def outlines(query, *references, H=np.eye(3)):
    return Outlines(query, 0, [(image, Laid(image, H, SIZE, torch.device("cpu"))) for image in references])


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("changed", [with_thing, in_shadow])
def test_who_shows_the_outline_is_told(ground, changed, shift):
    bare, other = picture(ground), picture(changed(ground))
    H = np.float64([[1, 0, shift], [0, 1, 0], [0, 0, 1]])      # as far as references are laid amiss
    assert outlines(other, bare, H=H).shown(PATCH, *BOX[:2]) > 0.9
    assert outlines(bare, other, H=H).shown(PATCH, *BOX[:2]) < 0.1


@pytest.mark.parametrize("light", [0.3, 1.6])
def test_in_other_light_it_is_told_as_well(ground, light):
    assert outlines(picture(with_thing(ground), light), picture(ground)).shown(PATCH, *BOX[:2]) > 0.9
    assert outlines(picture(ground, light), picture(with_thing(ground))).shown(PATCH, *BOX[:2]) < 0.1


def test_a_reference_that_does_not_see_it_says_nothing_and_of_others_the_mildest_counts(ground):
    query, gone = picture(ground), picture(with_thing(ground))
    elsewhere = np.float64([[1, 0, 150], [0, 1, 0], [0, 0, 1]])
    assert outlines(query, gone, H=elsewhere).shown(PATCH, *BOX[:2]) == 1
    assert outlines(query).shown(PATCH, *BOX[:2]) == 1
    near, far = outlines(query, gone), outlines(query, gone, gone, H=elsewhere)
    both = Outlines(query, 0, near._references + far._references)
    assert both.shown(PATCH, *BOX[:2]) == near.shown(PATCH, *BOX[:2]) < 0.1
    assert outlines(query, gone, query).shown(PATCH, *BOX[:2]) >= outlines(query, gone).shown(PATCH, *BOX[:2])


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (180, 100, 20, 20), (0, 0, *SIZE), (100, 60, 1, 1), (0, 119, 200, 1)])
def test_at_borders_and_of_any_size(ground, box):
    patch = np.ones(box[:1:-1], bool)
    for query, reference in ((with_thing(ground, box), ground), (ground, with_thing(ground, box)), (0 * ground, 0 * ground)):
        assert 0 <= outlines(picture(query), picture(reference)).shown(patch, *box[:2]) <= 1


PLAIN = DetectSettings(threshold=0.5, low_threshold=0.3, close_px=0, trim_px=0, min_area_px=20, outline_share=0.2)


def anomaly(score, shown, passing=0.0, classes=(ANOMALY, DYNAMIC)):
    """Scores of one anomaly, of which the query shows so much of the outline."""
    scores = np.zeros((1, 2, *SIZE[::-1]), np.float32)
    x, y, width, height = BOX
    scores[0, :, y:y + height, x:x + width] = np.float32([score, passing])[:, None, None]
    asked = []
    score_map = ScoreMap(classes, torch.from_numpy(scores[:, :len(classes)]), torch.ones(1, 1, *SIZE[::-1], dtype=torch.bool),
                         None if shown is None else lambda patch, left, top: asked.append((patch.shape, left, top)) or shown)
    return score_map, asked


@pytest.mark.parametrize("score, shown, passing, share, kept", [
    (0.6, 0.5, 0.0, 0.2, True), (0.6, 0.1, 0.0, 0.2, False), (0.6, 0.1, 0.0, 0.0, True), (0.6, None, 0.0, 0.2, True),    # what is gone
    (0.6, 0.5, 0.7, 0.2, False), (0.6, 0.5, 0.55, 0.2, True),       # who passes
    (GONE_BELOW + 0.01, 0.1, 0.0, 0.2, True), (PASSES_BELOW + 0.01, 0.5, 0.9, 0.2, True), (PASSES_BELOW + 0.01, 0.1, 0.0, 0.2, False),   # how sure
])
def test_an_anomaly_in_doubt_is_dropped_where_it_is_gone_or_passes(score, shown, passing, share, kept):
    score_map, asked = anomaly(score, shown, passing)
    mask, regions = find_regions(score_map, replace(PLAIN, outline_share=share))
    assert [region.class_name for region in regions if region.class_name == ANOMALY] == [ANOMALY] * kept
    assert bool(mask.any()) == kept and asked in ([], [((24, 30), 80, 40)])
    assert any(region.class_name == DYNAMIC for region in regions) == (passing >= 0.5)


def test_a_detector_that_knows_nobody_who_passes_has_its_anomalies_kept():
    score_map, _ = anomaly(0.6, 1.0, classes=(ANOMALY,))
    assert find_regions(score_map, PLAIN)[0].any()


def test_a_trees_shadow_that_is_gone_is_no_anomaly(data_dir):
    folder = data_dir / "umad_pairs" / "03"
    reference, query, valid, labels = (read_image(folder / f"{name}.png") for name in ("reference", "query", "valid", "labels"))
    found = PairComparer(Settings(), align=False).compare(reference, query, valid[..., 0] > 0)
    masks = [find_regions(found.score_map, replace(DetectSettings(threshold=0.6), outline_share=share))[0] > 0 for share in (0.0, 0.3)]
    shadow = np.s_[450:520, 540:640]
    assert masks[0][shadow].any() and not masks[1][shadow].any()
    assert masks[1][300:360, 380:420].any() and (masks[1] <= masks[0]).all()


def test_a_reference_of_another_size_is_looked_at_from_the_same_height_down(ground):
    query, small = picture(with_thing(ground)), cv2.resize(picture(ground), (80, 48), interpolation=cv2.INTER_AREA)
    H = np.diag([SIZE[0] / 80, SIZE[1] / 48, 1.0])
    for top in (0, 60, 84):
        both = Outlines(query, top, [(small, Laid(small, H, SIZE, torch.device("cpu")))])
        assert both.shown(PATCH, *BOX[:2]) > 0.9


@pytest.mark.parametrize("away", [0, 2, 4])
def test_where_a_reference_ends_is_no_edge_of_its_own(ground, away):
    """The picture laid is black beyond: that is told from an outline in it."""
    right = BOX[0] + BOX[2] + away
    H = np.float64([[1, 0, right - SIZE[0]], [0, 1, 0], [0, 0, 1]])
    laid_bare = cv2.warpAffine(picture(ground), -np.float32([[-1, 0, right - SIZE[0]], [0, -1, 0]]), SIZE, borderMode=cv2.BORDER_REFLECT)
    assert outlines(picture(with_thing(ground)), laid_bare, H=H).shown(PATCH, *BOX[:2]) > 0.9


def test_of_several_references_the_one_counts_that_leaves_the_query_most(ground):
    thing, bare = picture(with_thing(ground)), picture(ground)
    assert outlines(thing, thing, bare).shown(PATCH, *BOX[:2]) > 0.9 and outlines(thing, bare, thing).shown(PATCH, *BOX[:2]) > 0.9


def test_contrast_is_in_levels_a_pixel():
    ramp = np.repeat((2.0 * np.arange(100, dtype=np.float32))[None, :, None], 40, 0).repeat(3, 2)
    assert np.allclose(_gradient(ramp)[:, 2:-2], 2.0)

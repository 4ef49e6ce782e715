"""The detector around the network: rows from the horizon down, any size, nothing where no reference is seen."""

import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.errors import DetectorError

HEIGHT, WIDTH = 117, 203


@pytest.fixture(scope="module")
def detector(weights):
    return ChangeNetDetector(DetectSettings(weights=str(weights), engine="torch"))


@pytest.fixture
def pair(pictures):
    query, reference, valid = pictures(HEIGHT, WIDTH)
    return query, reference, valid > 0


@pytest.mark.parametrize("top", [0, 1, 40, HEIGHT - 1])
def test_from_a_row_down_is_the_lower_part_alone(detector, pair, top):
    query, reference, valid = pair
    scores = detector.compare(detector.prepare(query, top), detector.prepare(reference, top), valid)
    assert scores.shape == (1, 3, HEIGHT, WIDTH) and not bool(scores[:, :, :top].any())
    assert torch.equal(scores[:, :, top:], detector.score(query[:, :, top:], reference[:, :, top:], valid[:, :, top:]))


@pytest.mark.parametrize("top, used", [(-5, 0), (HEIGHT, HEIGHT - 1), (10_000, HEIGHT - 1)])
def test_a_row_outside_of_the_picture_is_moved_into_it(detector, pair, top, used):
    assert detector.prepare(pair[0], top).top == used


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 15), (33, 64), (121, 203)])
def test_any_size_is_scored_at_its_own_size(detector, pictures, size):
    query, reference, valid = pictures(*size)
    scores = detector.score(query, reference, valid > 0)
    assert scores.shape == (1, 3, *size) and scores.dtype == torch.float32
    assert float(scores.min()) >= 0 and float(scores.max()) <= 1


def test_a_size_of_whole_cells_is_not_filled_up(detector, pictures):
    query, reference, valid = pictures(64, 96)
    logits = detector.engine.compare(detector.engine.encode(query), detector.engine.encode(reference), valid)
    expected = torch.nn.functional.interpolate(logits.sigmoid(), scale_factor=2.0, mode="bilinear") * valid
    assert torch.allclose(detector.score(query, reference, valid > 0), expected, rtol=0, atol=1e-6)


def test_nothing_scores_where_no_reference_is_seen(detector, pair):
    query, reference, valid = pair
    scores = detector.score(query, reference, valid)
    assert not bool(scores[~valid.expand_as(scores)].any()) and bool((scores[valid.expand_as(scores)] > 0).all())
    assert not bool(detector.score(query, reference, torch.zeros_like(valid)).any())


def test_unequal_sizes_are_refused(detector, pair):
    query, reference, valid = pair
    with pytest.raises(DetectorError, match="align them first"):
        detector.score(query, reference[..., :100], valid)
    with pytest.raises(DetectorError, match="valid mask has shape"):
        detector.score(query, reference, valid[..., :100])

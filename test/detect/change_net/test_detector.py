"""The detector around the network: rows from the horizon down, any size, nothing where no reference is seen."""

import pytest
import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.errors import DetectorError

HEIGHT, WIDTH = 117, 203


@pytest.fixture(scope="module")
def detector(weights):
    """Of one look: closer ones are test_closer.py's."""
    return ChangeNetDetector(DetectSettings(weights=str(weights), engine="torch", closer_looks=0))


@pytest.fixture
def pair(pictures):
    query, reference, valid = pictures(HEIGHT, WIDTH)
    return query, reference, valid > 0


@pytest.mark.parametrize("top, begun", [(0, 0), (1, 0), (40, 32), (HEIGHT - 1, 112)])
def test_from_a_row_of_cells_down_is_the_lower_part_alone(detector, pair, top, begun):
    query, reference, valid = pair
    scores = detector.compare(detector.prepare(query, top), detector.prepare(reference, top), valid)
    assert scores.shape == (1, 3, HEIGHT, WIDTH) and not bool(scores[:, :, :begun].any())
    assert torch.equal(scores[:, :, begun:], detector.score(query[:, :, begun:], reference[:, :, begun:], valid[:, :, begun:]))


@pytest.mark.parametrize("top, used", [(-5, 0), (31, 16), (HEIGHT, 112), (10_000, 112)])
def test_a_row_outside_of_the_picture_is_moved_into_it_and_up_to_one_of_cells(detector, pair, top, used):
    assert detector.prepare(pair[0], top).top == used


class Beside:
    """A reference that was seen `x` and `y` px farther to the right and down than the query sees it."""

    picture = valid = part = None

    def __init__(self, x, y):
        self._x, self._y = x, y

    def seen(self, columns, rows):
        x, y = torch.meshgrid(torch.from_numpy(columns) + float(self._x), torch.from_numpy(rows) + float(self._y), indexing="xy")
        return torch.stack([x, y])[None]


@pytest.mark.parametrize("top", [0, 40])
def test_features_laid_where_they_are_are_the_same(detector, pair, top):
    query, reference, valid = pair
    prepared, other = detector.prepare(query, top), detector.prepare(reference, top)
    laid = detector.lay(other, Beside(0, 0), prepared)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(laid.features, other.features)) and laid.covered is None
    assert torch.allclose(detector.compare(prepared, laid, valid), detector.compare(prepared, other, valid), atol=1e-3)


def test_features_laid_from_whole_cells_beside_are_those_of_the_picture_there(detector, pictures):
    query, wide, valid = pictures(96, 192)
    prepared, other = detector.prepare(query[..., :128], 32), detector.prepare(wide, 16)
    laid = detector.lay(other, Beside(32, -16), prepared)
    for plane, of_wide, stride in zip(laid.features, other.features, (4, 8, 16)):
        assert torch.allclose(plane[..., :-16 // stride, :], of_wide[..., :plane.shape[2] - 16 // stride, 32 // stride:160 // stride], atol=1e-4)
    assert laid.size == prepared.size and laid.top == 32 and laid.covered is None


def test_what_a_reference_was_not_prepared_for_is_not_scored(detector, pictures):
    query, reference, valid = pictures(96, 128)
    prepared, other = detector.prepare(query, 0), detector.prepare(reference, 32)
    laid = detector.lay(other, Beside(0, 0), prepared)
    assert laid.covered[0, 0, 8:].all() and not laid.covered[0, 0, :7].any()
    everywhere = torch.ones(1, 1, 96, 128, dtype=torch.bool)
    scores = detector.compare(prepared, laid, everywhere)
    assert not bool(scores[:, :, :28].any()) and bool(scores[:, :, 40:].any())


def test_what_was_packed_comes_back(detector, pair):
    prepared = detector.prepare(pair[0], 40)
    packed = detector.packed(prepared)
    back = detector.unpacked(packed)
    assert (back.size, back.top) == (prepared.size, prepared.top)
    for ours, theirs in zip(back.features, prepared.features):
        assert ours.dtype == torch.float32 and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert sum(tensor.nbytes for tensor in packed.values()) < 0.51 * sum(plane.nbytes for plane in prepared.features)


@pytest.mark.parametrize("spoil", [
    lambda packed: packed.pop("features_8"), lambda packed: packed.pop("height_width_top"), lambda packed: packed.clear(),
    lambda packed: packed.update(features_4=packed["features_8"]), lambda packed: packed.update(height_width_top=torch.tensor([1, 2])),
    lambda packed: packed.update(height_width_top=torch.tensor([HEIGHT, WIDTH + 32, 32])),
    lambda packed: packed.update(height_width_top=torch.tensor([HEIGHT, WIDTH, -1])),
    lambda packed: packed.update(height_width_top=torch.tensor([10**9, WIDTH, 32])),
])
def test_what_was_not_packed_is_refused(detector, pair, spoil):
    packed = detector.packed(detector.prepare(pair[0], 40))
    spoil(packed)
    with pytest.raises(DetectorError):
        detector.unpacked(packed)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 15), (33, 64), (121, 203)])
def test_any_size_is_scored_at_its_own_size(detector, pictures, size):
    query, reference, valid = pictures(*size)
    scores = detector.score(query, reference, valid > 0)
    assert scores.shape == (1, 3, *size) and scores.dtype == torch.float32
    assert float(scores.min()) >= 0 and float(scores.max()) <= 1


def test_a_size_of_whole_cells_is_not_filled_up(detector, network, pictures):
    query, reference, valid = pictures(64, 96)
    expected = torch.nn.functional.interpolate(network(query, reference, valid).sigmoid(), scale_factor=2.0, mode="bilinear") * valid
    assert torch.allclose(detector.score(query, reference, valid > 0), expected, rtol=0, atol=1e-4)


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

"""The data engine: the same pair for the same number, sound truth, and nothing outside what is valid."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_data import sprite as fake_sprite

from umad_patrol.train import data
from umad_patrol.train.data import Mixture, PairMaker, Pairs, tensors
from umad_patrol.train.residual import LARGEST_PX, laid, residual_lookup, with_border
from umad_patrol.train.sprites import VEHICLE


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b))


def test_the_same_number_is_the_same_pair_wherever_a_run_goes_on(maker):
    pairs = Pairs(maker, 5, 100)
    assert same(pairs[3], pairs[3]) and not same(pairs[3], pairs[4])
    assert same(Pairs(maker, 5, 100, start=7)[2], pairs[9])
    assert not same(Pairs(maker, 6, 100)[3], pairs[3]) and len(pairs) == 100


def test_shapes_types_and_ranges(maker):
    seen = torch.zeros(3)
    for index in range(12):
        query, reference, valid, target, weight = Pairs(maker, 1, 100)[index]
        assert query.shape == reference.shape == target.shape == weight.shape == (3, 160, 160) and valid.shape == (1, 160, 160)
        assert all(plane.dtype == torch.uint8 for plane in (query, reference, valid, target)) and weight.dtype == torch.float16
        assert set(valid.unique().tolist()) <= {0.0, 1.0} and set(target.unique().tolist()) <= {0.0, 1.0}
        assert weight.min() >= 0 and weight.max() <= data.MOST_HEED and torch.isfinite(weight).all()
        near = torch.nn.functional.max_pool2d(valid[None], 3, 1, 1)[0, 0] > 0     # a pixel off the edge is still mixed with it
        assert weight[:, valid[0] == 0].sum() == 0 and reference[:, ~near].sum() == 0
        seen += target.sum((1, 2)) > 0
    assert (seen > 0).all()     # each class comes up


def test_small_things_are_heeded_more_and_specks_not_asked_for(maker, sprites):
    empty = PairMaker(maker.photos, sprites, Mixture(), 160)
    view = data.random_view(empty.photos[0], 160, np.random.default_rng(0))
    picture = data.Picture.of(view, None)
    for rows, area in ((slice(0, 3), 9), (slice(4, 9), 25), (slice(10, 20), 100), (slice(20, 60), 1600)):
        mask = np.zeros((160, 160), bool)
        mask[rows, :round(area / (rows.stop - rows.start))] = True
        picture.shows_new(mask)
        assert picture.anomaly[mask].all() == (area >= data.SEEN_PX) and picture.tiny[mask].all() == (area < data.SEEN_PX)
    assert picture.heed[12, 0] == pytest.approx(np.sqrt(900 / 100)) and picture.heed[6, 0] == pytest.approx(np.sqrt(900 / 25))
    assert data.heed(9) == data.MOST_HEED and picture.heed[40, 0] == 1 and picture.heed[100, 100] == 1


@pytest.fixture
def still(monkeypatch):
    """The pictures as they are drawn: no weather, no camera, no residual."""
    monkeypatch.setattr(data, "photometric", lambda image, rng: (image * 255).astype(np.uint8))
    monkeypatch.setattr(data, "random_softness", lambda rng: 1.0)
    monkeypatch.setattr(data, "residual_lookup", lambda size, rng: np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size))))
    monkeypatch.setattr(data, "with_border", lambda lookup, rng: lookup)
    monkeypatch.setattr(PairMaker, "_weather", lambda self, image, rng, stones: np.zeros(image.shape[:2], bool))


def test_new_things_differ_between_the_pictures_and_nothing_else_does(still, photos, sprites):
    only_new = Mixture(things=(0, 1), standing=(1,), removed=(1,), moved=0, swapped=0, people=0)
    differing, total = 0, 0
    for index in range(20):
        sample = PairMaker(photos, sprites, only_new, 160).make(np.random.default_rng(index))
        difference = np.abs(sample.query.astype(int) - sample.reference).max(-1)
        new = sample.target[0] > 0
        differing, total = differing + (difference[new] > 3).sum(), total + new.sum()
        assert not sample.target[1:].any()
        assert (sample.query <= sample.reference)[~new & (sample.weight[0] == 1)].mean() > 0.97    # but for edges, only shadow falls elsewhere
    assert total > 500 and differing > 0.95 * total


def test_who_is_taken_out_of_one_picture_is_dynamic_and_real_in_the_other(still, photos, sprites):
    nobody_passes = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=0, absent=1)
    taken = 0
    for index in range(20):
        photo = photos[0].image.copy()
        dynamic = np.zeros(photo.shape[:2], np.uint8)
        photo[120:200, 150:180], dynamic[120:200, 150:180] = (200, 40, 40), 255
        sample = PairMaker([replace(photos[0], image=photo, dynamic=dynamic)], sprites, nobody_passes, 160).make(np.random.default_rng(index))
        red = [picture[..., 0].astype(int) - picture[..., 2] > 60 for picture in (sample.query, sample.reference)]
        surely = sample.target[1] > 0
        if not (red[0] ^ red[1]).any():     # outside the crop, or nowhere to take the ground from
            continue
        taken += 1
        assert (red[0] | red[1])[surely].mean() > 0.95 and surely[red[0] | red[1]].mean() > 0.8
        assert not (sample.target[0] > 0).any() and not (sample.target[2] > 0).any()
    assert taken >= 5


def test_things_far_away_stand_where_they_look_so_high(sprites, photos):
    view = replace(data.random_view(photos[0], 160, np.random.default_rng(0)), horizon_px=20.0, share=0.5)
    feet = [data.far_foot(view, (30.0, 150.0), 0.4, 10.0, np.random.default_rng(index)) for index in range(40)]
    far = [y for x, y in feet if y != 150.0]
    assert all(x == 30.0 for x, _ in feet) and 8 < len(far) < 32
    assert all(0.84 <= (y - 20) * 0.5 * 0.4 / 10 <= 1.16 for y in far)      # a metre at row y looks (y - horizon) * share px high
    assert data.far_foot(replace(view, horizon_px=-500.0), (30.0, 150.0), 0.4, 10.0, np.random.default_rng(0)) == (30.0, 150.0)


def test_what_stands_far_away_shows_little_parallax(still, photos, sprites, monkeypatch):
    standing = Mixture(things=(1,), standing=(0, 1), removed=(1,), moved=0, swapped=0, people=0)
    apart = {}
    for high in (8, 80):
        monkeypatch.setattr(data, "height_px", lambda *args, high=high: high)
        monkeypatch.setattr(data, "TINY_SHARE", 0.0)
        feet = []
        monkeypatch.setattr(data._Events, "_drawn", lambda self, picture, image, foot: feet.append(foot) or np.zeros((160, 160), bool))
        for index in range(30):
            PairMaker(photos, sprites, standing, 160).make(np.random.default_rng(index))
        apart[high] = np.abs(np.diff(np.array(feet).reshape(-1, 2, 2), axis=1)).max()
    assert apart[80] > 4 and apart[8] <= 2


def test_without_events_the_pictures_are_equal(still, photos, sprites):
    nothing = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=0)
    sample = PairMaker(photos, sprites, nothing, 160).make(np.random.default_rng(1))
    assert (sample.query == sample.reference).all() and not sample.target.any() and (sample.weight == 1).all()


def test_removed_things_are_changed_and_people_dynamic(still, photos, sprites):
    removed = Mixture(things=(1,), standing=(1,), removed=(0, 1), moved=0, swapped=0, people=0)
    passing = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=1, beside=0)
    for mixture, cls in ((removed, 2), (passing, 1)):
        planes = [PairMaker(photos, sprites, mixture, 160).make(np.random.default_rng(i)).target.sum((1, 2)) > 0 for i in range(6)]
        assert [any(plane[c] for plane in planes) for c in range(3)] == [c == cls for c in range(3)]
    without = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=1, beside=0, dynamic=False)
    assert not PairMaker(photos, sprites, without, 160).make(np.random.default_rng(0)).target.any()


def test_who_passes_close_fills_the_picture_from_its_foot_up(still, photos, sprites, monkeypatch):
    monkeypatch.setattr(data, "CLOSE_SHARE", 1.0)
    monkeypatch.setattr(data, "CYCLISTS", 0.0)
    passing = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=1, beside=0)
    tall = 0
    for index in range(12):
        dynamic = PairMaker(photos, sprites, passing, 160).make(np.random.default_rng(index)).target[1] > 0
        rows = np.flatnonzero(dynamic.any(1))
        assert dynamic.any() and rows[-1] > 0.55 * 160      # the foot is in the lower part, or below the picture
        tall += rows[0] == 0
    assert tall >= 9                                        # and the head is cut off


def test_beside_those_who_pass_something_new_may_stand(still, photos, sprites, monkeypatch):
    monkeypatch.setattr(data, "CYCLISTS", 0.0)
    monkeypatch.setattr(data, "CLOSE_SHARE", 0.0)
    new = 0
    for index in range(30):
        alone, beside = (PairMaker(photos, sprites, Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=1, beside=share), 160)
                         .make(np.random.default_rng(index)).target > 0 for share in (0, 1))
        assert alone[1].any() and not alone[0].any()
        if beside[0].any():
            new += 1
            thing, passers = (np.flatnonzero(plane.any(0)) for plane in beside[:2])
            assert not len(passers) or np.abs(thing[:, None] - passers).min() < 160 / 2    # one who passes may be hidden by it
    assert new > 10


@pytest.mark.parametrize("names, parts", [(("bicycle-0", "cyclist-00-1"), {1, 2}), (("bicycle-0",), {2}), (("cyclist-00-1",), {1})])
def test_cyclists_are_of_one_piece_or_somebody_on_a_bicycle(still, photos, sprites, monkeypatch, names, parts):
    monkeypatch.setattr(data, "CYCLISTS", 1.0)
    drawn = []
    original = data._Events._rides
    monkeypatch.setattr(data._Events, "_rides", lambda self, picture, placed: drawn.append([]) or original(self, picture, placed))
    monkeypatch.setattr(data._Events, "_drawn", lambda self, picture, image, foot: drawn[-1].append(image) or np.zeros((160, 160), bool))
    ridden = [*sprites, *(fake_sprite(VEHICLE, name, (10, 10, 10), (60, 60)) for name in names)]
    passing = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=1, beside=0)
    for index in range(12):
        PairMaker(photos, ridden, passing, 160).make(np.random.default_rng(index))
    assert {len(images) for images in drawn} == parts
    assert all(images[1].shape[0] > 1.1 * images[0].shape[0] for images in drawn if len(images) == 2)


def test_what_a_photograph_may_show_of_people_is_left_open(still, sprites, photos):
    from dataclasses import replace

    chance = np.zeros((260, 340), np.uint8)
    chance[:, :170], chance[:130] = 255, 90      # sure, and perhaps
    nothing = Mixture(things=(1,), standing=(1,), removed=(1,), moved=0, swapped=0, people=0)
    sample = PairMaker([replace(photos[0], dynamic=chance)], sprites, nothing, 160).make(np.random.default_rng(3))
    open_, sure = sample.weight[1] == 0, sample.target[1] > 0
    assert open_.any() and sure.any() and not (open_ & sure).any()
    assert set(np.unique(sample.weight[0][sure])) == {4} and set(np.unique(sample.weight[0][~sure])) == {1}    # people are easily called new


def test_residuals_stay_within_16_px_and_borders_are_invalid():
    grid = np.dstack(np.meshgrid(np.arange(160), np.arange(120)))
    largest, borders = 0.0, 0
    for index in range(60):
        rng = np.random.default_rng(index)
        lookup = residual_lookup((120, 160), rng)
        largest = max(largest, np.abs(lookup - grid).max())
        valid = laid(np.ones((120, 160), np.uint8), with_border(lookup, rng), smooth=False)
        borders += valid.mean() < 0.9
    assert 8 < largest <= LARGEST_PX + 1e-3 and 5 < borders < 40


def test_a_sample_as_tensors(maker):
    sample = maker.make(np.random.default_rng(0))
    query, _, valid, target, weight = tensors(sample)
    np.testing.assert_array_equal(query.numpy().transpose(1, 2, 0), sample.query)
    assert np.array_equal(valid[0].numpy() > 0, sample.valid) and np.array_equal(target, sample.target) and np.allclose(weight, sample.weight, rtol=1e-3)

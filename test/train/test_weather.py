"""Shadows: spots left lit are told of, and over a kerb a shadow lies to one side."""

import cv2
import numpy as np
import pytest

from umad_patrol.train import weather
from umad_patrol.train.sprites import THING, Sprite

SIDE = 160


@pytest.fixture
def sprites():
    return [Sprite(THING, "box-0", np.full((40, 30, 4), 255, np.uint8), 0.4)]


def test_spots_in_the_sun_are_told_of_and_are_brighter_than_what_is_around(sprites, monkeypatch):
    monkeypatch.setattr(weather, "GAPS", 1.0)
    monkeypatch.setattr(weather, "DARK", 0.0)
    brighter = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image = np.full((SIDE, SIDE, 3), 0.6, np.float32)
        spots = weather.shadows(image, sprites, rng)
        assert spots.shape == (SIDE, SIDE) and spots.dtype == bool
        if 20 < spots.sum() < 0.2 * spots.size:
            brighter.append(image[spots].mean() > image[~spots].mean() * 1.05)
    assert len(brighter) > 10 and np.mean(brighter) > 0.8       # another shadow may lie over one


def test_dark_spots_are_told_of_and_are_darker_than_what_is_around(sprites, monkeypatch):
    monkeypatch.setattr(weather, "GAPS", 1.0)
    monkeypatch.setattr(weather, "DARK", 1.0)
    darker = []
    for seed in range(30):
        image = np.full((SIDE, SIDE, 3), 0.6, np.float32)
        spots = weather.shadows(image, sprites, np.random.default_rng(seed))
        if 20 < spots.sum() < 0.2 * spots.size:
            darker.append(image[spots].mean() < image[~spots].mean() * 0.95)
    assert len(darker) > 10 and np.mean(darker) > 0.8


def test_where_there_is_no_gap_nor_kerb_what_is_told_of_lies_in_the_shade(sprites, monkeypatch):
    monkeypatch.setattr(weather, "GAPS", 0.0)
    monkeypatch.setattr(weather, "STEPPED", 0.0)
    told = 0
    for seed in range(40):
        image = np.ones((SIDE, SIDE, 3), np.float32)
        spots = weather.shadows(image, sprites, np.random.default_rng(seed))
        told += spots.any()
        assert not spots.any() or (image[spots].mean(-1) < 0.97).mean() > 0.95
    assert 5 < told < 35


def test_a_posts_shadow_stands_and_has_two_ends():
    whole = 0
    for seed in range(60):
        shade = weather._post((SIDE, SIDE), np.random.default_rng(seed)) > 0.3
        rows, columns = np.nonzero(shade)
        if len(rows) < 20 or not 0 < rows.min() <= rows.max() < SIDE - 1 or not 0 < columns.min() <= columns.max() < SIDE - 1:
            continue
        whole += 1
        assert np.ptp(rows) > 1.5 * shade.sum(1).max()
    assert whole > 10


def test_what_stands_on_a_roof_is_a_part_of_its_shadow_and_the_least_of_it():
    for seed in range(30):
        shade, fine = weather._skyline((SIDE, SIDE), np.random.default_rng(seed))
        assert shade.shape == fine.shape == (SIDE, SIDE) and 0 <= shade.min() <= shade.max() <= 1.001
        assert fine.mean() < 0.5 and (not fine.any() or shade[fine].mean() > 0.3)


def test_over_a_kerb_an_edge_jumps_within_its_band_and_nowhere_else():
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[:, :80] = 1
    jumped = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        kerb = weather.Kerb.random(mask.shape, weather.WALL_PX, rng)
        stepped = weather._stepped(mask, kerb, rng)
        assert stepped.shape == mask.shape and set(np.unique(stepped)) <= {0.0, 1.0}
        differs = stepped != mask
        assert not (differs & ~kerb.band(mask.shape)).any()
        jumped += differs.any()
    assert jumped > 15


def test_a_kerb_lies_in_its_band_and_shadows_on_it_are_told_of_where_they_lie_otherwise(sprites, monkeypatch):
    monkeypatch.setattr(weather, "GAPS", 0.0)
    monkeypatch.setattr(weather, "POSTS", 0.0)
    monkeypatch.setattr(weather, "_skyline", lambda shape, rng: (weather._straight(shape, rng), np.zeros(shape, bool)))
    told = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image = np.full((SIDE, SIDE, 3), 0.1, np.float32)
        kerb = weather.kerb(image, rng)
        band = kerb.band((SIDE, SIDE))
        near = cv2.dilate(band.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert 3 <= kerb.high <= weather.KERB_PX and np.allclose(image[~near], 0.1, atol=1e-3)
        assert not band.any() or image[band].mean() > 0.12
        spots = weather.shadows(image, sprites, rng, kerb)
        assert not (spots & ~band).any()
        told += spots.any()
    assert told > 5

"""Grids of where query pixels look: between nodes, as full maps, on both devices' ways, and back."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from umad_patrol.align import lookup
from umad_patrol.align.layers import to_query
from umad_patrol.align.verdict import Estimate, objection
from umad_patrol.align.warp import Laid, everywhere, places_seen
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform
from umad_patrol.records import Alignment

H = np.array([[1.02, -0.03, 14.0], [0.025, 0.99, -9.0], [2e-5, -1e-5, 1.0]])


def of(H, size):
    at = lookup.nodes(size)
    return transform(np.linalg.inv(H), at.reshape(-1, 2)).reshape(at.shape)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_at_some_columns_and_rows_is_what_it_is_everywhere(width, height, step):
    grid = np.random.default_rng(width * height).normal(0, 30, lookup.nodes((width, height)).shape)
    columns, rows = np.arange(0, width, step), np.arange(0, height, step)
    assert lookup.at(grid, columns, rows).dtype == np.float32    # half the memory to move
    np.testing.assert_allclose(lookup.at(grid, columns, rows), lookup.full(grid, (width, height))[::step, ::step], atol=1e-3)
    np.testing.assert_allclose(lookup.at(grid, columns + 1e4, rows)[:, -1, 0], lookup.at(grid, columns + 1e5, rows)[:, -1, 0])    # beyond: the border


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 9), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_a_gpu_is_told_the_same_places_beyond_the_border_too(width, height, step, first, beyond):
    grid = np.random.default_rng(width * height).normal(0, 30, lookup.nodes((width, height)).shape)
    columns, rows = np.arange(0, width + beyond, step), np.arange(min(first, height - 1), height + beyond, step)
    seen = places_seen(everywhere(grid, torch.device("cpu")), columns, rows)
    np.testing.assert_allclose(np.moveaxis(seen[0].numpy(), 0, -1), lookup.at(grid, columns, rows), atol=1e-3)


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_a_grid_of_itself_is_every_pixel(width, height):
    seen = lookup.full(lookup.nodes((width, height)), (width, height))
    assert seen.shape == (height, width, 2)
    np.testing.assert_allclose(seen, np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1), atol=1e-4)


def test_full_and_sample_agree_with_the_homography():
    seen = lookup.full(of(H, (320, 200)), (320, 200))
    pixels = np.random.default_rng(0).integers((0, 0), (320, 200), (300, 2))
    exact = transform(np.linalg.inv(H), pixels)
    np.testing.assert_allclose(seen[pixels[:, 1], pixels[:, 0]], exact, atol=0.01)
    np.testing.assert_allclose(lookup.sample(of(H, (320, 200)), pixels), exact, atol=0.01)


@pytest.fixture(scope="module")
def photo(texture):
    return cv2.GaussianBlur(texture, (0, 0), 1.5)


def test_laid_by_lookup_is_laid_by_homography(photo):
    by_H, by_grid = (Laid(photo, H, (640, 400), torch.device("cpu"), grid) for grid in (None, of(H, (640, 400))))
    both = (by_H.valid & by_grid.valid)[0, 0]
    assert (by_H.picture - by_grid.picture).abs()[0, :, both].max() * 255 < 1.5
    assert (by_H.valid != by_grid.valid).float().mean() < 0.005


def test_nowhere_is_not_valid(photo):
    grid = of(H, (640, 400))
    grid[:20] = np.nan
    grid = lookup.clean(grid)
    valid = Laid(photo, H, (640, 400), torch.device("cpu"), grid).valid
    assert not valid[0, 0, :8 * 19].any() and valid[0, 0, 8 * 21:].any()
    assert lookup.overlap(grid, (640, 400)) < lookup.overlap(of(H, (640, 400)), (640, 400))


def test_points_go_there_and_back():
    alignment = Alignment(np.eye(3), "layered", 0, 0, 0.0, 0.0, 1.0, True, "", lookup=of(H, (640, 400)))
    query = np.random.default_rng(2).uniform((20, 20), (600, 380), (60, 2))
    reference = lookup.sample(alignment.lookup, query)
    np.testing.assert_allclose(to_query(alignment, reference), query, atol=1e-2)
    assert np.isnan(to_query(alignment, np.array([[1e5, 1e5]]))).all()
    assert to_query(alignment, np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("scale", [0.5, 0.37, 1.0])
def test_a_field_of_another_size_is_resampled_in_place(scale):
    """A field that grows evenly with the pixel says the same of both pictures."""
    size, other = (640, 400), (round(640 * scale), round(400 * scale))
    other_S_query = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    at = lookup.nodes(other)
    found = lookup.resampled((at[..., 0] + 3 * at[..., 1]).astype(np.float32), np.linalg.inv(other_S_query), size)
    exact = transform(other_S_query, lookup.nodes(size).reshape(-1, 2)) @ [1.0, 3.0]
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inner], exact.reshape(found.shape)[inner], atol=0.5)  # OpenCV rounds places to 1/32 of a node


@pytest.mark.parametrize("shift, tolerance, whole", [(0.0, 0.0, True), (0.4, 0.0, False), (0.4, 0.5, True), (0.6, 0.5, False)])
def test_what_is_beyond_the_outermost_centres_is_not_inside(shift, tolerance, whole):
    size = 64, 48
    shown = lookup.of_homography(np.array([[1, 0, -shift], [0, 1, 0], [0, 0, 1.0]]), size, size)
    row = lookup.inside(shown, size, size, tolerance)[24]
    assert row[1:-1].all() and row[-1] == whole


def test_a_homography_and_its_negative_show_the_same():
    H = np.array([[1.1, 0.05, 3], [0.02, 0.95, -4], [1e-4, 2e-4, 1.0]])
    np.testing.assert_array_equal(lookup.of_homography(H, (64, 48), (70, 50)), lookup.of_homography(-H, (64, 48), (70, 50)))
    assert (lookup.of_homography(H, (64, 48), (70, 50)) > lookup.NOWHERE).any()


def test_a_lookup_that_looks_above_its_reference_covers_nothing():
    size = 64, 48
    above = lookup.of_homography(np.array([[1, 0, 0], [0, 1, 53.0], [0, 0, 1]]), size, size)
    assert lookup.overlap(above, size) == 0.0 and lookup.overlap(lookup.of_homography(np.eye(3), size, size), size) == 1.0


def test_what_a_lookup_says_is_not_judged_by_the_homography_beside_it():
    folds = np.array([[1, 0, 0], [0, 1, 0], [0, 0.01, -1.0]])      # of the ground, whose horizon crosses the reference
    shown = lookup.of_homography(np.eye(3), (640, 400), (640, 400))
    by_lookup = Estimate(folds, "layered", by_matches=False, lookup=shown)
    assert objection(by_lookup, (640, 400), (640, 400), AlignSettings()) == ""
    assert "folds" in objection(replace(by_lookup, lookup=None), (640, 400), (640, 400), AlignSettings())

"""The fits behind an alert, against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from umad_patrol.alerts.hypotheses import fuse, sighting_covariance, standing_over_flat, velocity


def test_a_pixel_at_eight_metres_is_a_decimetre_along_the_ray():
    covariance = sighting_covariance(8.0, np.array([1.0, 0.0]), 0.0, 910.0, 0.7, 1.0, 1e-6)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(64 / 637, rel=1e-6)
    assert np.sqrt(covariance[1, 1]) == pytest.approx(8 / 910, rel=1e-6)


def test_fusion_weights_by_information():
    centre, covariance, _ = fuse(np.array([[0.0, 0.0], [0.1, 0.0]]), np.array([np.eye(2) * 0.01, np.eye(2) * 0.04]))
    assert centre[0] == pytest.approx(0.1 * 0.01 / 0.05, abs=5e-3)
    assert covariance[0, 0] == pytest.approx(1 / (1 / 0.01 + 1 / 0.04), rel=0.2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), strays=st.integers(0, 6))
def test_strays_do_not_pull_the_place(seed, strays):
    rng = np.random.default_rng(seed)
    places = np.vstack([rng.normal([3, -2], 0.1, (15, 2)), rng.uniform(-10, 10, (strays, 2))])
    centre, _, squared = fuse(places, np.repeat(np.eye(2)[None] * 0.01, len(places), axis=0))
    assert np.linalg.norm(centre - [3, -2]) < 0.15
    assert (squared[:15] < 16).sum() >= 12


@pytest.mark.parametrize("near", [8, 10])
def test_from_near_it_is_seen_better_where_a_thing_stands(near):
    """Twelve times only the post of a bollard was found, and its foot taken to be half a metre farther; then its base as well."""
    ranges = np.concatenate([np.linspace(9.0, 5.8, 12), np.linspace(5.5, 2.0, near)])
    places = np.column_stack([np.where(ranges > 5.7, 0.6, 0.0), np.zeros(len(ranges))])
    covariances = np.array([sighting_covariance(r, np.array([1.0, 0.0]), 0.2, 910.0, 0.7, 3.0, 0.05) for r in ranges])
    assert np.linalg.norm(fuse(places, covariances)[0]) < 0.1


def test_a_few_near_strays_do_not_outweigh_what_was_seen_from_afar():
    ranges = np.concatenate([np.linspace(9.0, 5.8, 12), [3.0, 2.7]])
    places = np.column_stack([np.where(ranges > 5.7, 0.0, 0.6), np.zeros(len(ranges))])
    covariances = np.array([sighting_covariance(r, np.array([1.0, 0.0]), 0.2, 910.0, 0.7, 3.0, 0.05) for r in ranges])
    assert np.linalg.norm(fuse(places, covariances)[0]) < 0.1


def test_velocity_of_a_walker_is_exact_without_noise():
    seconds = np.arange(6) * 0.4
    places = np.array([1.0, 2.0]) + seconds[:, None] * [1.2, -0.3]
    v, covariance = velocity(seconds, places, np.repeat(np.eye(2)[None] * 0.04, 6, axis=0))
    np.testing.assert_allclose(v, [1.2, -0.3], atol=1e-6)
    assert covariance[0, 0] == pytest.approx(0.04 / ((seconds - seconds.mean()) ** 2).sum(), rel=1e-3)


def seen(ranges, heights, width=0.3):
    ranges = np.asarray(ranges, float)
    heights = np.broadcast_to(heights, ranges.shape)
    return standing_over_flat(ranges, heights, np.full_like(ranges, width), np.full_like(ranges, 0.7), 910 * heights / ranges, 2.0)


@settings(max_examples=40, deadline=None)
@given(height=st.floats(0.1, 1.2), width=st.floats(0.06, 0.5))
def test_what_keeps_its_height_stands(height, width):
    assert seen(np.linspace(9, 2, 20), height, width) > 2.0


@settings(max_examples=40, deadline=None)
@given(length=st.floats(0.3, 4.0), width=st.floats(0.3, 2.5))
def test_what_keeps_its_length_lies(length, width):
    ranges = np.linspace(9, 2, 20)
    assert seen(ranges, 0.7 * length / (ranges + length), width) < 0.0


def test_from_one_range_only_the_shape_speaks():
    assert abs(seen(np.full(10, 6.0), 0.3, 1.0)) < 0.1

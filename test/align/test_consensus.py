"""The spread score's published values, and the consensus against outliers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umad_patrol.align.consensus import Equations, _widest, find, fit, most_spread, refine, spread_score, transfer_error
from umad_patrol.geometry.homography import transform

SIZE = (640, 400)
CORNERS = np.array([[0, 0], [639, 0], [0, 399], [639, 399]], float)


def grid(columns, rows, cell, start=0):
    """Centres of finest cells of a 256x256 picture (16x16 cells of 16 pixels): every `cell`-th from `start`."""
    return np.array([[(start + c * cell) * 16 + 8, (start + r * cell) * 16 + 8] for r in range(rows) for c in range(columns)], float)


CLUMP = grid(4, 4, 1)
QUADRANT = grid(4, 4, 2)
TWELVE = np.delete(grid(4, 4, 4), [0, 5, 10, 15], axis=0)
WHOLE = grid(4, 4, 4)


@pytest.mark.parametrize("points, published", [(CLUMP, 72), (QUADRANT, 144), (TWELVE, 232), (WHOLE, 288)])
def test_published_scores(points, published):
    assert spread_score(points, (256, 256)) == published


@given(st.lists(st.tuples(st.floats(-0.5, 639.4), st.floats(-0.5, 399.4)), max_size=40), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_score_counts_cells_and_grows_with_points(points, levels):
    points = np.array(points).reshape(-1, 2)
    expected = 0
    for level in range(1, levels + 1):
        cells = {(int((x + 0.5) / 640 * 2 ** level), int((y + 0.5) / 400 * 2 ** level)) for x, y in points}
        expected += 2 ** (levels - level + 1) * len(cells)
    score = spread_score(points, SIZE, levels)
    assert score == expected <= most_spread(levels)
    assert score >= spread_score(points[:-1], SIZE, levels)


def test_no_points_score_nothing_and_outside_counts_at_the_border():
    assert spread_score(np.zeros((0, 2)), SIZE) == 0
    assert spread_score([[-50.0, 900.0]], SIZE) == spread_score([[0.0, 399.0]], SIZE)


@pytest.mark.parametrize("x, cells", [((319.4, 319.6), 2), ((319.6, 320.4), 1), ((0.0, 319.4), 1), ((319.6, 639.4), 1)])
def test_a_pixel_spans_half_a_pixel_on_either_side_of_its_centre(x, cells):
    assert spread_score([(x[0], 10.0), (x[1], 10.0)], SIZE, levels=1) == 2 * cells


def random_H(rng):
    H = np.eye(3) + rng.uniform(-1, 1, (3, 3)) * [[0.08, 0.08, 30], [0.08, 0.08, 30], [1e-4, 1e-4, 0]]
    return H / H[2, 2]


def scene(rng, count=200, outliers=0.5, noise=0.5):
    H = random_H(rng)
    p = rng.uniform((0, 0), SIZE, (count, 2))
    q = transform(H, p) + rng.normal(0, noise, (count, 2))
    wrong = rng.random(count) < outliers
    q[wrong] = rng.uniform((0, 0), SIZE, (int(wrong.sum()), 2))
    return H, np.hstack([p, q]), wrong


@pytest.mark.parametrize("seed", range(6))
def test_half_the_matches_wrong(seed):
    H, matches, wrong = scene(np.random.default_rng(seed))
    found = find(matches, SIZE)
    probe = np.random.default_rng(1).uniform((40, 40), (600, 360), (50, 2))
    assert transfer_error(found.H, probe, transform(H, probe)).mean() < 0.4
    assert found.inliers[~wrong].mean() > 0.95 and found.inliers[wrong].mean() < 0.1
    residual = transfer_error(found.H, matches[:, :2], matches[:, 2:])[found.inliers].mean()
    assert residual < 1.0 and found.residual_px == pytest.approx(residual)


def test_surest_first_bears_many_more_wrong_matches():
    H, matches, wrong = scene(np.random.default_rng(5), count=300, outliers=0.8)
    found = find(matches[np.argsort(wrong, kind="stable")], SIZE)
    assert found.inliers[:(~wrong).sum()].mean() > 0.9


def test_the_wide_spread_wins_over_the_larger_clump():
    rng = np.random.default_rng(2)
    wide_H, clump_H = np.array([[1, 0, 6.0], [0, 1, 3], [0, 0, 1]]), np.array([[1, 0, -40.0], [0, 1, -25], [0, 0, 1]])
    wide, clump = rng.uniform((20, 20), (620, 380), (60, 2)), rng.uniform((300, 150), (360, 190), (120, 2))
    matches = np.vstack([np.hstack([wide, transform(wide_H, wide)]), np.hstack([clump, transform(clump_H, clump)])])
    found = find(matches, SIZE, generator=np.random.default_rng(0), hypotheses=1500)
    assert found.inliers[:60].all() and not found.inliers[60:].any()
    np.testing.assert_allclose(found.H, wide_H, atol=1e-4)
    assert _widest(np.stack([clump_H, wide_H]), matches[:, :2], matches[:, 2:], SIZE, 3.0, 4).inliers.sum() == 60


def test_of_equal_spreads_the_one_with_more_inliers_wins_and_of_equally_many_the_closer_one():
    rng = np.random.default_rng(3)
    cells = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2)

    def moved(shift, times, noise=0.0):
        """`times` matches in every cell of the query, moved by `shift`."""
        q = (np.repeat(cells, times, axis=0) + rng.uniform(0.1, 0.9, (256 * times, 2))) * np.array(SIZE) / 16 - 0.5
        return np.hstack([q - shift + rng.normal(0, noise, q.shape), q])

    found = find(np.vstack([moved((40, 25), 1), moved((6, 3), 2)]), SIZE, hypotheses=2000)
    assert found.inliers.sum() == 512 and not found.inliers[:256].any()
    noisy, close = moved((40, 25), 1, 0.4), moved((6, 3), 1)
    for matches, which in ((np.vstack([noisy, close]), slice(256, None)), (np.vstack([close, noisy]), slice(256))):
        found = find(matches, SIZE, hypotheses=2000)
        assert found.inliers[which].all() and found.inliers.sum() == 256


@pytest.mark.parametrize("seed", range(3))
def test_a_rough_one_is_closer_than_four_points_make_it(seed):
    H, matches, wrong = scene(np.random.default_rng(seed), outliers=0.3)
    probe = np.random.default_rng(1).uniform((40, 40), (600, 360), (50, 2))
    found = find(matches, SIZE, hypotheses=60, rough=True)
    assert transfer_error(found.H, probe, transform(H, probe)).mean() < 0.25 and found.inliers[~wrong].mean() > 0.95


def test_a_small_picture_will_do_and_so_will_four_matches():
    H, matches, wrong = scene(np.random.default_rng(0), noise=0.1)
    found = find(matches / 16, (40, 25), inlier_px=0.2)
    assert found.inliers[~wrong].mean() > 0.9
    four = np.hstack([CORNERS, transform(H, CORNERS)])
    assert find(four, SIZE).inliers.all() and find(four, SIZE).residual_px < 1e-6


def test_same_seed_same_result():
    _, matches, _ = scene(np.random.default_rng(0))
    first, second = (find(matches, SIZE, generator=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.H, second.H)
    np.testing.assert_array_equal(find(matches, SIZE).H, find(matches, SIZE).H)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_matches(count):
    assert find(np.ones((count, 4)), SIZE) is None
    assert refine(np.eye(3), np.ones((count, 4)), SIZE) is None


def test_degenerate_matches_have_no_homography():
    x = np.linspace(0, 600, 50)
    line = np.column_stack([x, x / 2, x, x / 2])
    same = np.tile([10.0, 20, 30, 40], (50, 1))
    mirrored = np.random.default_rng(0).uniform((0, 0), SIZE, (50, 2))
    assert find(line, SIZE) is None and find(same, SIZE) is None
    assert find(np.column_stack([mirrored, 640 - mirrored[:, 0], mirrored[:, 1]]), SIZE) is None


@given(st.integers(0, 10_000), st.integers(4, 30))
@settings(max_examples=40, deadline=None)
def test_fit_recovers_an_exact_homography(seed, count):
    rng = np.random.default_rng(seed)
    H = random_H(rng)
    p = np.vstack([CORNERS, rng.uniform((0, 0), SIZE, (count - 4, 2))])
    q = transform(H, p)
    assert transfer_error(fit(p[:4], q[:4]), p, q).max() < 1e-6
    assert transfer_error(Equations.of(p, q).solved(np.ones(count)), p, q).max() < 1e-6


def test_fits_in_batches_and_by_weight():
    rng = np.random.default_rng(1)
    H, p = random_H(rng), rng.uniform((0, 0), SIZE, (20, 2))
    q = transform(H, p)
    q[0] += 50
    weights = np.ones((2, 20))
    weights[1, 0] = 0
    spoiled, clean = Equations.of(p, q).solved(weights)
    assert transfer_error(clean, p, q)[1:].max() < 1e-6 < transfer_error(spoiled, p, q)[1:].max()
    three = fit(p[[[1, 2, 3, 4], [5, 6, 7, 8], [0, 1, 2, 3]]], q[[[1, 2, 3, 4], [5, 6, 7, 8], [0, 1, 2, 3]]])
    assert transfer_error(three[:2], p, q)[:, 1:].max() < 1e-6 < transfer_error(three[2], p, q)[4:].min()


def test_unsolvable_is_nan_not_an_error():
    assert np.isnan(fit(np.ones((4, 2)), np.ones((4, 2)))).all() and np.isnan(Equations.of(np.ones((9, 2)), np.ones((9, 2))).solved(np.ones(9))).all()
    assert np.isinf(transfer_error(np.full((3, 3), np.nan), np.ones((2, 2)), np.ones((2, 2)))).all()


def test_refine_climbs_from_a_rough_start():
    H, matches, wrong = scene(np.random.default_rng(3), outliers=0.2, noise=0.3)
    rough = H @ np.array([[1, 0, 1.5], [0, 1, -1.0], [0, 0, 1]])
    found = refine(rough, matches, SIZE)
    assert transfer_error(found.H, matches[:, :2], transform(H, matches[:, :2])).mean() < 0.2


def test_what_explains_nothing_cannot_be_refined():
    _, matches, _ = scene(np.random.default_rng(3), outliers=0.0)
    assert refine(np.array([[1, 0, 5000.0], [0, 1, 0], [0, 0, 1]]), matches, SIZE) is None

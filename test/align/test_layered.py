"""The layered warp on a street whose every correspondence is known."""

import dataclasses

import cv2
import numpy as np
import pytest
from align_scene import make_texture, relight
from street_scene import CAMERA, correspondences, hits, keyframe, photograph, pose

from umad_patrol.align import layered
from umad_patrol.align.aligner import Aligner
from umad_patrol.align.consensus import transfer_error
from umad_patrol.align.layers import to_query
from umad_patrol.align.picture import Picture
from umad_patrol.align.poses import geometry
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.se3 import angle_deg, inverse

NOISE = {"x": 0.012, "y": -0.015, "yaw_deg": 0.12, "pitch_deg": -0.1, "roll_deg": 0.08}


@pytest.fixture(scope="module")
def aligner():
    return Aligner(AlignSettings())


def believed(**at):
    return pose(**{name: at.get(name, 0.0) + error for name, error in NOISE.items()})


def errors(alignment, pairs):
    return np.linalg.norm(to_query(alignment, pairs[:, :2]) - pairs[:, 2:], axis=1)


@pytest.mark.parametrize("at", [{}, {"y": 0.05}, {"y": 0.2}, {"y": -0.2, "yaw_deg": 2.0}, {"x": 0.15, "y": 0.1}, {"y": 0.4}])
def test_ground_and_wall_both_lie_where_they_belong(aligner, at):
    reference, query = pose(), pose(**at)
    result = aligner.align(relight(photograph(query)), keyframe(reference), CAMERA, believed(**at))
    assert result.comparable and result.method == "layered", result.reason
    pairs, ground = correspondences(reference, query)
    off = errors(result, pairs)
    assert np.isfinite(off).mean() > 0.97
    assert np.nanmean(off[ground]) < 0.5 and np.nanmean(off[~ground]) < (0.6 if abs(at.get("y", 0.0)) < 0.3 else 0.9)
    assert result.residual_px < 0.7


def test_half_the_error_of_the_best_homography_on_the_ground_and_no_more_beyond(aligner):
    reference, query = pose(), pose(y=0.2)
    pairs, ground = correspondences(reference, query)
    best = transfer_error(cv2.findHomography(pairs[:, :2], pairs[:, 2:])[0], pairs[:, :2], pairs[:, 2:])
    off = errors(aligner.align(photograph(query), keyframe(reference), CAMERA, believed(y=0.2)), pairs)
    assert np.nanmean(off[ground]) < best[ground].mean() / 2 and np.nanmean(off[~ground]) < best[~ground].mean()


def test_warped_reference_looks_like_the_query(aligner):
    reference, query = pose(), pose(y=0.2, yaw_deg=1.0)
    picture = photograph(query)
    result = aligner.align(picture, keyframe(reference), CAMERA, believed(y=0.2, yaw_deg=1.0))
    shown = result.laid.valid[0, 0].numpy()
    warped = (result.laid.picture[0].permute(1, 2, 0).numpy()[:, :, ::-1] * 255)
    before = np.abs(photograph(reference).astype(float) - picture)[shown].mean()
    assert shown.mean() > 0.8 and np.abs(warped - picture)[shown].mean() < before / 3
    assert result.overlap == pytest.approx(shown.mean(), abs=0.03)


def test_something_new_on_the_ground_does_not_bend_the_warp(aligner):
    query = pose(y=0.15)
    picture = photograph(query)
    picture[230:330, 250:330] = make_texture(77)[:100, :80]
    result = aligner.align(picture, keyframe(pose()), CAMERA, believed(y=0.15))
    pairs, ground = correspondences(pose(), query, 3000)
    under = ground & (pairs[:, 2] > 250) & (pairs[:, 2] < 330) & (pairs[:, 3] > 230) & (pairs[:, 3] < 330)
    assert under.sum() > 20 and np.nanmean(errors(result, pairs[under])) < 1.0


def test_without_a_ground_plane_one_homography_does(aligner):
    result = aligner.align(photograph(pose(yaw_deg=1.0)), keyframe(pose(), ground=None), CAMERA, believed(yaw_deg=1.0))
    assert result.comparable and result.method == "tracked" and result.lookup is None


def test_poses_that_are_far_off_cost_nothing_but_the_layers(aligner):
    """Half a metre and some degrees beside the truth: the pictures decide."""
    query = pose(yaw_deg=1.5)
    result = aligner.align(photograph(query), keyframe(pose()), CAMERA, pose(y=0.6, yaw_deg=-4.0, pitch_deg=2.0))
    pairs, _ = correspondences(pose(), query)
    assert result.comparable, result.reason
    assert np.nanmean(errors(result, pairs)) < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_another_place_is_not_comparable_though_the_poses_say_so(aligner, seed):
    result = aligner.align(photograph(pose(), seed=100 + seed), keyframe(pose()), CAMERA, believed())
    assert not result.comparable and result.reason.startswith("not comparable: ") and result.lookup is None


@pytest.mark.parametrize("picture", [np.zeros((400, 640, 3), np.uint8), np.full((400, 640, 3), 255, np.uint8)], ids=["black", "saturated"])
def test_nothing_to_see_is_not_comparable(aligner, picture):
    assert not aligner.align(picture, keyframe(pose()), CAMERA, pose()).comparable
    assert not aligner.align(photograph(pose()), keyframe(pose(), picture), CAMERA, pose()).comparable


def test_upside_down_is_not_comparable(aligner):
    assert not aligner.align(np.ascontiguousarray(photograph(pose())[::-1, ::-1]), keyframe(pose()), CAMERA, pose()).comparable


def test_tiles_that_repeat_are_laid_right_or_refused(aligner):
    tiles = np.kron(np.indices((50, 80)).sum(0) % 2, np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8) * 255
    result = aligner.align(tiles, keyframe(pose(), tiles), CAMERA, believed())
    points = np.random.default_rng(0).uniform((20, 20), (600, 380), (200, 2))
    assert not result.comparable or np.nanmean(np.linalg.norm(to_query(result, points) - points, axis=1)) < 1.0


def test_identical_pictures_lie_on_themselves(aligner):
    result = aligner.align(photograph(pose()), keyframe(pose()), CAMERA, believed())
    points = np.random.default_rng(0).uniform((5, 5), (630, 390), (200, 2))
    assert np.nanmean(np.linalg.norm(to_query(result, points) - points, axis=1)) < 0.1


@pytest.mark.parametrize("ground", [np.array([0, 0, 1.0, -0.7]), np.array([0, 0, -1.0, 0.0]), np.array([1.0, 0, 0, -5.0])],
                         ids=["through the camera", "upside down", "a wall"])
def test_a_ground_that_is_none_does_no_harm(aligner, ground):
    result = aligner.align(photograph(pose(yaw_deg=1.0)), keyframe(pose(), ground=ground), CAMERA, pose(yaw_deg=1.0))
    pairs, _ = correspondences(pose(), pose(yaw_deg=1.0))
    assert result.comparable and np.nanmean(errors(result, pairs)) < 2.0


def test_same_input_same_output(aligner):
    first, second = (aligner.align(photograph(pose(y=0.1)), keyframe(pose()), CAMERA, believed(y=0.1)) for _ in range(2))
    np.testing.assert_array_equal(first.lookup, second.lookup)
    assert (first.laid.picture == second.laid.picture).all() and first.reason == second.reason


@pytest.mark.parametrize("wrong", [{}, {"y": 0.05, "yaw_deg": -0.5}, {"y": 0.2, "yaw_deg": 1.0}, {"x": -0.2, "y": 0.15, "yaw_deg": -2.0, "pitch_deg": 0.5},
                                   {"y": -0.3, "yaw_deg": 3.0, "roll_deg": -0.5}, {"y": 0.6, "yaw_deg": -5.0, "pitch_deg": 2.0}],
                         ids=["right", "5 cm", "20 cm", "25 cm", "30 cm", "60 cm"])
def test_how_the_cameras_stand_to_each_other_comes_out_of_the_pictures(aligner, wrong):
    at = {"x": 0.06, "y": 0.1, "yaw_deg": 0.5}
    told = pose(**{name: at.get(name, 0.0) + wrong.get(name, 0.0) for name in {*at, *wrong}})
    result = aligner.align(relight(photograph(pose(**at))), keyframe(pose()), CAMERA, told)
    assert result.method == "layered", result.reason
    off = result.query_T_reference @ inverse(pose()) @ pose(**at)
    assert np.linalg.norm(off[:3, 3]) < 0.02 and angle_deg(off[:3, :3]) < 0.1
    pairs, ground = correspondences(pose(), pose(**at))
    assert np.nanmean(errors(result, pairs)[ground]) < 0.5


def test_without_poses_or_ground_nothing_is_said_of_how_the_cameras_stand(aligner):
    assert aligner.align(photograph(pose(yaw_deg=1.0)), keyframe(pose(), ground=None), CAMERA, believed(yaw_deg=1.0)).query_T_reference is None
    assert aligner.align(photograph(pose(yaw_deg=1.0)), keyframe(pose())).query_T_reference is None


def test_where_the_ground_shows_nothing_the_cameras_stand_as_poses_say(aligner):
    """A wall alone tells little of where one stands before it."""
    def bare(T):
        pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(400.0)), -1).reshape(-1, 2)
        picture = photograph(T)
        picture[hits(pixels, T)[1].reshape(400, 640)] = 120
        return picture
    query = pose(y=0.3)
    assert aligner.align(bare(query), keyframe(pose(), bare(pose())), CAMERA, query).query_T_reference is None
    assert aligner.align(bare(query), keyframe(pose(), bare(pose())), CAMERA, pose(y=0.1)).query_T_reference is None


def fit(points, matches, error, near=0):
    """A fit of so many points out of so many matches, with that error in pixels."""
    return layered._Fit(None, np.zeros((points, 2)), np.zeros(points), np.full(points, error), near, matches)


@pytest.mark.parametrize("points, matches, error, believable", [(75, 100, 0.5, True), (74, 100, 0.5, False), (100, 100, 0.65, False), (0, 0, 0.1, False)])
def test_a_fit_is_believed_where_three_in_four_points_agree_closely(points, matches, error, believable):
    assert fit(points, matches, error).believable == believable


@pytest.mark.parametrize("points, matches, error, holds", [
    (120, 141, 0.5, True), (120, 142, 0.5, False), (119, 125, 0.5, False),       # many, and most of all
    (40, 42, 0.29, True), (39, 39, 0.1, False), (40, 43, 0.29, False), (100, 101, 0.31, False)])     # or fewer that are nearly all, and close
def test_a_fit_holds_where_few_points_can_have_gone_astray(points, matches, error, holds):
    assert fit(points, matches, error).holds == holds


@pytest.mark.parametrize("points, error, settled", [(150, 0.29, True), (150, 0.31, False), (30, 0.1, False)])
def test_a_fit_is_settled_where_it_holds_closely(points, error, settled):
    assert fit(points, points, error).settled == settled


def fitted(monkeypatch, *fits):
    """Which of the fits that are made one after the other is taken, the first by poses, the rest after these were put right; and how many were made."""
    made = []
    monkeypatch.setattr(layered, "_fit", lambda *_: made.append(fits[len(made)]) or made[-1])
    monkeypatch.setattr(layered, "put_right", lambda query, reference, known, settings: known)
    small = Picture.of(np.zeros((64, 64, 3), np.uint8), AlignSettings())
    between = geometry(keyframe(pose(), np.zeros((400, 640, 3), np.uint8)), CAMERA, pose(y=0.3))
    return fits.index(layered._fitted(small, small, between, AlignSettings())), len(made)


@pytest.mark.parametrize("fits, taken, made", [
    ([(150, 150, 0.2)], 0, 1),                                          # settled at once
    ([(150, 160, 0.4), (155, 160, 0.2)], 1, 2),                         # followed once more: better, and settled
    ([(150, 160, 0.4), (140, 160, 0.2)], 0, 2),                         # or worse
    ([(150, 160, 0.5), (152, 160, 0.4), (154, 160, 0.35)], 2, 3),       # twice more at most
    ([(100, 160, 0.5), (150, 160, 0.2)], 1, 2),                         # did not hold: rough is better
    ([(100, 160, 0.5), (150, 160, 0.4), (140, 160, 0.4)], 1, 3),        # though not as close as can be
    ([(100, 160, 0.5), (90, 160, 0.4), (80, 160, 0.4)], 0, 3),          # or worse
    ([(100, 160, 0.5), (110, 160, 0.5), (105, 160, 0.5)], 0, 3),        # or fits too loosely: it may have slipped
    ([(100, 160, 0.5), (110, 200, 0.3), (105, 200, 0.3)], 0, 3),        # or has more points, but a smaller share
])
def test_the_best_fit_is_taken_and_a_rough_one_only_where_it_is_close(monkeypatch, fits, taken, made):
    assert fitted(monkeypatch, *(fit(*numbers) for numbers in fits)) == (taken, made)


def placed(pixels, inverse_depths, off=(0.0, 0.0), low=True, aside=0.3):
    """What is said of query pixels whose matches lie where those inverse depths show them, and `off` so many pixels."""
    between = geometry(keyframe(pose(), np.zeros((400, 640, 3), np.uint8)), CAMERA, pose(y=aside))     # lines along the rows
    depths = inverse_depths(between.ground_inverse_depth(pixels))
    matches = np.hstack([between.seen(pixels, depths) + off, pixels])
    return (*layered._placed(between, matches, np.full(len(pixels), low)), depths - between.ground_inverse_depth(pixels))


ON_GROUND, ABOVE = np.array([[200.0, 300.0], [400.0, 350.0]]), np.array([[200.0, 100.0], [400.0, 50.0]])


@pytest.mark.parametrize("off, on_ground", [((0.0, 0.0), True), ((0.9, 0.0), True), ((0.0, 0.9), True), ((0.0, 1.1), False)])
def test_points_within_a_pixel_of_the_ground_lie_on_it(off, on_ground):
    explained, ground, nearer, error, _ = placed(ON_GROUND, lambda bare: bare, off)
    assert explained.all() and (ground == on_ground).all() and (error == pytest.approx(np.hypot(*off), abs=1e-6))
    assert (nearer == 0.0).all() == on_ground or nearer.max() < 1e-3
    explained, ground, _, _, _ = placed(ON_GROUND, lambda bare: bare, off, low=False)
    assert explained.all() and not ground.any()     # too far away to tell


@pytest.mark.parametrize("off", [(-0.9, 0.0), (0.9, 0.0)])
def test_cameras_near_each_other_tell_depth_too_badly_to_doubt_what_lies_on_the_ground(off):
    """A pixel along the line is 0.04 1/m there, so that points seem to lie behind it."""
    explained, ground, nearer, _, _ = placed(ON_GROUND, lambda bare: bare, off, aside=0.05)
    assert explained.all() and ground.all() and not nearer.any()


@pytest.mark.parametrize("pixels", [ON_GROUND, ABOVE], ids=["below the horizon", "above"])
@pytest.mark.parametrize("nearer_by", [0.05, 0.5, 1.2])
def test_what_stands_before_the_ground_is_so_much_nearer(pixels, nearer_by):
    explained, ground, nearer, error, _ = placed(pixels, lambda bare: bare + nearer_by)
    assert explained.all() and not ground.any() and error.max() < 1e-6
    np.testing.assert_allclose(nearer, nearer_by, rtol=1e-6)


@pytest.mark.parametrize("inverse_depths, off, explained", [
    (lambda bare: bare - 0.015, (0.0, 0.0), True), (lambda bare: bare - 0.03, (0.0, 0.0), False),     # behind the ground
    (lambda bare: 0 * bare + 1.9, (0.0, 0.0), True), (lambda bare: 0 * bare + 2.1, (0.0, 0.0), False),    # all but in the lens
    (lambda bare: bare + 0.3, (0.0, 1.4), True), (lambda bare: bare + 0.3, (0.0, 1.6), False)],           # beside the line on which it must lie
    ids=["just behind", "behind", "near", "too near", "on its line", "beside it"])
def test_points_behind_the_ground_all_too_near_or_beside_their_line_are_astray(inverse_depths, off, explained):
    found, ground, nearer, error, by = placed(ON_GROUND, inverse_depths, off)
    assert (found == explained).all() and not ground.any()
    np.testing.assert_allclose(nearer, np.maximum(by, 0.0), atol=1e-6)
    np.testing.assert_allclose(error, np.hypot(*off), atol=1e-6)


def test_the_mean_error_is_in_pixels_of_the_picture():
    """Followed at half its size, an error there is of twice as many of the picture's pixels."""
    settings = AlignSettings(side_px=320)
    query, reference = (Picture.of(photograph(T), settings) for T in (pose(y=0.1), pose()))
    between = geometry(keyframe(pose()), CAMERA, believed(y=0.1))
    found = layered.estimate(query, reference, between, settings)
    assert found.residual_px == pytest.approx(2 * layered._fitted(query, reference, between, settings).error.mean())


@pytest.mark.parametrize("near, told", [(19, False), (20, True)])
def test_how_the_cameras_stand_is_told_by_twenty_points_on_near_ground(monkeypatch, near, told):
    query, reference = (Picture.of(photograph(T), AlignSettings()) for T in (pose(y=0.1), pose()))
    between = geometry(keyframe(pose()), CAMERA, believed(y=0.1))
    fit = dataclasses.replace(layered._fitted(query, reference, between, AlignSettings()), near=near)
    monkeypatch.setattr(layered, "_fitted", lambda *_: fit)
    assert (layered.estimate(query, reference, between, AlignSettings()).query_T_reference is not None) == told
    fit = dataclasses.replace(fit, error=fit.error + 1.0)
    assert layered.estimate(query, reference, between, AlignSettings()) is None

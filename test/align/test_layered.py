"""The layered warp on a street whose every correspondence is known."""

import cv2
import numpy as np
import pytest
from align_scene import make_texture, relight
from street_scene import CAMERA, correspondences, hits, keyframe, photograph, pose

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.consensus import transfer_error
from umad_patrol.align.layers import to_query
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

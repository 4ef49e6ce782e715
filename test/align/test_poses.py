"""Two cameras and the ground against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from street_scene import CAMERA, correspondences, keyframe, pose

from umad_patrol.align.poses import Geometry, geometry, refined
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import rotation_homography, transform

small = st.floats(-0.3, 0.3)
angle = st.floats(-6, 6)


def known(reference, query):
    return geometry(keyframe(reference, np.zeros((400, 640, 3), np.uint8)), CAMERA, query)


@given(small, small, angle, angle, angle)
@settings(max_examples=50, deadline=None)
def test_pure_turn_and_pure_plane_are_the_homographies(x, y, yaw, pitch, roll):
    between = known(pose(), pose(x, y, yaw, pitch, roll))
    pixels = np.random.default_rng(0).uniform((0, 0), (639, 399), (50, 2))
    far = between.seen(pixels, np.zeros(50))
    np.testing.assert_allclose(transform(rotation_homography(between.K_query, between.query_T_reference[:3, :3], between.K_reference), far), pixels, atol=1e-6)
    depth = between.ground_inverse_depth(pixels)
    low = depth > 0.02
    ground = between.seen(pixels[low], depth[low])
    ahead = np.isfinite(ground).all(axis=1)
    np.testing.assert_allclose(transform(between.ground_H, ground[ahead]), pixels[low][ahead], atol=1e-5)


@given(small, st.floats(0.02, 0.3), angle)
@settings(max_examples=50, deadline=None)
def test_depth_of_a_match_and_what_it_shows_are_inverse(x, y, yaw):
    between = known(pose(), pose(x, y, yaw))
    rng = np.random.default_rng(1)
    pixels, depth = rng.uniform((0, 0), (639, 399), (40, 2)), rng.uniform(0.0, 1.0, 40)
    matches = np.hstack([between.seen(pixels, depth), pixels])
    matches = matches[np.isfinite(matches).all(axis=1)]
    shift = np.linalg.norm(between.seen(matches[:, 2:], np.zeros(len(matches))) - matches[:, :2], axis=1)
    back = between.seen(matches[:, 2:], between.inverse_depths(matches))
    assert np.linalg.norm(back - matches[:, :2], axis=1)[shift > 0.1].max(initial=0.0) < 1e-3


def test_ground_correspondences_are_where_the_plane_says():
    reference, query = pose(), pose(0.1, 0.2, 2.0, 1.0, -1.0)
    pairs, ground = correspondences(reference, query)
    between = known(reference, query)
    depth = between.ground_inverse_depth(pairs[ground, 2:])
    np.testing.assert_allclose(between.seen(pairs[ground, 2:], depth), pairs[ground, :2], atol=1e-6)
    np.testing.assert_allclose(between.inverse_depths(pairs[ground]), depth, rtol=1e-3)
    assert (between.inverse_depths(pairs[~ground]) > between.ground_inverse_depth(pairs[~ground, 2:]) - 1e-9).all()


@pytest.mark.parametrize("wrong", [0.0, 0.3])
def test_a_noisy_pose_is_put_right_by_what_lies_on_the_ground(wrong):
    reference, query = pose(), pose(0.05, 0.1, 1.0)
    pairs, ground = correspondences(reference, query, 600)
    matches = pairs[ground].copy()
    rng = np.random.default_rng(3)
    outliers = rng.random(len(matches)) < wrong
    matches[outliers, :2] += rng.uniform(5, 30, (int(outliers.sum()), 2))
    noisy = known(reference, pose(0.07, 0.08, 1.2, 0.2, -0.1))
    better = refined(noisy, matches, AlignSettings(), 3.0)
    off = [np.linalg.norm(transform(g.ground_H, pairs[ground, :2]) - pairs[ground, 2:], axis=1).mean() for g in (noisy, better)]
    assert off[1] < 0.15 < 2.5 < off[0]


def test_no_matches_leave_what_was_believed():
    between = known(pose(), pose(0.1))
    same = refined(between, np.zeros((0, 4)), AlignSettings(), 3.0)
    np.testing.assert_allclose(same.query_T_reference, between.query_T_reference, atol=1e-12)


def test_no_ground_no_geometry_and_a_camera_in_the_ground_neither():
    assert geometry(keyframe(pose(), np.zeros((400, 640, 3), np.uint8), ground=None), CAMERA, pose()) is None
    assert geometry(keyframe(pose(height=0.0), np.zeros((400, 640, 3), np.uint8)), CAMERA, pose()) is None
    assert isinstance(known(pose(), pose()), Geometry) and known(pose(), pose()).ground[3] == pytest.approx(0.7)

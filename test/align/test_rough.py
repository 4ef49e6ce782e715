"""Poses that are far off are put right by what the pictures show."""

import numpy as np
import pytest
from street_scene import CAMERA, correspondences, keyframe, photograph, pose

from umad_patrol.align.picture import Picture
from umad_patrol.align.poses import geometry
from umad_patrol.align.rough import put_right, put_right_by
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.se3 import angle_deg, inverse

SETTINGS = AlignSettings()
AT = {"x": 0.06, "y": 0.1, "yaw_deg": 0.5}
WRONG = [{"y": 0.25, "yaw_deg": 3.0}, {"x": -0.3, "y": -0.3, "yaw_deg": -4.0, "pitch_deg": 1.0}, {"y": 0.4, "yaw_deg": 5.0, "roll_deg": -1.0}]


def believed(wrong):
    return geometry(keyframe(pose()), CAMERA, pose(**{name: AT.get(name, 0.0) + wrong.get(name, 0.0) for name in {*AT, *wrong}}))


def off(found):
    """How far a geometry is from the truth: metres and degrees."""
    error = found.query_T_reference @ inverse(pose()) @ pose(**AT)
    return np.linalg.norm(error[:3, 3]), angle_deg(error)


@pytest.mark.parametrize("wrong", WRONG)
def test_small_pictures_bring_poses_near(wrong):
    query, reference = (Picture.of(photograph(T), SETTINGS) for T in (pose(**AT), pose()))
    metres, degrees = off(put_right(query, reference, believed(wrong), SETTINGS))
    assert metres < 0.08 and degrees < 0.7


@pytest.mark.parametrize("wrong", WRONG)
def test_a_homography_of_the_ground_tells_how_the_cameras_stand(wrong):
    pairs, ground = correspondences(pose(), pose(**AT))
    H = geometry(keyframe(pose()), CAMERA, pose(**AT)).ground_H
    metres, degrees = off(put_right_by(Estimate(H, "features", where=pairs[ground, 2:]), believed(wrong), SETTINGS))
    assert metres < 0.01 and degrees < 0.05


def test_where_nothing_can_be_followed_poses_stay_as_they_are():
    query, reference = (Picture.of(np.full((400, 640, 3), grey, np.uint8), SETTINGS) for grey in (90, 120))
    known = believed(WRONG[0])
    assert put_right(query, reference, known, SETTINGS) is known
    assert put_right_by(Estimate(np.eye(3), "features"), known, SETTINGS) is None


def test_a_homography_that_says_what_poses_say_is_no_news():
    known = believed({})
    pairs, ground = correspondences(pose(), pose(**AT))
    assert put_right_by(Estimate(known.ground_H, "features", where=pairs[ground, 2:]), known, SETTINGS) is None

"""Where a frame was taken, by what the reference tells."""

import dataclasses

import numpy as np
import pytest
from fake_results import SMALL, result
from patrol_scene import pose

from umad_patrol.alerts.whence import Whence, localization_off, whence
from umad_patrol.geometry.se3 import inverse


def told(true, said):
    seen = result(1.0, true, [], SMALL)
    reference = dataclasses.replace(seen.reference, map_T_camera=pose(-0.1, 0.2, 0.03))
    alignment = dataclasses.replace(seen.alignment, query_T_reference=inverse(true) @ reference.map_T_camera)
    return dataclasses.replace(seen, frame=dataclasses.replace(seen.frame, map_T_camera=said), reference=reference, alignment=alignment)


def test_the_reference_tells_where_and_how_far_the_localization_is_off():
    true, said = pose(2.0, 0.3, 0.2), pose(2.3, -0.1, 0.2 + np.radians(3.0))
    np.testing.assert_allclose(whence(told(true, said)), true, atol=1e-12)
    assert localization_off(told(true, said)) == (pytest.approx(0.5), pytest.approx(3.0))


def test_without_it_the_localization_is_all_there_is():
    plain = result(1.0, pose(2.0, 0.3, 0.2), [], SMALL)
    for nothing in (plain, dataclasses.replace(plain, reference=None), dataclasses.replace(plain, alignment=None)):
        assert whence(nothing) is None and localization_off(nothing) is None and Whence().corrected(nothing) is nothing


def test_what_one_frame_tells_holds_for_those_after_it_for_a_while():
    whence, off = Whence(), np.eye(4)
    off[:2, 3] = 0.4, -0.3
    first, second = pose(2.0, 0.3, 0.2), pose(3.0, 0.5, 0.3)
    np.testing.assert_allclose(whence.corrected(told(first, off @ first)).frame.map_T_camera, first, atol=1e-12)
    for seconds, corrected in ((1.9, True), (10.9, True), (11.2, False)):
        later = result(seconds, off @ second, [], SMALL)
        np.testing.assert_allclose(whence.corrected(later).frame.map_T_camera, second if corrected else off @ second, atol=1e-12)
    whence.forget()
    assert whence.corrected(later) is later


@pytest.mark.parametrize("jump", [pose(0.5, -0.6), pose(0.0, 0.0, np.radians(25.0))])
def test_a_localization_that_jumps_was_put_right_and_what_was_told_before_no_longer_holds(jump):
    whence = Whence()
    whence.corrected(told(pose(2.0), jump @ pose(2.0)))
    later = result(1.2, pose(2.2), [], SMALL)
    np.testing.assert_allclose(whence.corrected(later).frame.map_T_camera, pose(2.2), atol=1e-12)

"""Where a frame was taken, by what the reference tells."""

import dataclasses

import numpy as np
import pytest
from fake_results import SMALL, result
from patrol_scene import pose

from umad_patrol.alerts.whence import localization_off, whence
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
        np.testing.assert_array_equal(whence(nothing), pose(2.0, 0.3, 0.2))
        assert localization_off(nothing) is None

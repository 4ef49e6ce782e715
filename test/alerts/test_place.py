"""Regions to places: closed forms by projecting things from known places, and what cannot be placed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from patrol_scene import CAMERA, GROUND, box_region, pose, tilt

from umad_patrol.alerts.place import join_parts, place
from umad_patrol.alerts.structure import Structure
from umad_patrol.config import AlertSettings
from umad_patrol.geometry.camera import project
from umad_patrol.geometry.plane import through
from umad_patrol.geometry.se3 import inverse
from umad_patrol.records import Region

SETTINGS = AlertSettings()


@pytest.mark.parametrize("size", [(0.07, 0.07, 0.12), (0.3, 0.3, 0.7), (0.6, 0.6, 1.0)])
@pytest.mark.parametrize("centre", [(4.0, 0.0), (7.0, 1.5), (9.0, -2.0)])
def test_a_block_is_placed_where_it_stands(centre, size):
    T = pose(0.0)
    sighting = place(box_region(centre, size, T), CAMERA, T, GROUND, SETTINGS)
    foot_px = np.hypot(*centre) ** 2 / (910 * 0.7)  # metres a pixel
    assert np.linalg.norm(np.array(sighting.position[:2]) - centre) < 0.6 * foot_px + 0.12 * size[0] + 0.01
    assert sighting.position[2] == pytest.approx(0.0, abs=1e-9)
    assert sighting.height_m == pytest.approx(size[2], abs=0.06 + 0.05 * size[2])
    assert sighting.width_m == pytest.approx(size[0], abs=0.05 + 0.25 * size[0])


@settings(max_examples=60, deadline=None)
@given(x=st.floats(-50, 50), y=st.floats(-50, 50), yaw=st.floats(-3.1, 3.1), pitch=st.floats(-0.05, 0.2), away=st.floats(2.5, 8.5),
       side=st.floats(-0.4, 0.4), tilt=st.floats(-0.03, 0.03), floor=st.floats(-3, 3))
def test_foot_and_height_are_exact_wherever_the_camera_stands(x, y, yaw, pitch, away, side, tilt, floor):
    T = pose(x, y, yaw, pitch, floor + 0.7)
    normal = np.array([np.sin(tilt), 0.0, np.cos(tilt)])
    ground = through(np.array([x, y, floor]), normal)
    direction = np.array([np.cos(yaw + side), np.sin(yaw + side)])
    foot = np.array([x, y]) + away * direction
    foot = np.append(foot, -(normal[:2] @ foot + ground[3]) / normal[2])
    V = inverse(T)
    pixels = project(np.array([foot, foot + 0.5 * normal]) @ V[:3, :3].T + V[:3, 3], CAMERA)
    (u, v), (_, top) = pixels
    inside = 30 < u < 1250 and 10 < top and v < 710
    sighting = place(Region("anomaly", 0.9, 100, (int(u) - 1, int(np.floor(top)), 2, int(v - top) + 1), (u, v)), CAMERA, T, ground,
                     dataclasses.replace(SETTINGS, max_depth_m=0.0))
    if not inside:
        return
    np.testing.assert_allclose(sighting.position, foot, atol=1e-6)
    assert sighting.height_m == pytest.approx(0.5, abs=0.03)
    assert sighting.range_m == pytest.approx(np.linalg.norm(foot - (T[:3, 3] - (normal @ T[:3, 3] + ground[3]) * normal)))


def region(x=600, y=500, w=40, h=60):
    return Region("anomaly", 0.8, w * h, (x, y, w, h), (x + w / 2, float(y + h)))


@pytest.mark.parametrize("bad, why", [
    (region(y=200, h=60), "foot above the horizon"),
    (region(y=300, h=60), "foot on the horizon"),
    (region(y=340, h=70), "beyond the range"),
    (region(y=600, h=119), "cut by the lower border"),
    (region(x=0), "cut by the left border"),
    (region(x=1240, w=40), "cut by the right border"),
])
def test_what_cannot_be_placed_is_not(bad, why):
    assert place(bad, CAMERA, pose(0.0), GROUND, SETTINGS) is None, why
    assert place(region(), CAMERA, pose(0.0), GROUND, SETTINGS) is not None


def test_under_the_ground_there_is_no_place():
    assert place(region(), CAMERA, pose(0.0, height=-0.5), GROUND, SETTINGS) is None


def test_a_foot_cut_off_by_the_border_of_what_was_compared_is_not_seen():
    valid = np.ones((720, 1280), bool)
    assert place(region(), CAMERA, pose(0.0), GROUND, SETTINGS, valid) is not None
    valid[561:] = False
    assert place(region(), CAMERA, pose(0.0), GROUND, SETTINGS, valid) is None


def test_masks_that_reach_below_the_foot_are_corrected():
    near = place(region(), CAMERA, pose(0.0), GROUND, SETTINGS)
    right = place(region(), CAMERA, pose(0.0), GROUND, dataclasses.replace(SETTINGS, foot_bias_px=5.0))
    assert right.range_m / near.range_m == pytest.approx((560 - 359.5) / (560 - 5 - 359.5))


def wall(x, low=0.0):
    y, z = np.meshgrid(np.arange(-3, 3, 0.05), np.arange(low, 2.5, 0.05))
    floor_x, floor_y = np.meshgrid(np.arange(-1, 12, 0.1), np.arange(-3, 3, 0.1))
    return np.vstack([np.column_stack([np.full(y.size, x), y.ravel(), z.ravel()]),
                      np.column_stack([floor_x.ravel(), floor_y.ravel(), np.zeros(floor_x.size)])])


def test_a_foot_behind_a_wall_is_on_no_ground():
    region_far = box_region((8.0, 0.0), (0.3, 0.3, 0.3), pose(0.0))
    assert place(region_far, CAMERA, pose(0.0), GROUND, SETTINGS, structure=Structure(wall(5.0))) is None
    assert place(region_far, CAMERA, pose(0.0), GROUND, SETTINGS, structure=Structure(wall(8.4))) is not None
    assert place(region_far, CAMERA, pose(0.0), GROUND, SETTINGS, structure=Structure(np.zeros((0, 3)))) is not None


def test_the_ground_itself_is_no_structure():
    floor = wall(40.0)
    floor[:, 2] += np.random.default_rng(0).normal(0, 0.03, len(floor))
    assert not Structure(floor).blocks(np.array([0, 0, 0.7]), np.array([9.0, 0.5, 0.0]))
    assert Structure(wall(5.0)).blocks(np.array([0, 0, 0.7]), np.array([9.0, 0.5, 0.0]))


def blocked(structure, up=np.eye(4)):
    """The share of free places on the floor before a camera that structure is said to hide."""
    places = [(x, y, 0.0) for x in np.arange(1.5, 10, 0.5) for y in np.arange(-2, 2.1, 0.5)]
    return np.mean([structure.blocks(up[:3, :3] @ [0.0, 0.0, 0.7], up[:3, :3] @ place_) for place_ in places])


def test_neither_returns_from_below_the_floor_nor_a_ramp_nor_a_storey_below_hide_anything(rng):
    floor = rng.uniform([-1, -3, 0], [13, 3, 0], (9000, 3)) + rng.normal(0, 0.02, (9000, 3)) * [0, 0, 1]
    eyes = np.array([[x, 0, 0.7] for x in np.arange(0, 12, 0.25)])
    route = eyes, np.tile(GROUND, (len(eyes), 1))
    ghosts = rng.uniform([-1, -3, -1], [13, 3, -0.35], (80, 3))
    assert blocked(Structure(np.vstack([floor, ghosts]), *route)) == 0
    assert blocked(Structure(np.vstack([floor, ghosts]))) < 0.05     # also where no keyframe tells
    assert blocked(Structure(np.vstack([floor, floor - [0, 0, 2.8]]), *route)) == 0
    for slope in (0.25, 0.36):
        up = tilt(slope)
        turned = eyes @ up[:3, :3].T, np.tile(np.append(up[:3, 2], 0.0), (len(eyes), 1))
        assert blocked(Structure(floor @ up[:3, :3].T, *turned), up) == 0
        assert blocked(Structure(wall(2.0) @ up[:3, :3].T, *turned), up) > 0.7
    assert blocked(Structure(wall(2.0), *route)) > 0.7
    unknown = eyes, np.full((len(eyes), 4), np.nan)
    assert blocked(Structure(wall(2.0), *unknown)) > 0.7


@pytest.mark.parametrize("high", [2.5, 8.0, 30.0])
def test_a_wall_hides_what_is_behind_however_high_it_is(high):
    y, z = np.meshgrid(np.arange(-3, 3, 0.1), np.arange(0.05, high, 0.1))
    floor_x, floor_y = np.meshgrid(np.arange(-1, 12, 0.1), np.arange(-3, 3, 0.1))
    points = np.vstack([np.column_stack([np.full(y.size, 3.3), y.ravel(), z.ravel()]), np.column_stack([floor_x.ravel(), floor_y.ravel(), 0 * floor_x.ravel()])])
    structure = Structure(points, np.array([[0, 0, 0.7]]), GROUND[None])
    assert all(structure.blocks(np.array([0, 0, 0.7]), np.array([x, 0.0, 0.0])) for x in (7.0, 8.0, 9.0, 10.0))


def test_parts_above_one_another_are_one_thing():
    lower, upper = region(600, 500, 40, 60), region(605, 450, 30, 40)
    joined, = join_parts((upper, lower))
    assert joined.box == (600, 450, 40, 110) and joined.foot == lower.foot and joined.area_px == lower.area_px + upper.area_px


@pytest.mark.parametrize("other", [region(680, 450, 30, 40), region(605, 300, 30, 40), dataclasses.replace(region(605, 450, 30, 40), class_name="dynamic")])
def test_things_beside_far_above_or_of_another_class_stay_apart(other):
    assert len(join_parts((other, region(600, 500, 40, 60)))) == 2

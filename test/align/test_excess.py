"""Scattered excess of inverse depth made a field, and what a cloud adds to it."""

import dataclasses

import numpy as np
import pytest
from street_scene import CAMERA, correspondences, hits, keyframe, photograph, pose, project

from umad_patrol.align import excess, lookup
from umad_patrol.align.aligner import Aligner
from umad_patrol.align.layers import to_query
from umad_patrol.align.poses import geometry
from umad_patrol.config import AlignSettings

AT = lookup.nodes((640, 400))
NONE = excess.Samples(np.zeros((0, 2)), np.zeros(0))


@pytest.fixture(scope="module")
def between():
    return geometry(keyframe(pose(), np.zeros((400, 640, 3), np.uint8)), CAMERA, pose(y=0.2))


def test_nothing_known_is_bare_ground(between):
    np.testing.assert_array_equal(excess.spread(between, AT, NONE, NONE), 0.0)


def test_a_point_holds_in_place_and_ground_beyond_stays_bare(between):
    node = np.array([[40.0, 40.0]])
    field = excess.spread(between, AT, excess.Samples(node, np.array([0.4])), NONE)
    assert field[40, 40] == pytest.approx(0.4, rel=0.1) and field.max() <= 0.4 + 1e-6 and field.min() >= 0
    assert field[40, 65] < 0.04 and field[48, 10] < 0.02  # below the horizon, far from it
    assert field[5, 40] > 0.1                             # above it nothing else is known


def test_points_that_agree_fill_what_lies_between(between):
    rng = np.random.default_rng(0)
    nodes = rng.uniform((2, 2), (78, 20), (150, 2))
    field = excess.spread(between, AT, excess.Samples(nodes, np.full(150, 0.07)), NONE)
    np.testing.assert_allclose(field[4:18, 4:76], 0.07, rtol=0.02)


def test_cloud_tells_the_nearest_of_a_node(between):
    at_query = pose(y=0.2)
    pixel = np.array([[300.0, 100.0]])
    ray = hits(pixel, at_query)[0][0] - at_query[:3, 3]
    cloud = at_query[:3, 3] + np.outer([4.0, 6.0], ray / (ray @ at_query[:3, 2]))
    known = geometry(dataclasses.replace(keyframe(pose(), np.zeros((400, 640, 3), np.uint8)), cloud=cloud.astype(np.float32)), CAMERA, at_query)
    np.testing.assert_allclose(project(cloud, at_query), np.repeat(pixel, 2, axis=0), atol=1e-6)
    found = excess.of_cloud(known, AT)
    np.testing.assert_array_equal(found.nodes, np.rint(lookup.node_of(pixel)))
    assert found.excess[0] == pytest.approx(1 / 4.0, rel=1e-4)  # above the horizon: the inverse depth itself


def test_cloud_behind_the_camera_or_none_tells_nothing(between):
    for cloud in (None, np.zeros((0, 3), np.float32), np.array([[-5.0, 0, 1], [0.1, 0, 0.7], [500, 0, 0]], np.float32)):
        reference = dataclasses.replace(keyframe(pose(), np.zeros((400, 640, 3), np.uint8)), cloud=cloud)
        assert len(excess.of_cloud(geometry(reference, CAMERA, pose()), AT).excess) == 0


def test_a_cloud_of_the_wall_lays_a_wall_that_shows_nothing_to_follow():
    """The wall is painted plain in both pictures: only the cloud knows how far it is."""
    reference, query = pose(), pose(y=0.3)
    pictures = []
    for T in (reference, query):
        pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(400.0)), -1).reshape(-1, 2)
        ground = hits(pixels, T)[1].reshape(400, 640, 1)
        pictures.append(np.where(ground, photograph(T), np.uint8(150)))
    y, z = np.meshgrid(np.arange(-14, 14, 0.1), np.arange(0.1, 8, 0.1))
    wall = np.stack([np.full(y.size, 14.0), y.ravel(), z.ravel()], axis=1).astype(np.float32)
    pairs, ground = correspondences(reference, query)
    off = []
    for cloud in (None, wall):
        keyed = dataclasses.replace(keyframe(reference, pictures[0]), cloud=cloud)
        result = Aligner(AlignSettings()).align(pictures[1], keyed, CAMERA, query)
        assert result.comparable and result.method == "layered", result.reason
        off.append(np.linalg.norm(to_query(result, pairs[~ground, :2]) - pairs[~ground, 2:], axis=1))
    assert np.nanmean(off[1]) < 1.0 and np.nanmean(off[1]) < np.nanmean(off[0]) / 3

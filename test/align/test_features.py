"""Even light, uniform key points, matches."""

import cv2
import numpy as np
import pytest

from umad_patrol.align.features import extract, match
from umad_patrol.align.light import even_light
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.geometry.homography import transform

SETTINGS = AlignSettings()


def test_even_light_forgets_exposure(texture):
    bright = np.clip(texture.astype(float) * 0.5 + 60, 0, 255).astype(np.uint8)
    assert np.abs(even_light(texture).astype(int) - even_light(bright)).mean() < 4
    assert abs(even_light(texture).mean() - 128) < 5


def test_even_light_of_nothing_is_nothing():
    for shape in ((1, 1, 3), (3, 200, 3), (50, 50)):
        assert (even_light(np.full(shape, 77, np.uint8)) == 128).all()


def test_key_points_cover_plain_ground_beside_rich_texture(texture):
    mixed = texture.copy()
    mixed[:, 320:] = 128 + (mixed[:, 320:].astype(int) - 128) // 12  # a faint right half
    points = extract(mixed, SETTINGS).points
    right = (points[:, 0] > 330).mean()
    assert 0.35 < right < 0.6
    corner = cv2.goodFeaturesToTrack(cv2.cvtColor(mixed, cv2.COLOR_BGR2GRAY), 800, 1e-3, 3)[:, 0]
    assert (corner[:, 0] > 330).mean() < 0.1  # what comes without uniformization


def test_count_size_and_types(texture):
    features = extract(texture, SETTINGS)
    assert features.size == (640, 400) and features.points.dtype == np.float32 and features.descriptors.dtype == np.uint8
    assert features.points.shape == (len(features.descriptors), 2)
    assert 0.5 * SETTINGS.features < len(features.points) <= 1.1 * SETTINGS.features
    assert (features.points >= 0).all() and (features.points < (640, 400)).all()


def test_matches_follow_a_known_homography(texture, query, known_H):
    found = match(extract(texture, SETTINGS), extract(query, SETTINGS), SETTINGS.ratio)
    error = np.linalg.norm(transform(known_H, found[:, :2]) - found[:, 2:], axis=1)
    assert len(found) > 100 and (error < 3).mean() > 0.6
    assert (error[:len(found) // 4] < 3).mean() > (error < 3).mean()  # the surest come first
    assert len(np.unique(found[:, :2], axis=0)) == len(np.unique(found[:, 2:], axis=0)) == len(found)


def test_a_large_picture_is_reduced_and_points_come_back_in_its_pixels(texture):
    large = cv2.resize(texture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    found = match(extract(texture, SETTINGS), extract(large, SETTINGS))
    expected = (found[:, :2] + 0.5) * 3 - 0.5
    assert np.median(np.linalg.norm(found[:, 2:] - expected, axis=1)) < 1.5


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 3), (1, 500, 3), (500, 1, 3), (20, 20, 3), (33, 33, 3), (200, 300, 3)])
def test_pictures_without_anything_give_no_points(shape, texture):
    features = extract(np.full(shape, 90, np.uint8), SETTINGS)
    assert features.points.shape == (0, 2) and features.descriptors.shape == (0, 32)
    assert match(features, extract(texture, SETTINGS)).shape == match(features, features).shape == (0, 4)


@pytest.mark.parametrize("image", [None, "picture", np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8),
                                   np.zeros((5, 5, 3), np.float32), np.zeros((5, 5, 4), np.uint8), np.zeros((2, 5, 5, 3), np.uint8)])
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(AlignmentError, match="not"):
        extract(image, SETTINGS)


def test_extraction_repeats_itself(texture):
    first, second = extract(texture, SETTINGS), extract(texture.copy(), SETTINGS)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.descriptors, second.descriptors)


def test_a_corner_of_a_reduced_picture_is_where_it_is_in_the_whole_one():
    image = np.full((480, 640, 3), 60, np.uint8)
    image[200:, 300:] = 200     # its corner lies between the pixels 299 and 300, 199 and 200
    points = extract(image, AlignSettings(feature_side_px=320)).points
    assert np.abs(points - [299.5, 199.5]).max(axis=1).min() <= 1.0      # one of the four pixels of the reduced picture around it

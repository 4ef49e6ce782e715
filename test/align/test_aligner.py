"""Every method of alignment: accuracy, the switch at theta, verdicts, and input that is bad in every way."""

import dataclasses

import cv2
import numpy as np
import pytest
from align_scene import make_reference, make_texture, relight

from umad_patrol.align.aligner import Aligner
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.geometry.homography import rotation_homography, transform
from umad_patrol.io.images import to_image
from umad_patrol.records import Camera

CAMERA = Camera(640, 400, np.array([[500.0, 0, 319.5], [0, 500, 199.5], [0, 0, 1]]))
PROBE = np.stack(np.meshgrid(np.linspace(40, 600, 12), np.linspace(40, 360, 8)), -1).reshape(-1, 2)


def error_px(H, known_H):
    return np.linalg.norm(transform(H, PROBE) - transform(known_H, PROBE), axis=1)


def pose(yaw_deg=0.0, x=0.0):
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.array([0.0, np.deg2rad(yaw_deg), 0.0]))[0]
    T[0, 3] = x
    return T


def refused(result, *words):
    assert not result.comparable and result.laid is None
    assert result.reason.startswith("not comparable: ") and "\n" not in result.reason
    assert all(word in result.reason for word in words), result.reason
    assert np.isfinite(result.query_H_reference).all()
    assert all(np.isfinite([result.spread, result.residual_px, result.overlap]))


@pytest.fixture(scope="module")
def aligner():
    return Aligner(AlignSettings())


def test_known_homography_is_found_to_a_fraction_of_a_pixel(aligner, texture, query, known_H):
    result = aligner.align(query, make_reference(texture))
    assert result.comparable and result.method == "tracked", result.reason
    assert error_px(result.query_H_reference, known_H).max() < 0.2
    assert result.laid.picture.shape == (1, 3, 400, 640) and result.laid.valid.shape == (1, 1, 400, 640)
    assert result.inliers <= result.matches and result.overlap == pytest.approx(result.laid.valid.float().mean().item(), abs=0.03)
    shown = result.laid.valid[0, 0].numpy()
    relit = relight(to_image(result.laid.picture)).astype(int)
    assert np.abs(relit - query)[shown].mean() < 4 < np.abs(relight(texture).astype(int) - query)[shown].mean() / 3


def test_nothing_is_laid_before_it_is_asked_for(aligner, texture, query):
    result = aligner.align(query, make_reference(texture))
    made = vars(result.laid)
    assert "picture" not in made and "valid" not in made
    assert result.laid.picture is result.laid.picture and result.laid.valid is result.laid.valid
    seen = result.laid.seen(np.array([100, 300]), np.array([50, 200, 333]))
    at = np.array([[(x, y) for x in (100, 300)] for y in (50, 200, 333)], float)
    there = cv2.perspectiveTransform(at.reshape(-1, 1, 2), np.linalg.inv(result.query_H_reference)).reshape(3, 2, 2)
    assert seen.shape == (1, 2, 3, 2) and np.abs(np.moveaxis(seen[0].numpy(), 0, -1) - there).max() < 0.05


def test_following_points_halves_the_error_of_the_published_way(texture, query, known_H):
    published, ours = (Aligner(AlignSettings(method=method)).align(query, make_reference(texture)) for method in ("adaptive", "layered"))
    assert published.method == "features" and published.comparable
    assert error_px(ours.query_H_reference, known_H).mean() < error_px(published.query_H_reference, known_H).mean() / 2


def test_a_turn_that_is_too_large_to_follow_is_found_by_features(texture):
    far = np.array([[1, 0, 170.0], [0, 1, 60], [0, 0, 1]])
    moved = cv2.warpPerspective(texture, far, (640, 400), borderMode=cv2.BORDER_REFLECT)
    result = Aligner(AlignSettings(min_spread=0.1)).align(moved, make_reference(texture))
    assert result.comparable and result.method == "features", result.reason
    np.testing.assert_allclose(result.query_H_reference, far, atol=0.3)


@pytest.mark.parametrize("method", ["layered", "adaptive"])
def test_stored_features_give_the_same_result(texture, query, method):
    aligner = Aligner(AlignSettings(method=method))
    fresh = aligner.align(query, make_reference(texture))
    stored = aligner.align(aligner.prepare(query), make_reference(texture, aligner.extract(texture)))
    np.testing.assert_array_equal(fresh.query_H_reference, stored.query_H_reference)
    assert (fresh.laid.picture == stored.laid.picture).all()


def test_pictures_of_different_size(aligner, texture, query, known_H):
    large = cv2.resize(texture, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    scale = np.array([[2 / 3, 0, -1 / 6], [0, 2 / 3, -1 / 6], [0, 0, 1]])
    result = aligner.align(query, make_reference(large))
    assert result.comparable and result.laid.picture.shape == (1, 3, 400, 640)
    points = (PROBE + 0.5) * 1.5 - 0.5
    assert np.linalg.norm(transform(result.query_H_reference, points) - transform(known_H @ scale, points), axis=1).max() < 0.7


@pytest.mark.parametrize("distance, method", [(0.0, "rotation + features"), (0.029, "rotation + features"), (0.031, "features"), (5.0, "features")])
def test_rotation_comes_first_only_below_theta(texture, distance, method):
    H = rotation_homography(CAMERA.K, pose(2.0)[:3, :3], CAMERA.K)
    query = cv2.warpPerspective(texture, H, (640, 400), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    reference = make_reference(texture, camera=CAMERA, map_T_camera=pose(2.0))
    result = Aligner(AlignSettings(method="adaptive")).align(query, reference, query_camera=CAMERA, map_T_camera=pose(0.0, distance))
    assert result.method == method and result.comparable
    assert error_px(result.query_H_reference, H).max() < 0.5


def test_rotation_alone_is_the_closed_form(texture):
    aligner = Aligner(AlignSettings(method="rotation"))
    reference = make_reference(texture, camera=CAMERA, map_T_camera=pose(3.0, 9.0))
    result = aligner.align(texture, reference, query_camera=CAMERA, map_T_camera=pose())
    np.testing.assert_allclose(result.query_H_reference, rotation_homography(CAMERA.K, pose(3.0)[:3, :3], CAMERA.K), atol=1e-12)
    assert result.method == "rotation" and result.comparable and result.inliers == 0
    with pytest.raises(AlignmentError, match="pose"):
        aligner.align(texture, reference)


def test_rotation_that_looks_elsewhere_is_not_comparable(texture):
    aligner = Aligner(AlignSettings(method="rotation", min_overlap=0.7))
    for yaw_deg, word in ((25.0, "covers"), (50.0, "folds"), (170.0, "folds")):
        reference = make_reference(texture, camera=CAMERA, map_T_camera=pose(yaw_deg))
        refused(aligner.align(texture, reference, query_camera=CAMERA, map_T_camera=pose()), word)


def test_identity_leaves_the_picture(texture):
    result = Aligner(AlignSettings(method="identity")).align(texture, make_reference(texture))
    np.testing.assert_array_equal(result.query_H_reference, np.eye(3))
    np.testing.assert_array_equal(to_image(result.laid.picture), texture)


@pytest.mark.parametrize("bad", [
    np.zeros((400, 640, 3), np.uint8), np.full((400, 640, 3), 255, np.uint8), np.full((1, 1, 3), 9, np.uint8),
    np.full((1, 640, 3), 9, np.uint8), np.full((3, 3, 3), 9, np.uint8), np.random.default_rng(0).integers(0, 256, (400, 640, 3), np.uint8),
    np.tile(np.arange(640, dtype=np.uint8)[None, :, None], (400, 1, 3)), np.kron(np.indices((50, 80)).sum(0) % 2, np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8) * 255,
], ids=["black", "white", "1x1", "1 high", "3x3", "noise", "ramp", "chessboard"])
def test_bad_pictures_are_not_comparable_either_way(aligner, texture, bad):
    refused(aligner.align(bad, make_reference(texture)), "inliers")
    refused(aligner.align(texture, make_reference(bad)), "inliers")


def test_two_featureless_pictures(aligner):
    plain = np.full((400, 640, 3), 90, np.uint8)
    refused(aligner.align(plain, make_reference(plain)), "0 inliers of 0 matches", "20 are needed")


@pytest.mark.parametrize("code", [cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE])
def test_turned_pictures_are_not_comparable(aligner, texture, code):
    refused(aligner.align(cv2.rotate(texture, code), make_reference(texture)))


def test_a_mirrored_picture_is_not_comparable(aligner, texture):
    refused(aligner.align(texture[:, ::-1].copy(), make_reference(texture)))


@pytest.mark.parametrize("seed", range(4))
def test_another_place_is_not_comparable(aligner, texture, seed):
    refused(aligner.align(make_texture(100 + seed), make_reference(texture)), "inliers")


def test_agreement_in_one_corner_only_is_named(aligner, texture):
    other = make_texture(50)
    other[260:, 440:] = texture[260:, 440:]
    result = aligner.align(other, make_reference(texture))
    refused(result, "lower right corner")


def test_too_little_overlap(texture):
    H = np.array([[1.0, 0, 350], [0, 1, 0], [0, 0, 1]])
    query = cv2.warpPerspective(texture, H, (640, 400))
    result = Aligner(AlignSettings(method="adaptive", min_spread=0.0, min_inliers=4, min_overlap=0.6)).align(query, make_reference(texture))
    refused(result, "covers 4", "60% is needed")


def test_same_input_same_output(texture, query):
    first, second = (Aligner(AlignSettings()).align(query, make_reference(texture)) for _ in range(2))
    np.testing.assert_array_equal(first.query_H_reference, second.query_H_reference)


def test_features_of_another_picture_are_refused(texture, query):
    aligner = Aligner(AlignSettings(method="adaptive"))
    with pytest.raises(AlignmentError, match="320x200"):
        aligner.align(query, make_reference(texture, aligner.extract(cv2.resize(texture, (320, 200)))))


@pytest.mark.parametrize("method", ["layered", "adaptive", "rotation"])
@pytest.mark.parametrize("camera, T, word", [
    (CAMERA, np.full((4, 4), np.nan), "rigid"), (CAMERA, np.diag([1.0, 1, -1, 1]), "rigid"), (CAMERA, np.eye(3), "rigid"),
    (dataclasses.replace(CAMERA, K=np.zeros((3, 3))), np.eye(4), "inverted"),
    (dataclasses.replace(CAMERA, K=np.full((3, 3), np.nan)), np.eye(4), "inverted"),
], ids=["NaN pose", "mirrored pose", "3x3 pose", "K of zeros", "K of NaN"])
def test_what_is_no_pose_or_camera_is_refused(texture, method, camera, T, word):
    with pytest.raises(AlignmentError, match=word) as raised:
        Aligner(AlignSettings(method=method)).align(texture, make_reference(texture, camera=CAMERA), camera, T)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3))])
def test_what_is_no_picture_is_refused(aligner, texture, image):
    with pytest.raises(AlignmentError):
        aligner.align(image, make_reference(texture))
    with pytest.raises(AlignmentError):
        aligner.align(texture, dataclasses.replace(make_reference(texture), image=image))

"""Warps against closed forms and OpenCV, and the mask of what they show."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import warp_perspective

from umad_patrol.align import lookup as lookups
from umad_patrol.align.warp import Laid, everywhere, sampled, warp
from umad_patrol.errors import AlignmentError
from umad_patrol.io.images import to_image, to_tensor


def shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def test_identity_changes_nothing_and_shows_all(texture):
    tensor = to_tensor(texture)
    warped, valid = warp(tensor, np.eye(3), (640, 400))
    assert (warped - tensor).abs().max() < 1e-4 and valid.all() and valid.shape == (1, 1, 400, 640) and valid.dtype == torch.bool
    np.testing.assert_array_equal(to_image(warped), texture)


@pytest.mark.parametrize("x, y", [(7, 3), (-5, 0), (0, -11), (600, 10)])
def test_whole_pixel_translation_moves_pixels(texture, x, y):
    tensor = to_tensor(texture)
    warped, valid = warp(tensor, shift(x, y), (640, 400))
    columns, rows = np.meshgrid(np.arange(640) - x, np.arange(400) - y)
    inside = (columns >= 0) & (columns < 640) & (rows >= 0) & (rows < 400)
    np.testing.assert_array_equal(valid[0, 0].numpy(), inside)
    expected = texture[rows.clip(0, 399), columns.clip(0, 639)]
    np.testing.assert_array_equal(to_image(warped)[inside], expected[inside])


def test_half_a_pixel_is_the_mean_of_two():
    ramp = torch.tensor([[0.0, 1.0, 0.0, 0.5]]).expand(3, 4)[None, None]
    warped, valid = warp(ramp, shift(0.5, 0), (4, 3))
    np.testing.assert_allclose(warped[0, 0, 1, 1:], [0.5, 0.5, 0.25], atol=1e-6)
    assert valid[0, 0, 1].tolist() == [False, True, True, True]


def test_agrees_with_opencv_and_kornia(texture, known_H):
    smooth = cv2.GaussianBlur(texture, (0, 0), 2)
    warped, valid = warp(to_tensor(smooth), known_H, (500, 450))
    expected = cv2.warpPerspective(smooth, known_H, (500, 450), flags=cv2.INTER_LINEAR)
    inside = valid[0, 0].numpy()
    assert inside.mean() > 0.5
    assert np.abs(to_image(warped).astype(int) - expected)[inside].max() <= 2
    reference = warp_perspective(to_tensor(smooth), torch.from_numpy(known_H).float()[None], (450, 500), align_corners=True)
    assert (reference - warped).abs()[0][:, inside].max() < 2e-3


def test_mask_is_where_the_whole_support_lies(known_H):
    ones = torch.ones(1, 1, 60, 80)
    warped, valid = warp(ones, known_H, (100, 90))
    points = np.stack(np.meshgrid(np.arange(100), np.arange(90)), -1).reshape(-1, 2)
    there = cv2.perspectiveTransform(points[:, None].astype(float), np.linalg.inv(known_H))[:, 0]
    inside = ((there >= 0) & (there <= (79, 59))).all(axis=1).reshape(90, 100)
    np.testing.assert_array_equal(valid[0, 0].numpy(), inside)
    assert warped[valid].min() > 0.999


def test_behind_the_camera_is_not_seen():
    H = shift(0, 150) @ np.array([[1.0, 0, 0], [0, 1, 0], [0, -0.02, 1]])  # the reference's rows over 50 lie behind the query
    seen = warp(torch.rand(1, 3, 100, 100), H, (100, 300))[1][0, 0]
    assert seen[150:].any() and not seen[:150].any()
    assert torch.isfinite(warp(torch.rand(1, 3, 100, 100), H, (100, 300))[0]).all()


def test_scale_of_the_matrix_does_not_matter(texture, known_H):
    tensor = to_tensor(texture)
    first, mask = warp(tensor, known_H, (640, 400))
    for factor in (-3.0, 1e-6, 1e5):
        again, same = warp(tensor, known_H * factor, (640, 400))
        assert (again - first).abs()[same.expand_as(again)].max() < 2e-3 and (same == mask).all()


def test_batches_and_other_channels(known_H):
    warped, valid = warp(torch.rand(2, 5, 30, 40), known_H, (33, 22))
    assert warped.shape == (2, 5, 22, 33) and valid.shape == (2, 1, 22, 33)


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (9, 1)])
def test_one_pixel_pictures(height, width):
    image = torch.rand(1, 3, height, width)
    warped, valid = warp(image, np.eye(3), (width, height))
    assert torch.allclose(warped, image, atol=1e-5) and valid.all()


@pytest.mark.parametrize("H", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones((3, 3)), np.eye(2)])
def test_bad_homographies_are_refused(H):
    with pytest.raises(AlignmentError):
        warp(torch.rand(1, 3, 8, 8), H, (8, 8))


@pytest.mark.parametrize("shape, size", [((3, 8, 8), (8, 8)), ((1, 3, 0, 8), (8, 8)), ((1, 3, 8, 8), (0, 8))])
def test_bad_shapes_are_refused(shape, size):
    with pytest.raises(AlignmentError):
        warp(torch.zeros(shape), np.eye(3), size)


BLENDS_IN_PLACE = int(cv2.__version__.split(".")[0]) >= 5      # before, OpenCV's remap blends at the nearest 1/32 px


def apart(picture, H, size, lookup=None):
    """By how many grey levels the CPU's way and Kornia's differ away from borders, and in how much of the mask."""
    laid = Laid(picture, H, size, torch.device("cpu"), lookup)
    quick, seen = laid.picture, laid.valid
    exact, valid = warp(to_tensor(picture), H, size, lookup)
    inside = cv2.erode(valid[0, 0].numpy().astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    assert inside.mean() > 0.3
    return 255 * (quick - exact).abs()[0].numpy()[:, inside], float((seen != valid).float().mean())


def check_apart(grey_levels):
    assert grey_levels.max() <= 0.5 if BLENDS_IN_PLACE else np.percentile(grey_levels, 95) <= 0.5
    assert grey_levels.mean() < 0.2


@pytest.mark.parametrize("detail", ["texture", "noise"])
def test_the_cpu_way_agrees_with_kornia(texture, known_H, detail):
    picture = texture if detail == "texture" else np.random.default_rng(0).integers(0, 256, texture.shape, np.uint8)
    grey_levels, masks = apart(picture, known_H, (500, 450))
    assert masks < 0.002
    if detail == "texture" or BLENDS_IN_PLACE:
        check_apart(grey_levels)


def test_the_cpu_way_agrees_with_kornia_through_a_lookup(texture, known_H):
    lookup = lookups.of_homography(known_H, (500, 450), texture.shape[1::-1])
    lookup = lookup + 3 * np.sin(lookup / 40)
    check_apart(apart(texture, np.eye(3), (500, 450), lookup)[0])


def test_the_cpu_way_agrees_with_kornia_on_photographs(data_dir):
    for pair in sorted((data_dir / "align_pairs").iterdir())[::5]:
        points = np.loadtxt(pair / "points.txt")
        H = cv2.findHomography(points[:, :2], points[:, 2:])[0]
        picture = cv2.imread(str(pair / "reference.jpg"))
        check_apart(apart(picture, H, picture.shape[1::-1])[0])


def test_a_gpus_way_of_laying_agrees_with_a_cpus(texture, known_H):
    laid = Laid(texture, known_H, (500, 450), torch.device("cpu"))
    seen = everywhere(lookups.of_homography(known_H, (500, 450), texture.shape[1::-1]), torch.device("cpu"))[..., lookups.STEP:, lookups.STEP:]
    check_apart(255 * (sampled(texture, seen[..., :450, :500], torch.device("cpu")) - laid.picture).abs().numpy())


@pytest.mark.parametrize(("shape", "H", "size"), [
    ((0, 5, 3), np.eye(3), (5, 5)), ((5, 5, 3), np.eye(3), (0, 5)), ((5, 5, 3), np.zeros((3, 3)), (5, 5)),
    ((5, 5, 3), np.full((3, 3), np.nan), (5, 5)), ((5, 5, 3), np.eye(2), (5, 5)),
])
def test_laying_refuses_what_warping_refuses(shape, H, size):
    with pytest.raises(AlignmentError):
        Laid(np.zeros(shape, np.uint8), H, size, torch.device("cpu"))


small = st.floats(-0.05, 0.05)


@pytest.fixture(scope="module")
def smooth():
    """A picture without detail, so that bilinear blending loses nothing to speak of."""
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    return torch.stack([torch.sin(x / 15) * torch.cos(y / 18), torch.cos(x / 22), torch.sin((x + y) / 25)])[None] * 0.5 + 0.5


def gentle_H(numbers):
    """A homography that moves a 160 x 120 picture by some pixels."""
    a, b, c, d, e, f = numbers
    return np.array([[1 + a, b, 100 * c], [d, 1 + e, 100 * f], [1e-3 * a, 1e-3 * d, 1.0]])


@given(st.tuples(*[small] * 6))
@settings(max_examples=30, deadline=None)
def test_there_and_back_is_where_it_began(smooth, numbers):
    H = gentle_H(numbers)
    there, seen = warp(smooth, H, (160, 120))
    back, seen_back = warp(there, np.linalg.inv(H), (160, 120))
    whole, _ = warp(seen.float(), np.linalg.inv(H), (160, 120))
    inner = seen_back[0, 0] & (whole[0, 0] > 0.999)
    assert inner.float().mean() > 0.5
    assert (back - smooth).abs()[0, :, inner].max() < 0.02


@given(st.tuples(*[small] * 6), st.tuples(*[small] * 6))
@settings(max_examples=30, deadline=None)
def test_one_after_the_other_is_their_product(smooth, first, second):
    A, B = gentle_H(first), gentle_H(second)
    halfway, seen_halfway = warp(smooth, A, (160, 120))
    twice, seen = warp(halfway, B, (160, 120))
    once, seen_once = warp(smooth, B @ A, (160, 120))
    whole, _ = warp(seen_halfway.float(), B, (160, 120))
    inner = seen[0, 0] & seen_once[0, 0] & (whole[0, 0] > 0.999)
    assert inner.float().mean() > 0.4 and (twice - once).abs()[0, :, inner].max() < 0.02


PARTS = [(slice(0, 64), slice(0, 64)), (slice(200, 264), slice(301, 365)), (slice(386, 450), slice(436, 500)), (slice(7, 8), slice(0, 500)),
         (slice(None), slice(-40, None))]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shift", [(0, 0), (-300, 40), (250, -200), (5000, 0), (0, -5000)])
def test_a_part_of_a_laid_picture_is_what_the_picture_shows_there(texture, known_H, part, shift):
    H = known_H.copy()
    H[:2] += np.outer(shift, H[2])
    parts, whole = (Laid(texture, H, (500, 450), torch.device("cpu")) for _ in range(2))
    made = parts.part(*part)
    assert "picture" not in vars(parts) and made.shape == whole.picture[(..., *part)].shape
    apart = 255 * (made - whole.picture[(..., *part)]).abs()
    assert float(apart.quantile(0.95)) <= 0.5 and float(apart.mean()) < 0.1


def test_a_part_that_is_seen_nowhere_is_black(texture):
    nowhere = np.full((59, 65, 2), lookups.NOWHERE)
    assert not Laid(texture, np.eye(3), (500, 450), torch.device("cpu"), nowhere).part(slice(0, 64), slice(64, 128)).any()

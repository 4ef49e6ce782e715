"""Pictures laid on pictures, against closed forms and Kornia, and the mask of what they show."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import warp_perspective

from umad_patrol.align import lookup as lookups
from umad_patrol.align.warp import Laid, everywhere, sampled, sees
from umad_patrol.errors import AlignmentError
from umad_patrol.io.images import to_image, to_tensor

CPU = torch.device("cpu")
ON_BORDER_PX = 1e-3     # so near to a border a pixel may count as seen or not
BLENDS_IN_PLACE = int(cv2.__version__.split(".")[0]) >= 5      # before, OpenCV's remap blends at the nearest 1/32 px


def shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def seen_at(H, size):
    """The reference pixels `(h, w, 2)` that a homography shows in a query of `size`."""
    points = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), -1).reshape(-1, 1, 2).astype(float)
    return cv2.perspectiveTransform(points, np.linalg.inv(H)).reshape(size[1], size[0], 2)


def clearance(seen, size):
    """How far inside a reference of `size` its pixels `(h, w, 2)` lie, in pixels; outside it is negative."""
    return np.minimum(seen, np.array(size) - 1 - seen).min(axis=-1)


def within(seen, size):
    return clearance(seen, size) >= 0


def check_mask(laid, inside):
    """A GPU tells exactly where the reference is seen; a CPU nowhere else, and leaves out a little where two borders meet."""
    told = laid.valid[0, 0].numpy()
    assert told.dtype == bool and not (told & ~inside).any() and (inside & ~told).mean() < 0.001
    seen = sees(laid.query_H_reference, laid.reference.shape[1::-1], laid.size, CPU)[0, 0].numpy()
    np.testing.assert_array_equal(seen, inside)


def test_identity_changes_nothing_and_shows_all(texture):
    laid = Laid(texture, np.eye(3), (640, 400), CPU)
    assert laid.valid.shape == (1, 1, 400, 640) and (laid.picture - to_tensor(texture)).abs().max() < 1e-4
    np.testing.assert_array_equal(to_image(laid.picture), texture)
    check_mask(laid, np.ones((400, 640), bool))


@pytest.mark.parametrize("x, y", [(7, 3), (-5, 0), (0, -11), (600, 10)])
def test_whole_pixel_translation_moves_pixels(texture, x, y):
    laid = Laid(texture, shift(x, y), (640, 400), CPU)
    columns, rows = np.meshgrid(np.arange(640) - x, np.arange(400) - y)
    inside = (columns >= 0) & (columns < 640) & (rows >= 0) & (rows < 400)
    check_mask(laid, inside)
    expected = texture[rows.clip(0, 399), columns.clip(0, 639)]
    np.testing.assert_array_equal(to_image(laid.picture)[inside], expected[inside])


def test_half_a_pixel_is_the_mean_of_two():
    ramp = np.tile(np.uint8([0, 255, 0, 51])[None, :, None], (3, 1, 3))
    laid = Laid(ramp, shift(0.5, 0), (4, 3), CPU)
    np.testing.assert_allclose(laid.picture[0, :, 1, 1:], [[0.5, 0.5, 0.1]] * 3, atol=1e-6)
    assert sees(shift(0.5, 0), (4, 3), (4, 3), CPU)[0, 0, 1].tolist() == [False, True, True, True]


def test_mask_is_where_the_whole_support_lies(known_H):
    laid = Laid(np.full((200, 320, 3), 255, np.uint8), known_H, (350, 240), CPU)
    check_mask(laid, within(seen_at(known_H, (350, 240)), (320, 200)))
    assert laid.picture[laid.valid.expand(-1, 3, -1, -1)].min() > 0.999


def test_behind_the_camera_is_not_seen():
    H = shift(0, 150) @ np.array([[1.0, 0, 0], [0, 1, 0], [0, -0.02, 1]])  # the reference's rows over 50 lie behind the query
    laid = Laid(np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8), H, (100, 300), CPU)
    for seen in (sees(H, (100, 100), (100, 300), CPU)[0, 0], laid.valid[0, 0]):
        assert seen[150:].any() and not seen[:150].any()
    assert torch.isfinite(laid.picture).all()


@pytest.mark.parametrize("factor", [-3.0, 1e-6, 1e5])
def test_scale_of_the_matrix_does_not_matter(texture, known_H, factor):
    first, again = (Laid(texture, known_H * scale, (640, 400), CPU) for scale in (1.0, factor))
    assert (again.picture - first.picture).abs().max() < 2e-3 and (again.valid == first.valid).all()
    assert (sees(known_H * factor, (640, 400), (640, 400), CPU) == sees(known_H, (640, 400), (640, 400), CPU)).all()


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (9, 1)])
def test_one_pixel_pictures(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert torch.allclose(Laid(image, np.eye(3), (width, height), CPU).picture, to_tensor(image), atol=1e-5)
    assert sees(np.eye(3), (width, height), (width, height), CPU).all()


@pytest.mark.parametrize(("shape", "H", "size"), [
    ((0, 5, 3), np.eye(3), (5, 5)), ((5, 5, 3), np.eye(3), (0, 5)), ((5, 5, 3), np.zeros((3, 3)), (5, 5)), ((5, 5, 3), np.ones((3, 3)), (5, 5)),
    ((5, 5, 3), np.full((3, 3), np.nan), (5, 5)), ((5, 5, 3), np.eye(2), (5, 5)),
])
def test_what_cannot_be_laid_is_refused(shape, H, size):
    with pytest.raises(AlignmentError):
        Laid(np.zeros(shape, np.uint8), H, size, CPU)


def apart(picture, H, size, lookup=None):
    """By how many grey levels the CPU's way and Kornia's differ away from borders, and in how much of the mask but for what lies on the border itself."""
    laid = Laid(picture, H, size, CPU, lookup)
    if lookup is None:
        clear = clearance(seen_at(H, size), picture.shape[1::-1])
        exact = warp_perspective(to_tensor(picture).double(), torch.from_numpy(H)[None].double(), size[::-1], align_corners=True)
    else:
        seen = everywhere(lookup, CPU)[..., lookups.STEP:lookups.STEP + size[1], lookups.STEP:lookups.STEP + size[0]]
        clear = clearance(np.moveaxis(seen[0].numpy(), 0, -1), picture.shape[1::-1])
        exact = sampled(picture, seen, CPU)
    inner = cv2.erode((clear >= 0).astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    assert inner.mean() > 0.3
    unlike = (laid.valid[0, 0].numpy() != (clear >= 0)) & (np.abs(clear) > ON_BORDER_PX)
    return 255 * (laid.picture - exact).abs()[0].numpy()[:, inner], float(unlike.mean())


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


small = st.floats(-0.05, 0.05)


@given(small, small, small, small, small, small)
@example(1.192092896e-7, 0.0, 0.0, 0.0, 0.0, 0.0)     # the border lies where it did but for less than what is forgiven
@settings(max_examples=30, deadline=None)
def test_any_gentle_homography_shows_what_and_where_it_should(a, b, c, d, e, f):
    y, x = np.mgrid[:120.0, :160.0]
    smooth = np.stack([np.sin(x / 15) * np.cos(y / 18), np.cos(x / 22), np.sin((x + y) / 25)], -1) * 127 + 127
    H = np.array([[1 + a, b, 100 * c], [d, 1 + e, 100 * f], [1e-3 * a, 1e-3 * d, 1.0]])
    grey_levels, masks = apart(smooth.astype(np.uint8), H, (160, 120))
    assert grey_levels.max() < 2 and masks < 0.01
    clear = clearance(seen_at(H, (160, 120)), (160, 120))
    seen = sees(H, (160, 120), (160, 120), CPU)[0, 0].numpy()
    assert seen[clear > ON_BORDER_PX].all() and not seen[clear < -ON_BORDER_PX].any()


PARTS = [(slice(0, 64), slice(0, 64)), (slice(200, 264), slice(301, 365)), (slice(386, 450), slice(436, 500)), (slice(7, 8), slice(0, 500)),
         (slice(None), slice(-40, None))]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shift", [(0, 0), (-300, 40), (250, -200), (5000, 0), (0, -5000)])
def test_a_part_of_a_laid_picture_is_what_the_picture_shows_there(texture, known_H, part, shift):
    H = known_H.copy()
    H[:2] += np.outer(shift, H[2])
    parts, whole = (Laid(texture, H, (500, 450), CPU) for _ in range(2))
    made = parts.part(*part)
    assert "picture" not in vars(parts) and made.shape == whole.picture[(..., *part)].shape
    apart = 255 * (made - whole.picture[(..., *part)]).abs()
    assert float(apart.quantile(0.95)) <= 0.5 and float(apart.mean()) < 0.1


def test_a_part_that_is_seen_nowhere_is_black(texture):
    nowhere = np.full((59, 65, 2), lookups.NOWHERE)
    assert not Laid(texture, np.eye(3), (500, 450), CPU, nowhere).part(slice(0, 64), slice(64, 128)).any()

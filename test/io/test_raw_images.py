import cv2
import numpy as np
import pytest

from umad_patrol.errors import ImageError
from umad_patrol.io.messages import image_from

BGR = np.zeros((4, 6, 3), np.uint8)
BGR[:] = (10, 100, 200)
GRAY = np.full((4, 6), 77, np.uint8)


def padded(rows: np.ndarray, extra: int) -> np.ndarray:
    """The rows' bytes with `extra` more at the end of each."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(rows.shape[0], -1)
    return np.pad(flat, ((0, 0), (0, extra)), constant_values=255)


@pytest.mark.parametrize("extra", [0, 5])
@pytest.mark.parametrize("encoding, pixels", [
    ("bgr8", BGR), ("8UC3", BGR), ("rgb8", BGR[..., ::-1]), ("bgra8", np.dstack([BGR, GRAY])), ("rgba8", np.dstack([BGR[..., ::-1], GRAY])),
    ("bgr16", BGR.astype("<u2") << 8 | 3), ("rgb16", BGR[..., ::-1].astype("<u2") << 8)])
def test_colour(messages, encoding, pixels, extra):
    rows = padded(pixels, extra)
    msg = messages.image(0, rows, encoding, step=rows.shape[1])
    msg.width = 6
    out = image_from(msg, 1.0)
    np.testing.assert_array_equal(out, BGR)
    assert out.dtype == np.uint8 and out.flags.c_contiguous and out.flags.writeable


@pytest.mark.parametrize("encoding, pixels, big", [("mono8", GRAY, 0), ("8UC1", GRAY, 0), ("mono16", GRAY.astype("<u2") << 8, 0),
                                                   ("mono16", (GRAY.astype("u2") << 8).astype(">u2"), 1)])
def test_gray(messages, encoding, pixels, big):
    msg = messages.image(0, padded(pixels, 0), encoding, big=big)
    msg.width = 6
    np.testing.assert_array_equal(image_from(msg, 1.0), np.repeat(GRAY[..., None], 3, 2))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(messages, pattern, depth):
    """A mosaic of one colour gives that colour back away from the border."""
    colour = {"b": 10, "g": 100, "r": 200}
    tile = np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (4, 5)).astype(f"u{depth // 8}") << (depth - 8)
    msg = messages.image(0, padded(mosaic, 0), f"bayer_{pattern}{depth}")
    msg.width = 10
    np.testing.assert_array_equal(image_from(msg, 1.0)[2:-2, 2:-2], np.broadcast_to((10, 100, 200), (4, 6, 3)))


@pytest.mark.parametrize("encoding, order", [("uyvy", (1, 0, 2, 0)), ("yuv422", (1, 0, 2, 0)), ("yuyv", (0, 1, 0, 2)), ("yuv422_yuy2", (0, 1, 0, 2))])
def test_yuv422(messages, encoding, order):
    y, u, v = 120, 90, 160
    rows = np.tile(np.array([(y, u, v)[i] for i in order], np.uint8), (4, 3))
    msg = messages.image(0, rows, encoding)
    msg.width = 6
    # BT.601 with video range, as OpenCV: B = 1.164 (Y - 16) + 2.018 (U - 128), ...
    expected = [1.164 * (y - 16) + 2.018 * (u - 128), 1.164 * (y - 16) - 0.813 * (v - 128) - 0.391 * (u - 128), 1.164 * (y - 16) + 1.596 * (v - 128)]
    np.testing.assert_allclose(image_from(msg, 1.0)[0, 0], expected, atol=1.5)


@pytest.mark.parametrize("encoding, order", [("nv12", (90, 160)), ("nv21", (160, 90))])
def test_two_planes(messages, encoding, order):
    rows = np.vstack([np.full((4, 6), 120, np.uint8), np.tile(np.array(order, np.uint8), (2, 3))])
    msg = messages.image(0, rows, encoding)
    msg.width, msg.height, msg.step = 6, 4, 6
    expected = cv2.cvtColor(np.full((1, 1, 3), (120, 160, 90), np.uint8), cv2.COLOR_YCrCb2BGR)
    out = image_from(msg, 1.0)
    assert out.shape == (4, 6, 3)
    np.testing.assert_allclose(out[0, 0], expected[0, 0], atol=12)  # full against video range


@pytest.mark.parametrize("changes, says", [
    ({"width": 0}, "no pixels"), ({"height": 0}, "no pixels"), ({"width": 100_000, "height": 100_000}, "megapixel"), ({"step": 10}, "rows"),
    ({"height": 5}, "bytes"), ({"encoding": "32FC1"}, "32FC1"), ({"encoding": "16UC1"}, "16UC1"), ({"encoding": ""}, "encoding"),
    ({"encoding": "uyvy", "width": 5}, "even"), ({"encoding": "nv12", "height": 1, "width": 6, "step": 6}, "even")])
def test_bad_pictures(messages, changes, says):
    msg = messages.image(0, BGR)
    for name, value in changes.items():
        setattr(msg, name, value)
    with pytest.raises(ImageError, match=says) as caught:
        image_from(msg, 1.0)
    assert "\n" not in str(caught.value)

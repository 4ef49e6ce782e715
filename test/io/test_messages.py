import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from umad_patrol.errors import CameraError, ImageError, LocalizationError
from umad_patrol.io.images import decode
from umad_patrol.io.messages import camera_from_info, cloud_from, image_from, pose_from, sigmas_from, stamp_ns, transform_from

HALF = np.sqrt(0.5)


def test_stamp_is_exact(messages):
    assert stamp_ns(messages.header(1_700_000.25, "map")) == 1_700_000_250_000_000


def test_camera_as_it_is(messages):
    camera = camera_from_info(messages.camera_info(0, 640, 480, 500.0, (-0.3, 0.1, 0.001, 0.002, 0.0), frame="/optical"))
    assert (camera.width, camera.height, camera.frame_id, camera.distortion_model) == (640, 480, "optical", "plumb_bob")
    np.testing.assert_allclose(camera.K, [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    assert camera.distortion == (-0.3, 0.1, 0.001, 0.002, 0.0)


@pytest.mark.parametrize("model, count, named", [("", 0, "none"), ("plumb_bob", 0, "plumb_bob"), ("rational_polynomial", 8, "rational_polynomial"),
                                                 ("equidistant", 4, "equidistant"), ("fisheye", 4, "equidistant")])
def test_camera_models(messages, model, count, named):
    assert camera_from_info(messages.camera_info(0, d=[0.01] * count, model=model)).distortion_model == named


@pytest.mark.parametrize("model, meant", [("plumb_bob", 5), ("rational_polynomial", 14), ("equidistant", 4)])
def test_zeros_that_a_driver_fills_up_with_mean_nothing(messages, model, meant):
    d = np.linspace(0.01, 0.1, meant).tolist()
    assert camera_from_info(messages.camera_info(0, d=d + [0.0] * (14 - meant), model=model)).distortion == tuple(d)
    if meant < 14:
        with pytest.raises(CameraError, match="not 14"):
            camera_from_info(messages.camera_info(0, d=d + [0.1] + [0.0] * (13 - meant), model=model))


def test_region_of_interest_then_binning(messages):
    camera = camera_from_info(messages.camera_info(0, 640, 480, 500.0, bins=2, roi=(100, 40, 400, 300)))
    assert (camera.width, camera.height) == (200, 150)
    # the pixel on the axis, 319.5 of the full picture, is 219.5 of the crop; half-size pixels: (219.5 + .5) / 2 - .5
    np.testing.assert_allclose(camera.K, [[250, 0, 109.5], [0, 250, (239.5 - 40 + 0.5) / 2 - 0.5], [0, 0, 1]])


@pytest.mark.parametrize("changes, says", [
    ({"focal": 0}, "zeros"), ({"focal": float("nan")}, "finite"), ({"focal": -1.0}, "pinhole"), ({"width": 0}, "0x48"),
    ({"d": [0.1, 0.2]}, "coefficients"), ({"d": [0.1, float("nan"), 0, 0]}, "finite"), ({"d": [0.1] * 4, "model": "thin_prism"}, "thin_prism"),
    ({"d": [0.1] * 4, "model": ""}, "names no distortion model"), ({"roi": (10, 10, 64, 48)}, "region of interest")])
def test_bad_cameras(messages, changes, says):
    with pytest.raises(CameraError, match=says) as caught:
        camera_from_info(messages.camera_info(0, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["odometry", "pose_stamped", "pose_with_covariance"])
def test_pose_of_every_kind(messages, kind):
    pose = pose_from(getattr(messages, kind)(2.5, (1, 2, 3), (0, 0, HALF, HALF)))
    assert pose.stamp_ns == 2_500_000_000
    np.testing.assert_allclose(pose.parent_T_child, [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], atol=1e-12)


@pytest.mark.parametrize("xyz, quat", [((float("nan"), 0, 0), (0, 0, 0, 1)), ((0, float("inf"), 0), (0, 0, 0, 1)),
                                       ((0, 0, 0), (0, 0, 0, 0)), ((0, 0, 0), (0, 0, 1, 1)), ((0, 0, 0), (0, 0, 0, float("nan")))])
def test_bad_poses(messages, xyz, quat):
    with pytest.raises(LocalizationError):
        pose_from(messages.odometry(0, xyz, quat))


def test_a_camera_picture_lies_as_its_sensor_has_it_whatever_exif_says(messages, rng):
    picture = np.kron(rng.integers(0, 255, (3, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"     # orientation 6: a quarter turn
    tagged = jpeg[:2] + b"\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned + jpeg[2:]
    assert decode(tagged).shape == (64, 48, 3)
    np.testing.assert_array_equal(image_from(messages.jpeg(0, picture, data=tagged), 1.0), decode(jpeg))


@pytest.mark.parametrize("at, value, sigmas", [(7, np.nan, (np.inf, 0.2)), (0, np.nan, (np.inf, 0.2)), (7, 0.25, (0.5, 0.2)), (35, np.nan, (0.1, np.inf)),
                                               (7, -1.0, (np.inf, 0.2)), (0, -1.0, None)])
def test_what_a_covariance_says(messages, at, value, sigmas):
    """What is no number is no certainty, be it in x or in y."""
    message = messages.odometry(1.0)
    message.pose.covariance[[0, 7, 35]] = 0.01, 0.01, 0.04
    message.pose.covariance[at] = value
    assert sigmas_from(message) == (None if sigmas is None else pytest.approx(sigmas))


def test_transforms(messages):
    first, second = messages.transforms(("body", "/camera", (0.1, 0, 0.5), (0, 0, 0, 1)), ("body", "lidar", (0, 0, 1), (0, 0, 0, 0))).transforms
    child, parent, parent_T_child = transform_from(first)
    assert (child, parent) == ("camera", "body")
    np.testing.assert_allclose(parent_T_child[:3, 3], [0.1, 0, 0.5])
    with pytest.raises(LocalizationError, match="from 'lidar' to 'body'"):
        transform_from(second)


@given(count=st.integers(0, 40), padding=st.integers(0, 20), kind=st.sampled_from([7, 8]))
def test_clouds_of_any_layout(messages, count, padding, kind):
    points = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    np.testing.assert_array_equal(cloud_from(messages.cloud(0, points, padding=padding, kind=kind)), points)


@pytest.mark.filterwarnings("error")
def test_cloud_drops_what_is_not_finite(messages):
    points = np.array([[1, 2, 3], [np.nan, 0, 0], [0, np.inf, 0], [4, 5, 6]], np.float32)
    np.testing.assert_array_equal(cloud_from(messages.cloud(0, points)), points[[0, 3]])
    too_far = np.array([[1, 2, 3], [1e300, 0, 0]])      # for single precision
    np.testing.assert_array_equal(cloud_from(messages.cloud(0, too_far, kind=8)), [[1, 2, 3]])


def test_cloud_with_padded_rows_and_big_endian(messages):
    msg = messages.cloud(0, np.zeros((6, 3), np.float32))
    points = np.arange(18, dtype=">f4").reshape(2, 3, 3)
    rows = np.zeros((2, 60), np.uint8)
    rows[:, :48].reshape(2, 3, 16)[:, :, :12] = points.view(np.uint8).reshape(2, 3, 12)
    msg.height, msg.width, msg.row_step, msg.is_bigendian, msg.data = 2, 3, 60, True, rows.reshape(-1)
    np.testing.assert_array_equal(cloud_from(msg), points.astype(np.float32).reshape(6, 3))


@pytest.mark.parametrize("changes", [{"width": 1_000_000_000}, {"point_step": 8}, {"row_step": 4}, {"fields": []}])
def test_bad_clouds(messages, changes):
    msg = messages.cloud(0, np.zeros((5, 3)))
    for name, value in changes.items():
        setattr(msg, name, value)
    with pytest.raises(ImageError):
        cloud_from(msg)


def test_compressed_picture(messages, rng):
    picture = np.full((48, 64, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(image_from(messages.jpeg(0, picture), 1.0), picture, atol=3)


@pytest.mark.parametrize("ending, kind, told", [(".png", "u1", "bayer_rggb8; png compressed "), (".png", "<u2", "bayer_rggb16; png compressed "),
                                                (".jpg", "u1", "bayer_rggb8; jpeg compressed bayer_rggb8")])
def test_a_mosaic_that_was_compressed_as_it_is_gets_its_colours(messages, ending, kind, told):
    mosaic = np.tile(np.array([[200, 100], [100, 10]], kind), (24, 32)) << 8 * (np.dtype(kind).itemsize - 1)
    message = messages.jpeg(0, mosaic, data=cv2.imencode(ending, mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
    message.format = told
    np.testing.assert_allclose(image_from(message, 1.0)[2:-2, 2:-2], np.broadcast_to((10, 100, 200), (44, 60, 3)), atol=3)
    for picture in (np.full((48, 64, 3), (200, 100, 50), np.uint8), np.kron(np.eye(8, dtype=np.uint8), np.full((6, 8), 200, np.uint8))[..., None].repeat(3, axis=2)):
        coloured = messages.jpeg(0, picture)
        coloured.format = "bayer_rggb8; jpeg compressed bgr8"    # whoever compressed it had made it colour, or grey by night
        np.testing.assert_array_equal(image_from(coloured, 1.0), cv2.imdecode(np.asarray(coloured.data), cv2.IMREAD_COLOR))
    message.format = "bayer_cmyg8; jpeg compressed "
    with pytest.raises(ImageError, match="bayer_cmyg8"):
        image_from(message, 1.0)


def test_compressed_faults(messages, rng):
    picture = rng.integers(0, 255, (48, 64, 3), np.uint8)
    data = messages.jpeg(0, picture).data.tobytes()
    for bad in (b"", data[:len(data) // 2], b"\0" * 500, b"GIF89a" + data):
        with pytest.raises(ImageError):
            image_from(messages.jpeg(0, picture, data=bad), 1.0)
    with pytest.raises(ImageError, match="megapixel"):
        image_from(messages.jpeg(0, picture), 0.001)
    depth = messages.jpeg(0, picture)
    depth.format = "16UC1; compressedDepth"
    with pytest.raises(ImageError, match="depth"):
        image_from(depth, 1.0)

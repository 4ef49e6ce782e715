import dataclasses

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol.errors import CameraError
from umad_patrol.geometry import camera as cam
from umad_patrol.records import Camera

K = np.array([[300, 0, 159.5], [0, 301, 119.0], [0, 0, 1]])
PINHOLE = Camera(320, 240, K)
LENSES = [("plumb_bob", (-0.3, 0.1, 0.001, -0.001, 0.01)), ("plumb_bob", (0.2, 0.05, 0, 0, 0)), ("plumb_bob", (-0.1, 0, 0, 0)),
          ("rational_polynomial", (0.1, 0.01, 0, 0, 0.001, 0.2, 0.01, 0)), ("equidistant", (0.02, -0.01, 0.001, 0)),
          ("equidistant", (0, 0, 0, 0))]


def lens(model, distortion):
    return dataclasses.replace(PINHOLE, distortion_model=model, distortion=distortion)


def distorted(camera, points):
    """Pixels of camera points through the lens, by OpenCV's own forward model."""
    D = np.array(camera.distortion, float)
    model = cv2.fisheye.projectPoints if camera.distortion_model == "equidistant" else cv2.projectPoints
    args = (points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), camera.K, D)
    return model(*args)[0].reshape(-1, 2)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 50)), min_size=1, max_size=9))
def test_rays_undo_projection(points):
    points = np.array(points)
    assert np.allclose(cam.rays(PINHOLE, cam.project(points, PINHOLE)), points / points[:, 2:], atol=1e-9)


def test_the_axis_meets_the_principal_point_and_behind_is_nan():
    pixels = cam.project(np.array([[0, 0, 2], [0, 0, -2], [1, 0, 0], [0.1, 0.2, 1.0]]), PINHOLE)
    assert pixels[0].tolist() == [159.5, 119] and np.isnan(pixels[1:3]).all() and np.allclose(pixels[3], [189.5, 179.2])


@pytest.mark.parametrize("model, distortion", LENSES)
def test_undistorted_pictures_match_the_pinhole_camera(model, distortion):
    camera = lens(model, distortion)
    undistort = cam.Undistorter(camera)
    points = np.array([[0, 0, 1], [0.2, 0.1, 1], [-0.25, 0.2, 1], [0.1, -0.25, 1.0]])
    for point, spot in zip(points, distorted(camera, points)):
        image = np.zeros((240, 320), np.float32)
        x, y = np.meshgrid(np.arange(320), np.arange(240))
        image += 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 18).astype(np.float32)
        flat, pinhole = undistort(image)
        weight = flat / flat.sum()
        expected = cam.project(point[None], pinhole)[0]
        assert np.allclose([(weight * x).sum(), (weight * y).sum()], expected, atol=0.35)
    assert cam.is_pinhole(undistort.camera) and not cam.is_pinhole(camera)


@pytest.mark.parametrize("model, distortion", LENSES)
def test_undistorted_pictures_have_no_black_border(model, distortion):
    flat, _ = cam.Undistorter(lens(model, distortion))(np.full((240, 320, 3), 200, np.uint8))
    assert flat.shape == (240, 320, 3) and (flat > 150).mean() > 0.995


@pytest.mark.parametrize("model, distortion", [("none", ()), ("plumb_bob", ()), ("plumb_bob", (0.0,) * 5), ("rational_polynomial", (0,) * 8)])
def test_no_distortion_no_copy(model, distortion):
    image = np.zeros((240, 320, 3), np.uint8)
    flat, camera = cam.Undistorter(lens(model, distortion))(image)
    assert flat is image and np.array_equal(camera.K, K) and camera.distortion_model == "none" and camera.distortion == ()


@pytest.mark.parametrize("changes, said", [
    ({"K": np.zeros((3, 3))}, "calibrated"),
    ({"K": np.full((3, 3), np.nan)}, "finite"),
    ({"K": np.eye(4)}, "3x3"),
    ({"K": K * [[1], [-1], [1]]}, "pinhole"),
    ({"K": K.T}, "pinhole"),
    ({"K": np.array([[300, 0, 1500], [0, 300, 119], [0, 0, 1.0]])}, "principal point"),
    ({"width": 0}, "empty"),
    ({"height": -3}, "empty"),
    ({"distortion_model": "fov"}, "unknown distortion model 'fov'"),
    ({"distortion_model": ""}, "unknown distortion model ''"),
    ({"distortion_model": "equidistant", "distortion": (0.0,) * 5}, "takes 4 coefficients, not 5"),
    ({"distortion_model": "plumb_bob", "distortion": (0.0,) * 8}, "not 8"),
    ({"distortion_model": "plumb_bob", "distortion": (np.nan,) * 5}, "not finite"),
    ({"distortion": (0.1,)}, "not 1"),
    ({"K": K + [[0, 5, 0], [0, 0, 0], [0, 0, 0]], "distortion_model": "plumb_bob", "distortion": (-0.3, 0.1, 0, 0)}, "skew of 5 px"),
    ({"K": K + [[0, 5, 0], [0, 0, 0], [0, 0, 0]], "distortion_model": "equidistant", "distortion": (0.0,) * 4}, "skew of 5 px"),
])
def test_unusable_cameras_are_refused(changes, said):
    with pytest.raises(CameraError, match=said):
        cam.check_camera(dataclasses.replace(PINHOLE, **changes))


@pytest.mark.parametrize("model, distortion", [("plumb_bob", (-2, 0, 0, 0, 0)), ("plumb_bob", (-5, 0, 0, 0, 0)), ("equidistant", (-3, 0, 0, 0))])
def test_lenses_that_fold_are_refused(model, distortion):
    with pytest.raises(CameraError, match="calibrate"):
        cam.Undistorter(lens(model, distortion))


@pytest.mark.parametrize("degrees", [150, 165, 170, 174, 178, 180, 200])
@pytest.mark.parametrize("top", [0, 200])
def test_a_fisheye_however_wide_is_undistorted_and_looks_ahead(degrees, top):
    focal = 320 / np.radians(degrees / 2)
    camera = Camera(640, 480 - top, np.array([[focal, 0, 319.5], [0, focal, 239.5 - top], [0, 0, 1]]), "equidistant", (0.0,) * 4)
    flat, pinhole = cam.Undistorter(camera)(np.full((480 - top, 640), 200, np.uint8))
    assert flat.min() == 200 and 80 < 2 * np.degrees(np.arctan(320 / pinhole.K[0, 0])) < 145
    assert 0 <= pinhole.K[0, 2] < 640 and 0 <= pinhole.K[1, 2] < 480 - top


def test_the_picture_must_fit():
    cam.check_camera(PINHOLE, (240, 320, 3))
    with pytest.raises(CameraError, match="image is 240x320, its camera 320x240"):
        cam.check_camera(PINHOLE, (320, 240))
    with pytest.raises(CameraError, match="image is 1x1"):
        cam.Undistorter(PINHOLE)(np.zeros((1, 1, 3), np.uint8))


def test_distorted_cameras_are_not_projected_with():
    camera = lens(*LENSES[0])
    with pytest.raises(CameraError, match="undistort"):
        cam.project(np.ones((1, 3)), camera)
    with pytest.raises(CameraError, match="undistort"):
        cam.rays(camera, np.ones((1, 2)))


@pytest.mark.parametrize("model, distortion", [("none", ())] + LENSES)
def test_yaml_keeps_everything(tmp_path, monkeypatch, model, distortion):
    camera = lens(model, distortion)
    cam.dump_camera(camera, tmp_path / "camera.yaml")
    monkeypatch.setenv("HOME", str(tmp_path))
    again = cam.load_camera("~/camera.yaml")
    assert np.array_equal(again.K, camera.K)
    assert (again.width, again.height, again.distortion_model, again.distortion) == (320, 240, model, tuple(distortion))
    assert [f.name for f in tmp_path.iterdir()] == ["camera.yaml"]


def test_yaml_of_ros_camera_calibration(tmp_path):
    file = tmp_path / "ost.yaml"
    file.write_text(yaml.safe_dump({
        "image_width": 320, "image_height": 240, "camera_name": "narrow", "distortion_model": "plumb_bob",
        "camera_matrix": {"rows": 3, "cols": 3, "data": K.ravel().tolist()},
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.1, 0.01, 0, 0, 0]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": [0.0] * 12}}))
    camera = cam.load_camera(file)
    assert np.array_equal(camera.K, K) and camera.distortion == (-0.1, 0.01, 0, 0, 0) and camera.distortion_model == "plumb_bob"


@pytest.mark.parametrize("text", ["", "[1, 2]", "width: 320", "width: 320\nheight: 240\nK: [1, 2]", "width: a\nheight: 2\nK: [1]",
                                  "width: 3\nheight: 2\nK: {a: 1}", "a: [", "width: 320\nheight: 240\nK: [0,0,0,0,0,0,0,0,0]", "\x00",
                                  "width: .inf\nheight: 2\nK: [1,0,1,0,1,1,0,0,1]"])
def test_bad_yaml_is_refused_by_name(tmp_path, text):
    file = tmp_path / "camera.yaml"
    file.write_text(text)
    with pytest.raises(CameraError, match="camera.yaml") as error:
        cam.load_camera(file)
    assert "\n" not in str(error.value)


def test_missing_yaml_is_refused_by_name(tmp_path):
    with pytest.raises(CameraError, match="nowhere.yaml"):
        cam.load_camera(tmp_path / "nowhere.yaml")


def turned(yaw_deg, pitch_deg, roll_deg):
    """map_T_camera of a camera that looks along x, turned left, then down, then clockwise about its axis."""
    level = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    yaw, down, roll = (cv2.Rodrigues(np.deg2rad(angle) * np.eye(3)[axis])[0] for angle, axis in ((yaw_deg, 2), (-pitch_deg, 0), (roll_deg, 2)))
    pose = np.eye(4)
    pose[:3, :3] = yaw @ level @ down @ roll
    return pose


@given(yaw=st.floats(-180, 180), pitch=st.floats(-25, 25), roll=st.floats(-30, 30))
def test_the_horizon_is_where_level_directions_are_seen(yaw, pitch, roll):
    pose = turned(yaw, pitch, roll)
    row = cam.horizon_row(PINHOLE, pose)
    # the horizon is the line of all level directions: two of them give it
    far = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.deg2rad([yaw - 20, yaw + 20])]) @ pose[:3, :3]
    (x0, y0), (x1, y1) = cam.project(far, PINHOLE)
    ends = [y0 + (x - x0) * (y1 - y0) / (x1 - x0) for x in (0, 319)]
    assert row == pytest.approx(min(ends), abs=1e-6)


def test_the_horizon_of_a_level_camera_is_its_middle_and_rises_as_it_looks_down():
    assert cam.horizon_row(PINHOLE, turned(30, 0, 0)) == pytest.approx(119.0)
    assert cam.horizon_row(PINHOLE, turned(0, 10, 0)) == pytest.approx(119.0 - 301 * np.tan(np.deg2rad(10)))


@pytest.mark.parametrize("roll", [90, 180, 135])
def test_a_camera_on_its_side_or_head_has_no_horizon_to_crop_at(roll):
    assert cam.horizon_row(PINHOLE, turned(0, 0, roll)) == -np.inf


@pytest.mark.parametrize("focal, distortion", [(600.0, (-0.35, 0.12, 0, 0, 0)), (560.0, (-0.4, 0.2, 0, 0, 0)), (600.0, (-0.3, 0.08, 0.002, -0.002, 0))])
def test_a_wide_lens_leaves_no_black_corner(focal, distortion):
    camera = Camera(1280, 720, np.array([[focal, 0, 639.5], [0, focal, 359.5], [0, 0, 1]]), "plumb_bob", distortion)
    flat, pinhole = cam.Undistorter(camera)(np.full((720, 1280), 200, np.uint8))
    assert flat.min() > 180 and pinhole.K[0, 0] < 2 * focal


def test_a_camera_that_lies_on_its_side_is_not_upright():
    def rolled(degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[0, 0, 1, 0], [-c, s, 0, 0], [-s, -c, 0, 1], [0, 0, 0, 1.0]])

    assert [cam.is_upright(rolled(degrees)) for degrees in (0, 40, -40, 60, -60, 180)] == [True, True, True, False, False, False]


def test_a_principal_point_may_lie_a_picture_beside_it_and_no_farther():
    for cx, fits in ((450.0, True), (500.0, False), (-150.0, True), (-200.0, False)):
        camera = dataclasses.replace(PINHOLE, K=np.array([[300, 0, cx], [0, 300, 119], [0, 0, 1]]))
        if fits:
            cam.check_camera(camera)
        else:
            with pytest.raises(CameraError, match="principal point"):
                cam.check_camera(camera)

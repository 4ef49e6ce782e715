import types

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

import torch  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from umad_patrol.geometry.camera import is_pinhole  # noqa: E402
from umad_patrol.io.messages import camera_from_info, image_from, pose_from, stamp_ns  # noqa: E402
from umad_patrol.records import ANOMALY, CHANGED, DYNAMIC, Alert, Camera, Region, ScoreMap  # noqa: E402
from umad_patrol.ros import conversions as to  # noqa: E402

ALERT = Alert("a-1", "active", ANOMALY, 0.9, (1.0, 2.0, 0.1), (0.3, 0.5), 5_000_000_001, 7_500_000_000, 4, "evidence/a-1")


def head():
    return to.header(1_234_567_890_123_456_789, "camera")


def test_stamps_are_exact():
    assert stamp_ns(head()) == 1_234_567_890_123_456_789


@pytest.mark.parametrize("shape, encoding", [((5, 7), "mono8"), ((5, 7, 3), "bgr8")])
def test_images_come_back(rng, shape, encoding):
    pixels = rng.integers(0, 255, shape, np.uint8)
    msg = to.image_message(pixels, encoding, head())
    back = image_from(msg, 1.0)
    np.testing.assert_array_equal(back if len(shape) == 3 else back[..., 0], pixels)


def test_a_slice_of_a_picture_is_copied_right(rng):
    pixels = rng.integers(0, 255, (9, 9, 3), np.uint8)[1:8:2, ::-1]
    np.testing.assert_array_equal(image_from(to.image_message(pixels, "bgr8", head()), 1.0), pixels)


def test_scores_are_floats():
    scores = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    msg = to.image_message(scores, "32FC1", head())
    assert (msg.step, msg.encoding) == (16, "32FC1")
    np.testing.assert_array_equal(np.frombuffer(msg.data, "<f4").reshape(3, 4), scores)


def test_score_image_is_of_what_is_new():
    scores = torch.zeros(1, 3, 2, 2)
    scores[0, :, 0, 0] = torch.tensor([0.2, 0.9, 0.4])
    scores[0, :, 1, 1] = 0.7
    valid = torch.tensor([[[[True, True], [True, False]]]])
    np.testing.assert_allclose(to.score_image(ScoreMap((ANOMALY, DYNAMIC, CHANGED), scores, valid)), [[0.2, 0], [0, 0]], rtol=1e-6)


def test_jpeg_comes_back(rng):
    image = np.full((48, 64, 3), (200, 90, 30), np.uint8)
    np.testing.assert_allclose(image_from(to.jpeg_message(image, head()), 1.0), image, atol=3)


def test_alert_as_a_status():
    status = to.alerts_message([ALERT], 8 * 10**9, "map").status[0]
    assert (status.hardware_id, status.level) == ("a-1", b"\x01")
    values = {pair.key: pair.value for pair in status.values}
    assert {"id", "state", "class", "score", "x", "y", "z", "first_seen", "last_seen", "evidence"} <= set(values)
    assert (values["first_seen"], values["last_seen"], values["y"]) == ("5.000000001", "7.500000000", "2.000")


def test_markers_are_deleted_when_an_alert_clears():
    markers = to.AlertMarkers("map")
    other = Alert("b-2", "active", ANOMALY, 0.5, (0, 0, 0), (0.1, 0.1), 1, 2, 4)
    clean, *first = markers.message([ALERT, other], 0).markers
    assert clean.action == Marker.DELETEALL     # what an earlier node left on show
    assert {(m.ns, m.id, m.action) for m in first} == {(ns, i, Marker.ADD) for ns in ("alerts", "labels") for i in (0, 1)}
    assert all(m.header.frame_id == "map" and min(m.scale.z, 1) > 0 for m in first)
    second = markers.message([other], 0).markers
    assert {(m.ns, m.id) for m in second if m.action == Marker.DELETE} == {("alerts", 0), ("labels", 0)}
    assert {(m.ns, m.id) for m in second if m.action == Marker.ADD} == {("alerts", 1), ("labels", 1)}
    assert not [m for m in markers.message([other], 0).markers if m.action in (Marker.DELETE, Marker.DELETEALL)]


def test_box_stands_on_the_ground():
    box = next(m for m in to.AlertMarkers("map").message([ALERT], 0).markers if m.ns == "alerts")
    assert box.pose.position.z - box.scale.z / 2 == pytest.approx(0.1) and box.scale.z == pytest.approx(0.5)


def test_path():
    T = np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], float)
    path = to.path_message(T[None], [17], to.header(0, "map"))
    assert path.header.frame_id == "map"
    pose = pose_from(path.poses[0])
    assert pose.stamp_ns == 17
    np.testing.assert_allclose(pose.parent_T_child, T, atol=1e-12)


def test_detections():
    """vision_msgs cannot be had from PyPI: stand-ins with the fields that vision_msgs 4.1 has."""
    def thing(**fields):
        return lambda **given: types.SimpleNamespace(**{name: make() for name, make in fields.items()}, **given)

    point, hypothesis = thing(x=float, y=float), thing(class_id=str, score=float)
    box = thing(center=thing(position=point, theta=float), size_x=float, size_y=float)
    module = types.SimpleNamespace(Detection2DArray=thing(detections=list), Detection2D=thing(results=list, bbox=box),
                                   ObjectHypothesisWithPose=thing(hypothesis=hypothesis))
    found = to.detections_message([Region(ANOMALY, 0.8, 50, (10, 20, 5, 9), (12.0, 28.0))], head(), module)
    detection, = found.detections
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (12.0, 24.0)  # pixel centres at integers
    assert (detection.bbox.size_x, detection.bbox.size_y) == (5.0, 9.0)
    assert (detection.results[0].hypothesis.class_id, detection.results[0].hypothesis.score) == (ANOMALY, 0.8)


def test_the_camera_of_what_is_published_comes_back(rng):
    camera = Camera(640, 360, np.array([[450.5, 0, 318.25], [0, 451.5, 178.75], [0, 0, 1]]), frame_id="camera")
    back = camera_from_info(to.camera_info_message(camera, head()))
    assert np.array_equal(back.K, camera.K) and (back.width, back.height, back.frame_id) == (640, 360, "camera") and is_pinhole(back)

import re
import time

import cv2
import numpy as np
import pytest

from umad_patrol.config import Settings, with_values
from umad_patrol.errors import BagError, CameraError, ConfigError, ImageError
from umad_patrol.frames import Cloud, FrameAssembler, PoseError, Recording
from umad_patrol.frames.doubt import rectified_doubt
from umad_patrol.geometry.se3 import is_rigid
from umad_patrol.records import Camera, Frame

PICTURE = np.full((48, 64, 3), (30, 60, 90), np.uint8)
FORWARD = (0.0, 0.0, 0.5, -0.5, 0.5, -0.5, 0.5)  # camera 0.5 m up, its z along the body's x


@pytest.fixture
def settings():
    return with_values(Settings(), {"input.body_t_camera": FORWARD, "input.image_topic": "/image", "input.camera_info_topic": "/info",
                                    "input.localization_topic": "/odom", "input.cloud_topic": "/cloud"})


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def assembler(settings, messages, clock):
    made = FrameAssembler(settings, max_wait_s=0.3, newest_only=True, clock=clock)
    made.on_camera_info(messages.camera_info(0.5))
    return made


def test_pose_is_interpolated_at_the_images_stamp(assembler, messages):
    assembler.on_pose(messages.odometry(10.0, (1.0, 0, 0)))
    assembler.on_image(messages.image(10.05, PICTURE))
    assert assembler.take() is None  # the pose after it has not come
    assembler.on_pose(messages.odometry(10.1, (2.0, 0, 0)))
    frame = assembler.take()
    assert isinstance(frame, Frame) and frame.stamp_ns == 10_050_000_000
    np.testing.assert_allclose(frame.map_T_camera[:3, 3], [1.5, 0, 0.5], atol=1e-9)
    np.testing.assert_allclose(frame.map_T_camera[:3, 2], [1, 0, 0], atol=1e-9)  # looks ahead
    np.testing.assert_allclose(frame.map_T_camera[:3, 1], [0, 0, -1], atol=1e-9)  # y down
    np.testing.assert_array_equal(frame.image, PICTURE)
    assert not assembler.refused


def test_newest_only_decodes_no_picture_that_is_replaced(assembler, messages):
    class Bytes:  # of which nothing but the number may be asked
        def __len__(self):
            return 9

    class Bomb:
        format, header, data = "jpeg", messages.header(10.01, "camera"), Bytes()

    assembler.on_pose(messages.odometry(10.0))
    assembler.on_image(Bomb())
    for t in (10.02, 10.03, 10.08):
        assembler.on_image(messages.image(t, PICTURE))
    assembler.on_pose(messages.odometry(10.05))
    assert assembler.take().stamp_ns == 10_030_000_000
    assert assembler.take() is None and assembler.dropped == 2
    assembler.on_pose(messages.odometry(10.1))
    assert assembler.take().stamp_ns == 10_080_000_000


def test_every_picture_in_order_otherwise(settings, messages):
    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0))
    assembler.on_pose(messages.odometry(1.0))
    for t in (1.01, 1.02, 1.03):
        assembler.on_image(messages.image(t, PICTURE))
    assembler.on_pose(messages.odometry(1.1))
    assert [assembler.take().stamp_ns // 10**6 for _ in range(3)] == [1010, 1020, 1030]


def test_waits_no_longer_than_allowed(assembler, messages, clock):
    assembler.on_pose(messages.odometry(10.0, (1, 0, 0)))
    assembler.on_pose(messages.odometry(10.1, (2, 0, 0)))
    assembler.on_image(messages.image(10.13, PICTURE))
    clock.now = 0.29
    assert assembler.take() is None
    clock.now = 0.31
    np.testing.assert_allclose(assembler.take().map_T_camera[0, 3], 2.3)  # 0.03 s past the last pose: within max_extrapolation_s
    assembler.on_image(messages.image(10.3, PICTURE))
    clock.now = 1.0
    assert assembler.take() is None
    assert assembler.refused == {"not localized": 1} and "localization topic running, and no later than input.max_wait_s?" in assembler.last_refusal


def test_refusing_takes_no_longer_than_asked(settings, messages, monkeypatch):
    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0))
    assembler.on_pose(messages.odometry(1.0))
    for t in range(50):
        assembler.on_image(messages.image(1.01 + 0.01 * t, PICTURE))
    for t in (1.3, 1.6):
        assembler.on_pose(messages.odometry(t))
    refused = []

    def slowly(*_):
        refused.append(time.sleep(0.02))
        raise ImageError("no picture")

    monkeypatch.setattr("umad_patrol.frames.assembler.image_from", slowly)
    assert assembler.take(wait_s=0.05) is None and 1 <= len(refused) < 10
    assert assembler.take() is None and len(refused) == 50      # who does not wait gets what is ready


def test_before_the_first_pose(assembler, messages, clock):
    assembler.on_image(messages.image(9.0, PICTURE))
    assembler.on_pose(messages.odometry(10.0))
    assert assembler.take() is None
    assert assembler.refused == {"not localized": 1} and "before the first pose" in assembler.last_refusal


def test_without_camera_info(settings, messages, clock):
    assembler = FrameAssembler(settings, max_wait_s=0.3, clock=clock)
    assembler.on_pose(messages.odometry(1.0))
    assembler.on_image(messages.image(1.0, PICTURE))
    assert assembler.take() is None and not assembler.refused  # it may yet come
    clock.now = 0.4
    assert assembler.take() is None
    assert assembler.refused == {"bad camera": 1} and "camera_info" in assembler.last_refusal


def test_a_bad_message_is_counted_and_the_next_is_served(assembler, messages, clock):
    nan = float("nan")
    for t in (10.0, 10.1, 10.2, 10.3, 10.4):
        assembler.on_pose(messages.odometry(t))
    jpeg = messages.jpeg(0, PICTURE).data.tobytes()
    faults = [
        ("bad pose", lambda: assembler.on_pose(messages.odometry(10.5, (nan, 0, 0)))),
        ("bad pose", lambda: assembler.on_pose(messages.odometry(10.5, quat_xyzw=(0, 0, 0, 0)))),
        ("bad pose", lambda: assembler.on_pose(messages.odometry(10.35))),
        ("bad camera", lambda: assembler.on_camera_info(messages.camera_info(0, focal=0))),
        ("bad image", lambda: assembler.on_image(messages.jpeg(10.05, PICTURE, data=jpeg[:200]))),
        ("bad image", lambda: assembler.on_image(messages.jpeg(10.1, PICTURE, data=b""))),
        ("bad image", lambda: assembler.on_image(messages.image(10.15, PICTURE, encoding="32FC1"))),
        ("bad image", lambda: assembler.on_image(messages.image(0, PICTURE))),
        ("bad camera", lambda: assembler.on_image(messages.image(10.2, PICTURE[:24]))),
        ("bad camera", lambda: assembler.on_image(messages.image(10.22, PICTURE[:1, :1]))),
        ("out of order", lambda: assembler.on_image(messages.image(10.21, PICTURE))),
        ("bad transform", lambda: assembler.on_transforms(messages.transforms(("a", "b", (nan, 0, 0), (0, 0, 0, 1))))),
        ("bad cloud", lambda: (assembler.on_cloud(messages.cloud(10.3, np.zeros((3, 3)))), setattr(assembler._waiting[-1].msg, "width", 99))),
    ]
    for reason, fault in faults:
        before = assembler.refused[reason]
        fault()
        while assembler.take() is not None:
            pass
        assert assembler.refused[reason] == before + 1, reason
        assert assembler.last_refusal and "\n" not in assembler.last_refusal
    assembler.on_image(messages.image(10.4, PICTURE))
    assert assembler.take().stamp_ns == 10_400_000_000
    assert sum(assembler.refused.values()) == len(faults)


def test_time_running_backwards_starts_anew(assembler, messages):
    assembler.on_pose(messages.odometry(100.0, (5, 0, 0)))
    assembler.on_image(messages.image(100.0, PICTURE))
    assert assembler.take() is not None
    assembler.on_pose(messages.odometry(10.0, (1, 0, 0)))
    assert assembler.resets == 1 and assembler.refused["time ran backwards"] == 1
    assembler.on_image(messages.image(10.0, PICTURE))
    np.testing.assert_allclose(assembler.take().map_T_camera[0, 3], 1.0)
    assert assembler.resets == 1  # image and pose belong to one jump


@pytest.mark.parametrize("stamp_s", [0.0, -1.0])
def test_a_pose_without_a_stamp_is_no_jump_in_time(assembler, messages, stamp_s):
    assembler.on_pose(messages.odometry(10.0))
    assembler.on_image(messages.image(10.05, PICTURE))
    assembler.on_pose(messages.odometry(stamp_s))
    assert assembler.resets == 0 and assembler.refused == {"bad pose": 1} and "must set header.stamp" in assembler.last_refusal
    assembler.on_pose(messages.odometry(10.1))
    assert assembler.take().stamp_ns == 10_050_000_000


def test_why_there_is_no_pose_is_said_of_the_pictures_of_that_time(assembler, messages, clock):
    assembler.no_pose(10 * 10**9, "/tf gives no pose of 'base_link' in 'map'")
    for stamp, told in ((10.2, True), (30.0, False)):
        assembler.on_image(messages.image(stamp, PICTURE))
        clock.now += 1.0
        assert assembler.take() is None
        assert assembler.last_refusal.startswith("/tf gives no pose of 'base_link' in 'map'; no pose at 10.200 s") == told


def test_image_first_to_run_backwards(assembler, messages):
    assembler.on_pose(messages.odometry(100.0))
    assembler.on_image(messages.image(100.0, PICTURE))
    assembler.on_image(messages.image(10.0, PICTURE))
    assert assembler.resets == 1
    assembler.on_pose(messages.odometry(10.0, (1, 0, 0)))
    np.testing.assert_allclose(assembler.take().map_T_camera[0, 3], 1.0)


def test_waiting_pictures_are_bounded(settings, messages):
    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0))
    for i in range(1200):
        assembler.on_image(messages.image(1.0 + i / 30, PICTURE))
    assert assembler.refused["not localized"] == 200


def test_clouds_of_a_clock_that_is_ahead_are_no_pictures(settings, messages):
    assembler = FrameAssembler(settings)
    for i in range(1003):
        assembler.on_cloud(messages.cloud(5000.0 + i, np.zeros((1, 3))))
    assert assembler.refused == {"bad cloud": 3} and assembler.last_refusal.startswith("cloud at 5002.000 s")


def test_waiting_bytes_are_bounded(settings, messages):
    assembler = FrameAssembler(settings)
    for i in range(5):
        large = messages.image(1.0 + i, PICTURE)
        large.data = np.broadcast_to(np.uint8(0), (80_000_000,))
        assembler.on_image(large)
    assert assembler.refused["not localized"] == 3  # two of them fit into 200 MB


def test_whoever_is_too_slow_is_told_so(settings, messages):
    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0))
    assembler.on_pose(messages.odometry(1.0))
    assembler.on_pose(messages.odometry(100.0))
    for i in range(1010):
        assembler.on_image(messages.image(1.0 + i / 30, PICTURE))
    assert assembler.dropped == 10 and not assembler.refused


def test_undistorted(settings, messages):
    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0, d=(-0.2, 0.05, 0, 0, 0)))
    assembler.on_pose(messages.odometry(1.0))
    assembler.on_image(messages.image(1.0, PICTURE))
    frame = assembler.take()
    assert frame.camera.distortion_model == "none" and frame.image.shape == PICTURE.shape


def test_a_new_calibration_is_taken(assembler, messages):
    assembler.on_pose(messages.odometry(1.0))
    assembler.on_pose(messages.odometry(1.4))
    assembler.on_image(messages.image(1.0, PICTURE))
    assert assembler.take().camera.K[0, 0] == 50
    assembler.on_camera_info(messages.camera_info(1.1, focal=70.0))
    assembler.on_image(messages.image(1.2, PICTURE))
    assert assembler.take().camera.K[0, 0] == 70


def test_extrinsics_from_the_transform_tree(settings, messages):
    assembler = FrameAssembler(with_values(settings, {"input.body_t_camera": ""}))
    assembler.on_camera_info(messages.camera_info(0))
    assembler.on_pose(messages.odometry(1.0))
    assembler.on_image(messages.image(1.0, PICTURE))
    assert assembler.take() is None
    assert "no transform from 'camera' to 'body'" in assembler.last_refusal and "input.body_t_camera" in assembler.last_refusal
    assembler.on_transforms(messages.transforms(("base", "body", (0, 0, 1), (0, 0, 0, 1)), ("body", "arm", (0, 0, 1), (0, 0, 0, 0)),
                                                ("base", "mast", (0, 0, 3), (0, 0, 0, 1)), ("mast", "camera", (0.2, 0, 0), (0, 0, 0, 1))))
    assert assembler.refused["bad transform"] == 1 and "from 'arm' to 'body'" in assembler.last_refusal
    assembler.on_pose(messages.odometry(2.0, (7, 0, 0)))
    assembler.on_image(messages.image(2.0, PICTURE))
    np.testing.assert_allclose(assembler.take().map_T_camera[:3, 3], [7.2, 0, 2])


def test_cloud_in_the_map(settings, messages):
    assembler = FrameAssembler(with_values(settings, {"input.body_t_lidar": (0, 0, 1, 0, 0, 0, 1)}))
    turn = np.sqrt(0.5)
    assembler.on_pose(messages.odometry(1.0, (10, 0, 0), (0, 0, turn, turn)))
    assembler.on_cloud(messages.cloud(1.0, [[2.0, 0, 0]]))
    cloud = assembler.take()
    assert isinstance(cloud, Cloud)
    np.testing.assert_allclose(cloud.points, [[10, 2, 1]], atol=1e-6)


@pytest.mark.parametrize("numbers, says", [((1, 2, 3), "3 numbers"), ((0, 0, 0, 0, 0, 0, 0), "quaternion")])
def test_bad_extrinsics_are_refused_at_once(settings, numbers, says):
    with pytest.raises(ConfigError, match=says):
        FrameAssembler(with_values(settings, {"input.body_t_camera": numbers}))


@pytest.mark.parametrize("topic, distortion, doubtful", [
    ("/camera/image_rect_color/compressed", (-0.3, 0.1, 0.0, 0.0, 0.0), True), ("rectified/image", (0.1,), True),
    ("/camera/image_rect", (0.0,) * 5, False), ("/camera/image_raw", (-0.3,), False), ("/director/image", (-0.3,), False)])
def test_rectified_pictures_with_the_calibration_of_raw_ones_are_doubted(topic, distortion, doubtful):
    """Straightened twice they compare with each other all the same, and alerts lie decimetres off."""
    assert bool(rectified_doubt(topic, Camera(64, 48, np.eye(3), "plumb_bob", distortion))) == doubtful
    assert rectified_doubt(topic, None) == ""


def test_take_waits_for_another_thread(settings, messages):
    import threading

    assembler = FrameAssembler(settings)
    assembler.on_camera_info(messages.camera_info(0))
    assembler.on_pose(messages.odometry(1.0))
    threading.Timer(0.05, lambda: assembler.on_image(messages.image(1.0, PICTURE))).start()
    assert assembler.take(wait_s=5.0) is not None


def drive(messages, start=10.0, seconds=1.0, jpeg=True):
    """A robot that goes 1 m/s along x: pictures at 30 Hz, poses at 10 Hz with a delay of 0.15 s, one calibration."""
    make = messages.jpeg if jpeg else messages.image
    items = [("/info", start, messages.camera_info(start))]
    items += [("/image", t, make(t, PICTURE)) for t in start + 0.01 + np.arange(0, seconds, 1 / 30)]
    items += [("/odom", t + 0.15, messages.odometry(t, (t - start, 0, 0))) for t in start + np.arange(0, seconds + 0.11, 0.1)]
    return sorted(items, key=lambda item: item[1])


def test_recording(tmp_path, write_bag, messages, settings):
    items = drive(messages) + [("/cloud", 11.4, messages.cloud(10.5, [[1.0, 2, 3]], frame="body")), ("/other", 11.5, messages.odometry(0))]
    path = write_bag(tmp_path / "bag", items)
    recording = Recording(path, settings)
    assert recording.expected_frames == 30
    events = list(recording.events())
    frames = [e for e in events if isinstance(e, Frame)]
    assert len(frames) == 30 and recording.skipped == {}
    for frame in frames:
        np.testing.assert_allclose(frame.map_T_camera[0, 3], frame.stamp_ns / 1e9 - 10.0, atol=1e-6)
    cloud, = [e for e in events if isinstance(e, Cloud)]
    np.testing.assert_allclose(cloud.points, [[1.5, 2, 3]], atol=1e-6)


def test_recording_counts_what_it_skips(tmp_path, write_bag, messages, settings):
    items = drive(messages)
    pictures = [message for topic, _, message in items if topic == "/image"]
    pictures[3].data = pictures[3].data[:100]
    items.append(("/image", 11.4, messages.jpeg(11.35, PICTURE)))
    recording = Recording(write_bag(tmp_path / "bag", items), settings)
    frames = [e for e in recording.events()]
    assert recording.expected_frames == len(frames) + sum(recording.skipped.values())
    assert recording.skipped == {"bad image": 1, "not localized": 1} and recording.last_reason
    assert set(recording.reasons) == set(recording.skipped) and "input.max_extrapolation_s" not in recording.reasons["bad image"]


def test_recording_says_why_pictures_in_its_midst_are_left_out(tmp_path, write_bag, messages, settings):
    """The last pictures have no pose after them in many a recording: that is the reason for those alone."""
    items = [item for item in drive(messages) if item[0] != "/odom" or not 10.6 < item[1] < 11.2]
    items.append(("/image", 11.9, messages.jpeg(11.9, PICTURE)))
    recording = Recording(write_bag(tmp_path / "bag", items), settings)
    assert "gap of" not in recording.last_reason and len(list(recording.events())) < 30
    assert "gap of 0.7" in recording.reasons["not localized"] and "gap of 0.7" in recording.last_reason


def test_frames_alone_leave_clouds_unread(tmp_path, write_bag, messages, settings):
    """A LiDAR that nobody has placed matters when teaching, not on patrol."""
    items = [*drive(messages), ("/cloud", 11.0, messages.cloud(10.5, [[1.0, 2, 3]], frame="nowhere"))]
    path = write_bag(tmp_path / "bag", items)
    recording = Recording(path, settings)
    assert len(list(recording.frames())) == 30 and recording.skipped == {}
    recording = Recording(path, settings)
    assert len(list(recording.events())) == 30 and "input.body_t_lidar" in recording.reasons["bad cloud"]


def test_recording_of_two_topics(tmp_path, write_bag, messages, settings):
    """UMAD's own robot records pictures and poses, nothing else."""
    (tmp_path / "camera.yaml").write_text("{width: 64, height: 48, K: [50, 0, 32, 0, 50, 24, 0, 0, 1]}")
    items = [item for item in drive(messages) if item[0] != "/info"]
    path = write_bag(tmp_path / "bag", items)
    with pytest.raises(BagError, match="input.camera_file"):
        Recording(path, settings)
    assert len(list(Recording(path, with_values(settings, {"input.camera_file": str(tmp_path / "camera.yaml")})).events())) == 30


@pytest.mark.parametrize("lacks, says", [("/image", "input.image_topic"), ("/odom", "input.localization_topic: record .*/tf"), ("/info", "input.camera_info_topic: set input.camera_file")])
def test_recording_without_a_topic(tmp_path, write_bag, messages, settings, lacks, says):
    items = [item for item in drive(messages) if item[0] != lacks]
    with pytest.raises(BagError, match=says) as caught:
        Recording(write_bag(tmp_path / "bag", items), settings)
    assert "\n" not in str(caught.value)


def test_recording_that_cannot_place_its_camera(tmp_path, write_bag, messages, settings):
    path = write_bag(tmp_path / "bag", drive(messages))
    with pytest.raises(BagError, match="no transform from 'camera' to 'body'"):
        Recording(path, with_values(settings, {"input.body_t_camera": ""}))
    poses = [(topic, s, messages.pose_stamped(s) if topic == "/odom" else m) for topic, s, m in drive(messages)]
    with pytest.raises(BagError, match="to 'base_link'.*, or input.body_frame where the poses are not of 'base_link'"):     # as a PoseStamped does not say
        Recording(write_bag(tmp_path / "poses", poses), with_values(settings, {"input.body_t_camera": ""}))
    static = ("/tf_static", 10.0, messages.transforms(("body", "camera", (0, 0, 2), (0, 0, 0, 1))))
    path = write_bag(tmp_path / "with", [static, *drive(messages)])
    frame = next(Recording(path, with_values(settings, {"input.body_t_camera": ""})).events())
    np.testing.assert_allclose(frame.map_T_camera[2, 3], 2)


@pytest.mark.parametrize("clouds, setting, says", [
    ((), "/cloud", ""), (("/cloud",), "/cloud", ""), (("/velodyne",), "", ""),
    (("/velodyne",), "/cloud", "no topic '/cloud'.*set input.cloud_topic to one of: /velodyne"), ((), "/odom", "holds '/odom' as nav_msgs/msg/Odometry, not PointCloud2")])
def test_recording_whose_lidar_is_not_read_says_so(tmp_path, write_bag, messages, settings, clouds, setting, says):
    """A map without its cloud is taught all the same, and nobody misses it."""
    items = [*drive(messages), *((topic, 11.0, messages.cloud(10.5, [[1.0, 2, 3]], frame="body")) for topic in clouds)]
    doubt = Recording(write_bag(tmp_path / "bag", items), with_values(settings, {"input.cloud_topic": setting})).cloud_doubt
    assert re.search(says, doubt) and bool(doubt) == bool(says)


def test_recording_whose_pictures_name_no_frame(tmp_path, write_bag, messages, settings):
    items = [(topic, s, messages.camera_info(s, frame="") if topic == "/info" else messages.jpeg(s, PICTURE, frame="") if topic == "/image" else m)
             for topic, s, m in drive(messages)]
    with pytest.raises(BagError, match="header.frame_id is empty.*input.body_t_camera"):
        Recording(write_bag(tmp_path / "bag", items), with_values(settings, {"input.body_t_camera": ""}))


def test_recording_of_an_uncalibrated_camera(tmp_path, write_bag, messages, settings):
    items = [("/info", s, messages.camera_info(s, focal=0)) if t == "/info" else (t, s, m) for t, s, m in drive(messages)]
    with pytest.raises(CameraError, match="zeros"):
        Recording(write_bag(tmp_path / "bag", items), settings)


def test_recording_with_a_calibration_besides_is_of_one_camera(tmp_path, write_bag, messages, settings):
    """What CameraInfo says counts from the first picture on: a teacher would refuse all but those of the first camera."""
    (tmp_path / "camera.yaml").write_text("{width: 64, height: 48, K: [60, 0, 32, 0, 60, 24, 0, 0, 1]}")
    items = [(topic, s + (0.5 if topic == "/info" else 0), m) for topic, s, m in drive(messages)]
    recording = Recording(write_bag(tmp_path / "bag", items), with_values(settings, {"input.camera_file": str(tmp_path / "camera.yaml")}))
    assert {frame.camera.K[0, 0] for frame in recording.events()} == {50.0}
    items = [("/info", s, messages.camera_info(s, focal=0)) if topic == "/info" else (topic, s, m) for topic, s, m in items]
    recording = Recording(write_bag(tmp_path / "zeros", items), with_values(settings, {"input.camera_file": str(tmp_path / "camera.yaml")}))
    assert {frame.camera.K[0, 0] for frame in recording.events()} == {60.0} and recording.skipped == {"bad camera": 1}


class Cut:
    """The beginning of a message."""

    def __init__(self, message):
        self.__msgtype__, self.raw = message.__msgtype__, b"\0\1\0\0abc"


def test_recording_of_which_the_first_messages_are_bad(tmp_path, write_bag, messages, settings):
    first = [("/image", 9.0, Cut(messages.jpeg(9.0, PICTURE))), ("/odom", 9.1, Cut(messages.odometry(9.0))), ("/info", 9.2, Cut(messages.camera_info(9.0))),
             ("/info", 9.3, messages.camera_info(9.3, focal=0)), ("/tf_static", 9.4, Cut(messages.transforms()))]
    recording = Recording(write_bag(tmp_path / "bag", first + drive(messages)), settings)
    assert len(list(recording.events())) == 30
    assert recording.skipped == {"bad image": 1, "bad pose": 1, "bad camera": 2, "bad transform": 1}    # each once


@pytest.mark.parametrize("lacks", ["/image", "/odom", "/info"])
def test_recording_that_holds_less_than_its_metadata_says(tmp_path, write_bag, messages, settings, lacks):
    whole = write_bag(tmp_path / "bag", drive(messages), "sqlite3")
    part = write_bag(tmp_path / "part", [item for item in drive(messages) if item[0] != lacks], "sqlite3")
    (part / "part.db3").replace(whole / "bag.db3")
    with pytest.raises(BagError, match=f"no usable message on '{lacks}'.*reindex"):
        Recording(whole, settings)


def test_recording_that_starts_again(tmp_path, write_bag, messages, settings):
    """Two drives with the same stamps, one after the other: both come out, the jump is counted."""
    again = [(topic, s + 5, m) for topic, s, m in drive(messages, start=10.0)]
    recording = Recording(write_bag(tmp_path / "bag", drive(messages, start=12.0) + again), settings)
    frames = list(recording.events())
    assert recording.resets == 1 and recording.skipped["time ran backwards"] == 1
    assert len(frames) == 60


def test_pictures_that_wait_for_a_pose_as_time_runs_backwards_are_counted(tmp_path, write_bag, messages, settings):
    first = [item for item in drive(messages, start=12.0) if item[0] != "/odom" or item[1] < 13.0]
    again = [(topic, s + 5, m) for topic, s, m in drive(messages, start=10.0)]
    recording = Recording(write_bag(tmp_path / "bag", first + again), settings)
    frames = list(recording.events())
    assert recording.skipped["waited for a pose as time ran backwards"] > 5
    assert recording.expected_frames == len(frames) + sum(recording.skipped.values()) - 1


def unsure(message, place_m2=0.0, heading_rad2=0.0):
    message.pose.covariance[[0, 7]] = place_m2
    message.pose.covariance[35] = heading_rad2
    return message


@pytest.mark.parametrize("kind", ["odometry", "pose_with_covariance"])
@pytest.mark.parametrize("spread, says", [({"place_m2": 1.0}, "1 m only.*max_position_sigma_m 0.5"), ({"place_m2": float("nan")}, "inf m only"),
                                          ({"heading_rad2": 0.1}, "18 deg only.*max_angle_sigma_deg 10")])
def test_an_unsure_pose_is_no_localization(assembler, messages, clock, kind, spread, says):
    make = getattr(messages, kind)
    for t in (10.0, 10.1, 10.2):
        assembler.on_pose(unsure(make(t), place_m2=0.01, heading_rad2=0.001))
    for t in (10.3, 10.4, 10.5, 10.6, 10.7):
        assembler.on_pose(unsure(make(t), **spread))
    assert assembler.refused == {"not localized": 5}
    assembler.on_image(messages.image(10.5, PICTURE))
    clock.now = 1.0
    assert assembler.take() is None and assembler.refused == {"not localized": 6}
    assert re.search(says, assembler.last_refusal)
    for t in (10.8, 10.9):
        assembler.on_pose(make(t))  # all zeros: nothing is said
    assembler.on_image(messages.image(10.85, PICTURE))
    assert assembler.take().stamp_ns == 10_850_000_000


def test_nothing_is_interpolated_over_a_jump_of_the_localization(assembler, messages):
    for t, x in ((10.0, 0.0), (10.1, 0.1), (10.2, 5.1), (10.3, 5.2), (10.4, 0.4), (10.5, 0.5)):
        assembler.on_pose(messages.odometry(t, (x, 0, 0)))
    found = []
    for t in (10.05, 10.15, 10.25, 10.35, 10.45):
        assembler.on_image(messages.image(t, PICTURE))
        frame = assembler.take()
        found.append(None if frame is None else round(float(frame.map_T_camera[0, 3]), 2))
    assert found == [0.05, None, 5.15, None, 0.45]
    assert assembler.refused == {"not localized": 2} and "jumped by 4.80 m" in assembler.last_refusal


def test_a_turn_on_the_spot_that_no_robot_makes_is_a_jump(assembler, messages):
    assembler.on_pose(messages.odometry(10.0))
    assembler.on_pose(messages.odometry(10.1, quat_xyzw=(0, 0, 1, 0)))
    assembler.on_image(messages.image(10.05, PICTURE))
    assert assembler.take() is None and "180 deg" in assembler.last_refusal


def test_a_calibration_of_a_gigantic_picture_takes_no_memory(assembler, messages):
    info = messages.camera_info(0.6, 200_000, 200_000, d=(0.1, 0, 0, 0, 0))
    assembler.on_camera_info(info)
    assembler.on_pose(messages.odometry(10.0))
    assembler.on_image(messages.image(10.0, PICTURE))
    assert assembler.take() is None and "64x48" in assembler.last_refusal and "200000x200000" in assembler.last_refusal
    assembler.on_camera_info(messages.camera_info(0.7, d=[0.1] * 5000))
    assert "5000 distortion coefficients" in assembler.last_refusal


def test_what_a_message_says_of_itself_cannot_fill_or_break_the_log(assembler, messages):
    picture = messages.image(10.0, PICTURE, encoding="evil\n" * 10_000)
    assembler.on_pose(messages.odometry(10.0, child="a\nb" * 9999))
    assembler.on_image(picture)
    assert assembler.take() is None and assembler.refused == {"bad image": 1}
    assert "\n" not in assembler.last_refusal and len(assembler.last_refusal) <= 400


def test_a_frame_that_is_old_already_is_left_for_the_next(assembler, messages, clock):
    """A camera of 30 Hz and a taker of 7 Hz: what is taken is at most half a period old, or 1.3 where none came."""
    ages = []
    for i in range(1, 400):
        clock.now = round(0.0333 * i, 4)
        t = 10.0 + clock.now
        assembler.on_image(messages.image(t, PICTURE))
        assembler.on_pose(messages.odometry(t))
        if i % 4 == 3:  # the work is done somewhere between this frame and the next
            clock.now += 0.033 * (i % 17) / 17
            frame = assembler.take()
            if frame is None:
                clock.now = round(0.0333 * (i + 1), 4)
                assembler.on_image(messages.image(10.0 + clock.now, PICTURE))
                assembler.on_pose(messages.odometry(10.0 + clock.now))
                frame = assembler.take()
            ages.append(10.0 + clock.now - frame.stamp_ns / 1e9)
    assert max(ages[5:]) < 0.02 and len(ages) == 100
    clock.now += 1.0
    assembler.on_image(messages.image(10.5 + clock.now, PICTURE))
    assembler.on_pose(messages.odometry(10.5 + clock.now))
    assert assembler.take() is not None  # the camera stopped: nothing is waited for


def test_a_picture_of_before_a_jump_that_is_being_decoded_is_left_out(assembler, messages, monkeypatch):
    decoded = assembler._assembled

    def jump_meanwhile(item):
        frame = decoded(item)
        if item.stamp_ns == 100 * 10**9:
            assembler.on_pose(messages.odometry(10.0, (1, 0, 0)))
        return frame

    monkeypatch.setattr(assembler, "_assembled", jump_meanwhile)
    assembler.on_pose(messages.odometry(100.0, (5, 0, 0)))
    assembler.on_image(messages.image(100.0, PICTURE))
    assert assembler.take() is None and assembler.resets == 1
    assembler.on_image(messages.image(10.0, PICTURE))
    assert assembler.take().stamp_ns == 10 * 10**9


def worse(*sigmas, seed=0, count=4000, step_s=0.4):
    """The errors `(N, 6)` of a localization made worse: metres and degrees."""
    make, T = PoseError(*sigmas, seed=seed), np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(np.array([0.3, -1.2, 0.8]))[0], (400.0, -20.0, 3.0)
    errors = []
    for i in range(count):
        moved = make(Frame(int(1e9 * step_s * i), PICTURE, None, T)).map_T_camera
        assert is_rigid(moved)
        errors.append(np.r_[moved[:3, 3] - T[:3, 3], np.degrees(cv2.Rodrigues(moved[:3, :3] @ T[:3, :3].T)[0][:, 0])])
    return np.array(errors)


def test_a_worse_localization_is_off_by_what_was_asked_for_and_wanders_slowly():
    errors = worse(0.1, 0.7)
    sigmas = np.hypot(1.0, 0.25) * np.array([0.1, 0.1, 0.02, 0.28, 0.28, 0.7])
    np.testing.assert_allclose(errors.std(axis=0), sigmas, rtol=0.2)
    alike = [np.corrcoef(errors[:-lag, 0], errors[lag:, 0])[0, 1] for lag in (1, 25, 250)]     # 0.4, 10 and 100 s later
    assert alike[0] > 0.85 and 0.2 < alike[1] < 0.5 and abs(alike[2]) < 0.2
    np.testing.assert_array_equal(errors, worse(0.1, 0.7))
    assert not np.array_equal(errors, worse(0.1, 0.7, seed=1))


def test_no_error_leaves_the_localization_as_it_is():
    assert np.abs(worse(0.0, 0.0, count=5)).max() < 1e-9


@pytest.mark.parametrize("sigmas", [(-0.1, 0.0), (0.0, -1.0), (11.0, 0.0), (0.0, 91.0), (float("nan"), 0.0), (0.0, float("inf"))])
def test_what_is_no_pose_error_is_refused(sigmas):
    with pytest.raises(BagError, match="a pose error of"):
        PoseError(*sigmas)

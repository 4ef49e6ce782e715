import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader, Writer

from umad_patrol.errors import BagError
from umad_patrol.geometry import se3
from umad_patrol.io import bag_messages as build
from umad_patrol.io.bags import open_bag
from umad_patrol.io.bag_writer import BagWriter
from umad_patrol.records import Camera

S = 1_700_000_000_123_456_789


def read(path):
    with Reader(path) as reader:
        return [(c.topic, stamp, build.TYPES.deserialize_cdr(raw, c.msgtype)) for c, stamp, raw in reader.messages()]


def test_what_is_written_is_read_again(tmp_path):
    T = se3.matrix([1, 2, 3], np.array([0.5, 0.5, 0.5, 0.5]))
    points = np.arange(12, dtype=np.float32).reshape(3, 4)
    K = np.array([[900.0, 0, 320], [0, 901, 240], [0, 0, 1]])
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/tf_static", build.transforms(S, {("body", "camera"): T}), S, latched=True)
        bag.write("/pose", build.odometry(S, "map", "body", T, 0.01, 0.002), S)
        bag.write("/cloud", build.point_cloud(S, "lidar", points), S + 1)
        bag.write("/info", build.camera_info(S, Camera(640, 480, K, frame_id="camera")), S + 2)
        bag.write("/jpeg", build.compressed_image(S, "camera", b"\xff\xd8abc"), S + 3)
        bag.write("/mask", build.image(S, "camera", np.full((4, 6), 255, np.uint8)), S + 4)
    found = {topic: (stamp, message) for topic, stamp, message in read(tmp_path / "bag")}
    assert {topic: stamp - S for topic, (stamp, _) in found.items()} == {
        "/tf_static": 0,
        "/pose": 0,
        "/cloud": 1,
        "/info": 2,
        "/jpeg": 3,
        "/mask": 4,
    }
    pose = found["/pose"][1]
    assert (pose.pose.pose.position.z, pose.pose.pose.orientation.w, pose.pose.covariance[0]) == pytest.approx((3.0, 0.5, 1e-4))
    assert (pose.header.stamp.sec, pose.header.stamp.nanosec) == divmod(S, 10**9)
    assert np.array_equal(found["/cloud"][1].data.view(np.float32).reshape(3, 4), points) and found["/cloud"][1].row_step == 48
    assert (
        found["/info"][1].k.reshape(3, 3).tolist() == K.tolist()
        and found["/info"][1].p[2] == 320
        and found["/info"][1].distortion_model == "plumb_bob"
    )
    assert found["/jpeg"][1].data.tobytes() == b"\xff\xd8abc" and found["/mask"][1].step == 6
    assert found["/tf_static"][1].transforms[0].child_frame_id == "camera"
    with Reader(tmp_path / "bag") as reader:
        durable = {c.topic: c.ext.offered_qos_profiles[0].durability for c in reader.connections}
    assert durable["/tf_static"] == QosDurability.TRANSIENT_LOCAL and durable["/pose"] == QosDurability.VOLATILE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag"] and (tmp_path / "bag" / "bag.mcap").is_file()


def test_the_same_messages_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        with BagWriter(tmp_path / name / "bag") as bag:
            bag.write("/x", build.message("std_msgs/msg/Header", {"frame_id": "map"}), S)
    for file in ("bag.mcap", "metadata.yaml"):
        assert (tmp_path / "a" / "bag" / file).read_bytes() == (tmp_path / "b" / "bag" / file).read_bytes()


def test_markers_and_diagnostics_from_nested_fields(tmp_path):
    markers = build.message(
        "visualization_msgs/msg/MarkerArray",
        {
            "markers": [
                {
                    "header": build.header(S, "map"),
                    "ns": "alerts",
                    "id": 7,
                    "type": 3,
                    "pose": build.pose(np.eye(4)),
                    "scale": build.vector([1, 2, 3]),
                    "color": {"r": 1.0, "a": 0.5},
                    "points": [build.vector([1, 1, 1])],
                }
            ]
        },
    )
    status = build.message(
        "diagnostic_msgs/msg/DiagnosticArray", {"status": [{"name": "alert", "level": 2, "values": [{"key": "x", "value": "1"}]}]}
    )
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/markers", markers, S)
        bag.write("/alerts", status, S)
    (_, _, m), (_, _, d) = read(tmp_path / "bag")
    assert m.markers[0].scale.y == 2 and m.markers[0].points[0].x == 1 and m.markers[0].pose.orientation.w == 1
    assert d.status[0].level == 2 and d.status[0].values[0].key == "x"


def test_an_existing_folder_is_not_written_over(tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="exists already"):
        with BagWriter(tmp_path / "bag"):
            pass


def test_a_recording_is_replaced_when_the_new_one_is_whole(tmp_path):
    def write(stamp, fails=False, path=tmp_path / "results"):
        with BagWriter(path, replace=True) as bag:
            bag.write("/a", build.odometry(stamp, "map", "body", np.eye(4), 0.1, 0.1), stamp)
            if fails:
                raise RuntimeError

    def stamp():
        with open_bag(tmp_path / "results") as bag:
            return [stamp for _, stamp, _ in bag.messages()]

    write(1)
    with pytest.raises(RuntimeError):
        write(2, fails=True)
    assert stamp() == [1]
    write(3)
    assert stamp() == [3] and [path.name for path in tmp_path.iterdir()] == ["results"]
    (tmp_path / "results/thesis.txt").write_text("all of it")
    other = tmp_path / "file"
    other.write_text("kept")
    for path in (tmp_path / "results", other):
        with pytest.raises(BagError, match="is no recording"):
            write(4, path=path)
    assert stamp() == [3] and (tmp_path / "results/thesis.txt").read_text() == "all of it" and other.read_text() == "kept"


def test_the_old_recording_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "results"

    def write(stamp):
        with BagWriter(path, replace=True) as bag:
            bag.write("/a", build.odometry(stamp, "map", "body", np.eye(4), 0.1, 0.1), stamp)

    write(1)
    rename = type(path).rename

    def interrupted(self, target):
        if self.name == "results" and target == path:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(2)
    monkeypatch.undo()
    with open_bag(path) as bag:
        assert [stamp for _, stamp, _ in bag.messages()] == [1]
    assert [kept.name for kept in tmp_path.iterdir()] == ["results"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        with BagWriter(tmp_path / "bag") as bag:
            bag.write("/x", build.message("std_msgs/msg/Header"), S)
            raise RuntimeError("power cut")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["write", "close"])
def test_a_full_disk_is_named_with_the_way_out(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(28, "No space left on device")    # as a file that was opened before has it: without its name

    monkeypatch.setattr(Writer, step, full)
    with pytest.raises(BagError, match="cannot write recording .*bag': No space left on device; free space"), BagWriter(tmp_path / "bag") as bag:
        bag.write("/mask", build.image(S, "camera", np.zeros((4, 6), np.uint8)), S)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_a_disk_that_refuses_from_the_start_is_named_as_well(tmp_path, monkeypatch, step):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(*(("pathlib.Path.mkdir", refused) if step == "mkdir" else (Writer, "open", refused)))
    with pytest.raises(BagError, match="cannot write recording .*bag': Permission denied; name another folder"), BagWriter(tmp_path / "bag"):
        pass
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_refused(tmp_path):
    header = build.message("std_msgs/msg/Header")
    with pytest.raises(BagError, match="not open"):
        BagWriter(tmp_path / "bag").write("/x", header, S)
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/x", header, S)
        with pytest.raises(BagError, match="carries std_msgs"):
            bag.write("/x", build.message("nav_msgs/msg/Odometry"), S)
        with pytest.raises(BagError, match="cannot be written"):
            bag.write("/y", build.message("std_msgs/msg/Header", {"frame_id": 5}), S)


@pytest.mark.parametrize(
    "kind,fields,match",
    [
        ("no_msgs/msg/Thing", {}, "unknown"),
        ("std_msgs/msg/Header", {"frame": "map"}, "no field 'frame'"),
        ("nav_msgs/msg/Odometry", {"pose": {"where": 1}}, "no field 'where'"),
    ],
)
def test_unknown_types_and_fields_are_named(kind, fields, match):
    with pytest.raises(BagError, match=match):
        build.message(kind, fields)


@pytest.mark.parametrize("picture", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.float64), np.zeros(4, np.uint8)])
def test_pictures_of_other_kinds_are_refused(picture):
    with pytest.raises(BagError, match="cannot be written"):
        build.image(S, "camera", picture)


def test_every_zero_message_can_be_written(tmp_path):
    kinds = [
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/msg/PointCloud2",
        "visualization_msgs/msg/Marker",
        "nav_msgs/msg/Path",
        "sensor_msgs/msg/Image",
    ]
    with BagWriter(tmp_path / "bag") as bag:
        for i, kind in enumerate(kinds):
            bag.write(f"/t{i}", build.message(kind), S)
    assert len(read(tmp_path / "bag")) == len(kinds)

import filecmp

import cv2
import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from umad_patrol.cli.main import main
from umad_patrol.errors import SimulationError
from umad_patrol.geometry import se3
from umad_patrol.simulate.record import write_simulation
from umad_patrol.simulate.world import PATROL, TEACH

TYPES = get_typestore(Stores.ROS2_JAZZY)
TOPICS = {
    "/camera/color/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "/camera/color/camera_info": "sensor_msgs/msg/CameraInfo",
    "/localization": "nav_msgs/msg/Odometry",
    "/livox/lidar": "sensor_msgs/msg/PointCloud2",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}


def messages(bag, topic):
    with Reader(bag) as reader:
        found = [c for c in reader.connections if c.topic == topic]
        return [(stamp, TYPES.deserialize_cdr(raw, c.msgtype)) for c, stamp, raw in reader.messages(connections=found)]


def tum(path) -> dict[int, np.ndarray]:
    rows = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            words = line.split()
            seconds, nanos = words[0].split(".")
            rows[int(seconds) * 10**9 + int(nanos)] = se3.matrix(*np.split(np.array(words[1:], float), [3]))
    return rows


def load(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("run", [TEACH, PATROL])
def test_bags_hold_the_promised_topics_in_the_order_of_time(simulation, run, small):
    with Reader(simulation / run) as reader:
        assert {c.topic: c.msgtype for c in reader.connections} == TOPICS
        counts = {c.topic: c.msgcount for c in reader.connections}
        stamps = [stamp for _, stamp, _ in reader.messages()]
    assert counts["/camera/color/image_raw/compressed"] == counts["/camera/color/camera_info"] == small["frames"]
    assert counts["/tf_static"] == 1 and counts["/livox/lidar"] > 50
    assert stamps == sorted(stamps)
    poses = [stamp for stamp, _ in messages(simulation / run, "/localization")]
    assert 8 < 1e9 / np.median(np.diff(poses)) < 12
    assert not set(poses) & {stamp for stamp, _ in messages(simulation / run, "/camera/color/camera_info")}


@pytest.mark.parametrize("run", [TEACH, PATROL])
def test_messages_carry_what_they_should(simulation, run):
    stamp, image = messages(simulation / run, "/camera/color/image_raw/compressed")[2]
    picture = cv2.imdecode(image.data, cv2.IMREAD_COLOR)
    assert picture.shape == (90, 160, 3) and picture.std() > 20 and image.format == "jpeg"
    assert image.header.frame_id == "camera_color_optical_frame"
    assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == stamp
    info, camera = messages(simulation / run, "/camera/color/camera_info")[0][1], load(simulation / "truth" / "camera.yaml")
    assert info.k.reshape(3, 3).tolist() == camera["K"] and (info.width, info.height) == (160, 90)
    odometry = messages(simulation / run, "/localization")[0][1]
    assert (odometry.header.frame_id, odometry.child_frame_id) == ("map", "body") and odometry.pose.covariance[
        0
    ] == pytest.approx(1e-4)
    tf = {t.child_frame_id: t for t in messages(simulation / run, "/tf_static")[0][1].transforms}
    assert (
        tf["camera_color_optical_frame"].transform.translation.z == pytest.approx(0.7)
        and tf["livox_frame"].header.frame_id == "body"
    )


@pytest.mark.parametrize("run", [TEACH, PATROL])
def test_localization_is_near_the_truth_but_not_the_truth(simulation, run):
    body_T_camera = load(simulation / "truth" / "camera.yaml")["body_T_camera"]
    body_T_camera = se3.matrix(body_T_camera[:3], body_T_camera[3:])
    poses = [
        (stamp, se3.matrix([p.x, p.y, p.z], [q.x, q.y, q.z, q.w]))
        for stamp, m in messages(simulation / run, "/localization")
        for p, q in ((m.pose.pose.position, m.pose.pose.orientation),)
    ]
    off = []
    for stamp, T in tum(simulation / "truth" / f"{run}_poses.txt").items():
        after = next(i for i, (s, _) in enumerate(poses) if s > stamp)
        (s0, A), (s1, B) = poses[after - 1], poses[after]
        found = se3.interpolate(A, B, (stamp - s0) / (s1 - s0)) @ body_T_camera
        off.append((se3.distance_m(found, T), se3.angle_deg(se3.inverse(found) @ T)))
    metres, degrees = np.array(off).T
    assert 0.001 < metres.mean() < 0.03 and metres.max() < 0.06 and 0.01 < degrees.mean() < 0.4 and degrees.max() < 0.8


def test_the_cloud_lies_on_the_ground(simulation):
    stamp, cloud = messages(simulation / TEACH, "/livox/lidar")[10]
    points = np.frombuffer(cloud.data.tobytes(), np.float32).reshape(-1, 4)
    assert len(points) == cloud.width > 2000 and np.isfinite(points).all() and np.linalg.norm(points[:, :3], axis=1).max() < 41
    near = points[(np.hypot(points[:, 0], points[:, 1]) < 3.0) & (np.abs(points[:, 1]) < 1.0) & (points[:, 2] < -0.5)]
    assert len(near) > 30 and np.median(near[:, 2]) == pytest.approx(-0.9, abs=0.03)


def test_masks_agree_with_the_places_of_the_anomalies(simulation):
    truth = simulation / "truth"
    rows, camera, poses = load(truth / "anomalies.yaml"), load(truth / "camera.yaml"), tum(truth / "patrol_poses.txt")
    K, checked = np.array(camera["K"]), 0
    assert sorted(int(p.stem) for p in (truth / "masks").iterdir()) == sorted(poses)
    for stamp, T in poses.items():
        mask = cv2.imread(str(truth / "masks" / f"{stamp}.png"), cv2.IMREAD_UNCHANGED)
        assert (
            mask.shape == (90, 160)
            and mask.dtype == np.uint8
            and not set(np.unique(mask & ~np.uint8(128 | 64 | 32 | 16 | 8 | 1))) - {0}
        )
        for row in rows:
            middle = np.array(row["position"]) + [0, 0, 0.5 * row["size"][2]]
            x, y, z = se3.inverse(T)[:3, :3] @ middle + se3.inverse(T)[:3, 3]
            u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
            if 1.5 < z < 6 and 5 < u < 155 and 5 < v < 85:
                r = max(2, int(0.5 * max(row["size"]) * K[0, 0] / z))
                checked += bool((mask[int(v) - r : int(v) + r + 1, max(int(u) - r, 0) : int(u) + r + 1] & 128).any())
    assert checked >= 2


def test_truth_files(simulation, small):
    truth = simulation / "truth"
    rows = load(truth / "anomalies.yaml")
    assert len(rows) == small["anomalies"] and all(
        set(r) == {"id", "kind", "position", "size", "min_range_m", "visible_frames"} for r in rows
    )
    assert all(r["visible_frames"] > 0 and r["min_range_m"] < 8.0 for r in rows)
    assert all(len(d["path"]) == small["frames"] and len(d["path"][0]) == 4 for d in load(truth / "dynamics.yaml"))
    assert {d["kind"] for d in load(truth / "dynamics.yaml")} == {"person", "car", "cyclist"}
    assert all(m["old_position"] != m["new_position"] for m in load(truth / "moved.yaml"))
    assert len(tum(truth / "teach_poses.txt")) == small["frames"]


def test_the_same_seed_gives_the_same_bytes_on_two_workers(simulation, tmp_path, small, capsys):
    write_simulation(tmp_path / "world", workers=2, progress=True, **small)
    assert "frame" not in capsys.readouterr().err   # a bar would fill a log: it is for a terminal
    files = sorted(p.relative_to(simulation) for p in simulation.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "world") for p in (tmp_path / "world").rglob("*") if p.is_file())
    equal, unequal, failed = filecmp.cmpfiles(simulation, tmp_path / "world", [str(f) for f in files], shallow=False)
    assert not unequal and not failed and len(equal) == len(files)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"frames": 1},
        {"frames": 10**9},
        {"size": (0, 0)},
        {"size": (10, 10)},
        {"size": (99999, 720)},
        {"seed": -1},
        {"workers": 0},
        {"workers": 1000},
        {"anomalies": 99},
        {"anomalies": -2},
        {"length_m": 3.0},
        {"aside_m": -0.1},
        {"aside_m": 9.0},
        {"aside_m": float("nan")},
    ],
)
def test_bad_wishes_are_refused_and_leave_nothing(tmp_path, wrong, small):
    with pytest.raises(SimulationError):
        write_simulation(tmp_path / "world", **{**small, **wrong})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_taken_is_refused(tmp_path, small):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(SimulationError, match="not an empty folder"):
        write_simulation(tmp_path, **small)
    with pytest.raises(SimulationError, match="not an empty folder"):
        write_simulation(tmp_path / "note.txt", **small)
    assert (tmp_path / "note.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "big"],
        ["--size", "1280"],
        ["--frames", "0"],
        ["--anomalies", "500"],
        ["--length", "nan"],
        ["--aside", "7"],
        ["--assets", "/nowhere"],
        ["--seed", "-4"],
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path, capsys, words):
    assert main(["simulate", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("umad-patrol simulate: ")
    assert not (tmp_path / "out").exists()

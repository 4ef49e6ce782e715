"""`teach` and `inspect` from a recording to a map, and what they refuse."""

import json

import cv2
import numpy as np
import pytest

from umad_patrol.cli.main import main
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.teach import Teacher

TOPICS = ["--set", "input.image_topic=/image", "--set", "input.camera_info_topic=/info", "--set", "input.localization_topic=/odom",
          "--set", "input.cloud_topic=/cloud", "--set", "input.body_t_camera=0 0 0.5 -0.5 0.5 -0.5 0.5"]


def picture(i):
    rng = np.random.default_rng(i)
    return cv2.resize(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_NEAREST)


def drive(messages, seconds=2.0, jpeg_data=None, cloud=True, poses=True, focal=100.0):
    """1 m/s along x from stamp 1000 s: pictures at 20 Hz, poses at 10 Hz, a cloud of the ground at 2 Hz."""
    xy = np.stack(np.meshgrid(np.arange(-2, 8, 0.1), np.arange(-3, 3, 0.1)), axis=-1).reshape(-1, 2)
    ground = np.column_stack([xy, np.full(len(xy), -0.1)])  # 0.1 m below the body, 0.6 m below the camera
    items = [("/info", 1000, messages.camera_info(1000, 128, 96, focal))]
    items += [("/image", 1000 + t, messages.jpeg(1000 + t, picture(i), data=jpeg_data)) for i, t in enumerate(np.arange(0, seconds, 0.05))]
    if poses:
        items += [("/odom", 1000 + t, messages.odometry(1000 + t, (t, 0, 0))) for t in np.arange(0, seconds + 0.11, 0.1)]
    if cloud:
        items += [("/cloud", 1000 + t, messages.cloud(1000 + t, ground, frame="body")) for t in np.arange(0.25, seconds, 0.5)]
    return sorted(items, key=lambda item: item[1])


@pytest.fixture
def bag(tmp_path, write_bag, messages):
    return write_bag(tmp_path / "bag", drive(messages))


def one_line(capsys):
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "Traceback" not in said[0], said
    return said[0]


def test_a_full_temporary_disk_makes_no_map_with_gaps(tmp_path, bag, capsys, monkeypatch):
    from umad_patrol.reference import teach as teaching

    write, written = teaching.write_image, []

    def full(path, *words):
        written.append(path)
        if len(written) > 2:
            raise OSError(28, "No space left on device", str(path))
        write(path, *words)

    monkeypatch.setattr(teaching, "write_image", full)
    assert main(["teach", str(bag), str(tmp_path / "map"), *TOPICS]) == 2
    said = one_line(capsys)
    assert "No space left on device" in said and "TMPDIR" in said and not (tmp_path / "map").exists()


def test_teach_then_inspect(tmp_path, bag, capsys):
    target, result = tmp_path / "map", tmp_path / "result.json"
    assert main(["teach", str(bag), str(target), "--run", "noon", "--json", str(result), *TOPICS]) == 0
    found = json.loads(result.read_text())
    assert found["frames"] == 40 and found["refused"] == {} and found["cloud_points"] > 1000
    noon, = found["runs"]
    assert noon["name"] == "noon" and 8 <= noon["keyframes"] <= 11 and noon["length_m"] == pytest.approx(1.9, abs=0.11)
    assert noon["widest_gap_m"] <= 0.25 + 1e-6 and found["ground"]["camera_height_m"] == pytest.approx(0.6, abs=0.01)
    assert "40 frames" in capsys.readouterr().out
    loaded = ReferenceMap.load(target)
    reference = loaded.reference(3)
    assert len(reference.features.points) > 10 and reference.image.shape == (96, 128, 3)
    assert np.allclose(reference.map_T_camera[:3, 3], [(reference.stamp_ns - 1000 * 10**9) / 1e9, 0, 0.5], atol=1e-6)

    plot = tmp_path / "route.png"
    assert main(["inspect", str(target), "--images", str(plot), "--json", str(result)]) == 0
    said = capsys.readouterr().out
    assert "sound" in said and "run noon" in said and "128x96" in said and loaded.checksum in said
    assert json.loads(result.read_text())["sound"] is True
    drawn = cv2.imread(str(plot))
    assert drawn is not None and drawn.min() < 100 and max(drawn.shape) <= 1500


def test_a_second_run_adds_and_the_same_is_refused_at_once(tmp_path, bag, capsys, monkeypatch):
    target = str(tmp_path / "map")
    assert main(["teach", str(bag), target, "--run", "noon", *TOPICS]) == 0
    assert main(["teach", str(bag), target, "--run", "dusk", *TOPICS]) == 0
    assert ReferenceMap.load(target).runs == ("noon", "dusk")
    capsys.readouterr()
    assert main(["teach", str(bag), target, "--run", "dusk", *TOPICS]) == 2
    assert "holds a run 'dusk' already" in one_line(capsys)
    assert main(["teach", str(bag), target, *TOPICS]) == 0
    capsys.readouterr()
    monkeypatch.setattr(Teacher, "save", None)     # at the first frame, not after the last
    assert main(["teach", str(bag), target, *TOPICS]) == 2
    assert "holds a run 'run-19700101-001640' already" in one_line(capsys)
    assert main(["teach", "/nowhere", target, "--run", "dusk", *TOPICS]) == 2  # before the recording is even opened
    assert "holds a run 'dusk' already" in one_line(capsys)


def test_bad_pictures_are_counted_and_left_out(tmp_path, write_bag, messages, capsys):
    items = drive(messages, cloud=False)
    pictures = [message for topic, _, message in items if topic == "/image"]
    pictures[5].data = pictures[5].data[:50]
    assert main(["teach", str(write_bag(tmp_path / "bag", items)), str(tmp_path / "map"), *TOPICS]) == 0
    said = capsys.readouterr().out
    assert "left out: 1 x bad image; last: " in said and "no cloud, so it is as teach.camera_height_m said" in said and "run-19700101-001640" in said


def test_a_lidar_on_another_topic_is_told_of(tmp_path, bag, caplog):
    assert main(["teach", str(bag), str(tmp_path / "map"), *TOPICS, "--set", "input.cloud_topic=/livox/lidar"]) == 0
    assert "no LiDAR is read" in caplog.text and "set input.cloud_topic to one of: /" in caplog.text


@pytest.mark.parametrize("how, said", [
    ({"jpeg_data": b"\xff\xd8 no picture"}, "40 x bad image"),
    ({"poses": False}, "/odom"),
    ({"focal": 0.0}, "camera"),
    ({"seconds": 0.0}, "image"),
])
def test_recordings_that_teach_nothing(tmp_path, write_bag, messages, capsys, how, said):
    bag = write_bag(tmp_path / "bag", drive(messages, **how))
    assert main(["teach", str(bag), str(tmp_path / "map"), *TOPICS]) == 2
    assert said in one_line(capsys)
    assert not (tmp_path / "map").exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_teach_refuses(tmp_path, bag, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("x")
    for words, said in [(["/nowhere", str(tmp_path / "map")], "/nowhere"), ([str(bag), str(tmp_path / "thesis")], "is no map"),
                        ([str(bag), str(tmp_path / "map"), "--run", "a/b"], "teach.run"), ([str(bag), str(tmp_path / "thesis" / "text" / "map")], "")]:
        assert main(["teach", *words, *TOPICS]) == 2
        assert said in one_line(capsys)


@pytest.mark.parametrize("harm, said", [
    (lambda m: (m / "images" / "000000.jpg").write_bytes(b"x"), "images/000000.jpg is damaged"),
    (lambda m: (m / "cloud.pcd").unlink(), "cloud.pcd"),
    (lambda m: (m / "map.yaml").write_text((m / "map.yaml").read_text().replace("version: 1", "version: 2")), "version 2"),
    (lambda m: (m / "SHA256SUMS").write_text("../../etc/passwd"), "SHA256SUMS"),
])
def test_inspect_refuses_and_names(tmp_path, bag, capsys, harm, said):
    target = tmp_path / "map"
    assert main(["teach", str(bag), str(target), *TOPICS]) == 0
    capsys.readouterr()
    harm(target)
    assert main(["inspect", str(target)]) == 2
    assert said in one_line(capsys)


def test_inspect_of_nothing(tmp_path, capsys):
    for path in (tmp_path / "nowhere", tmp_path):
        assert main(["inspect", str(path)]) == 2
        assert str(path) in one_line(capsys)

"""`replay`: a recording over a map gives masks, frames.csv, alerts and a report; bad input is one line and status 2."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from drives import SIZE, TOPICS, drive, picture  # noqa: E402

from umad_patrol.cli.main import main
from umad_patrol.cli.results import ResultsBag
from umad_patrol.io.bags import open_bag
from umad_patrol.records import Alert, Camera, Frame, Result

@pytest.fixture
def taught(tmp_path, write_bag, messages):
    bag = write_bag(tmp_path / "teach", drive(messages, False))
    assert main(["teach", str(bag), str(tmp_path / "map"), *TOPICS]) == 0
    return tmp_path / "map"


def test_replay_writes_what_it_found(tmp_path, taught, write_bag, messages, capsys):
    bag, out, result = write_bag(tmp_path / "patrol", drive(messages, True)), tmp_path / "out", tmp_path / "r.json"
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(out), "--json", str(result), *TOPICS]) == 0
    summary = json.loads(result.read_text())
    assert summary["frames"] == 6 and summary["statuses"] == {"compared": 6} and summary["refused"] == summary["reasons"] == {}
    masks = sorted((out / "masks").glob("*.png"))
    assert len(masks) == 6 and all(cv2.imread(str(m), 0)[100:120, 155:175].all() for m in masks)
    with (out / "frames.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["compared"] * 6
    assert "<html" in (out / "report.html").read_text() and (out / "alerts.sqlite").is_file()
    assert "6 frames" in capsys.readouterr().out
    with open_bag(out / "results") as bag:
        masks = [bag.decode(topic, raw) for topic, _, raw in bag.messages(("/patrol_node/anomaly_mask/compressed",))]
    assert len(masks) == 6 and cv2.imdecode(masks[0].data, cv2.IMREAD_GRAYSCALE)[100:120, 155:175].all()


def test_alerts_and_markers_of_a_frame_are_recorded(tmp_path):
    alert = Alert("A0001", "active", "anomaly", 0.9, (1.0, 2.0, 0.0), (0.3, 0.5), 10**9, 2 * 10**9, 7)
    camera = Camera(8, 6, np.eye(3))
    result = Result(Frame(3 * 10**9, np.zeros((6, 8, 3), np.uint8), camera, np.eye(4)), "compared", "", np.zeros((6, 8), np.uint8),
                    alerts=(alert,), changed_alerts=(alert,))
    with ResultsBag(tmp_path / "results") as results:
        results.add(result)
    with open_bag(tmp_path / "results") as bag:
        found = {topic: bag.decode(topic, raw) for topic, _, raw in bag.messages()}
    status, = found["/patrol_node/alerts"].status
    assert status.hardware_id == "A0001" and {pair.key: pair.value for pair in status.values}["x"] == "1.000"
    assert found["/patrol_node/alert_markers"].markers[1].pose.position.y == 2.0


def test_far_from_the_map_nothing_is_compared_and_it_says_why(tmp_path, taught, write_bag, messages, capsys):
    bag, result = write_bag(tmp_path / "patrol", drive(messages, True, away=50.0)), tmp_path / "r.json"
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), "--json", str(result), *TOPICS]) == 0
    summary, said = json.loads(result.read_text()), "no reference within 1 m and 15 deg: the nearest keyframe is 50."
    assert summary["statuses"] == {"no reference": 6} and summary["reasons"]["no reference"].startswith(said)
    assert f"not compared: 6 x no reference; last: {said}" in capsys.readouterr().out


@pytest.mark.parametrize("scale, focal, warned", [(1.0, 230.0, 0), (0.5, 115.0, 0), (1.0, 300.0, 1)])
def test_a_camera_that_the_map_was_not_taught_with_is_warned_of(tmp_path, taught, write_bag, messages, caplog, scale, focal, warned):
    """One that only has other pixels sees the same."""
    size = tuple(int(scale * side) for side in SIZE)
    small = cv2.resize(picture(), size, interpolation=cv2.INTER_AREA)
    items = [("/info", s, messages.camera_info(s, *size, focal)) if topic == "/info" else
             (topic, s, messages.jpeg(s, small) if topic == "/image" else m) for topic, s, m in drive(messages, False)]
    bag = write_bag(tmp_path / "patrol", items)
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), *TOPICS, "--set", "detect.detector=gradient"]) == 0
    assert caplog.text.count("was the map taught with this camera") == warned


def test_bad_input_is_refused_in_one_line(tmp_path, taught, write_bag, messages, capsys):
    good = write_bag(tmp_path / "good", drive(messages, True))
    broken = write_bag(tmp_path / "broken", drive(messages, True))
    mcap, = broken.glob("*.mcap")
    mcap.write_bytes(mcap.read_bytes()[:1000])
    file = tmp_path / "file"
    file.write_text("x")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "map.yaml").write_text("version: 99\n")
    cases = [(tmp_path / "none", taught, tmp_path / "o"), (broken, taught, tmp_path / "o"), (file, taught, tmp_path / "o"),
             (good, tmp_path / "none", tmp_path / "o"), (good, damaged, tmp_path / "o"), (good, taught, file)]
    for bag, reference_map, out in cases:
        capsys.readouterr()
        assert main(["replay", str(bag), "--map", str(reference_map), "--out", str(out), *TOPICS]) == 2, (bag, reference_map, out)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("umad-patrol")]
        assert len(lines) == 1, lines


def test_masks_are_those_of_this_replay(tmp_path, taught, write_bag, messages, capsys):
    bag, out = write_bag(tmp_path / "patrol", drive(messages, True)), tmp_path / "out"
    words = ["replay", str(bag), "--map", str(taught), "--out", str(out), *TOPICS]
    assert main(words) == 0 and len(list((out / "masks").iterdir())) == 6
    capsys.readouterr()
    assert main([*words, "--set", "align.min_inliers=10000"]) == 0 and not list((out / "masks").iterdir())
    assert re.search(r"not compared: 6 x not comparable; last: \d+ inliers", capsys.readouterr().out)


def test_where_no_frame_can_be_used_it_says_why_and_fails(tmp_path, taught, write_bag, messages, capsys):
    bag = write_bag(tmp_path / "patrol", drive(messages, True))
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), *TOPICS, "--set", "input.max_image_mpx=0.01"]) == 2
    said = capsys.readouterr()
    assert "no frame of" in said.err and "0.01" in said.err and "0 frames" not in said.out and not (tmp_path / "out").exists()


def test_what_cannot_begin_writes_nothing(tmp_path, taught, write_bag, messages, capsys):
    bag = write_bag(tmp_path / "patrol", drive(messages, True))
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), *TOPICS, "--set", "detect.weights=nowhere"]) == 2
    assert not (tmp_path / "out").exists()


def test_a_map_whose_dismissed_things_are_damaged_makes_no_folder(tmp_path, taught, write_bag, messages, capsys):
    bag = write_bag(tmp_path / "patrol", drive(messages, True))
    (taught / "dismissed.json").write_text("{}")
    assert main(["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), *TOPICS]) == 2
    assert "dismissed.json is damaged" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_results_never_go_into_a_map(tmp_path, taught, write_bag, messages, capsys):
    bag, before = write_bag(tmp_path / "patrol", drive(messages, True)), sorted(taught.rglob("*"))
    (tmp_path / "link").symlink_to(taught)
    shutil.copytree(taught, tmp_path / "other")
    for out in (taught, tmp_path / "link", tmp_path / "other"):
        assert main(["replay", str(bag), "--map", str(taught), "--out", str(out), *TOPICS]) == 2
        assert f"{str(out)!r} is a reference map" in capsys.readouterr().err
    assert sorted(taught.rglob("*")) == before and not (tmp_path / "other" / "alerts.sqlite").exists()


@pytest.mark.parametrize("frame, warned", [("odom", 1), ("map", 0), ("", 0)])
def test_poses_in_a_frame_that_drifts_are_warned_of_once(tmp_path, write_bag, messages, caplog, frame, warned):
    bag = write_bag(tmp_path / "bag", drive(messages, False, frame=frame))
    for words in (["teach", str(bag), str(tmp_path / "map")], ["replay", str(bag), "--map", str(tmp_path / "map"), "--out", str(tmp_path / "out"), "--no-masks"]):
        caplog.clear()
        assert main([*words, *TOPICS, "--set", "detect.detector=gradient"]) == 0
        assert [record.levelname for record in caplog.records if "poses in frame 'odom', not in 'map'" in record.message] == ["WARNING"] * warned


def test_rectified_pictures_with_the_calibration_of_raw_ones_are_warned_of(tmp_path, write_bag, messages, caplog):
    items = [("/info", s, messages.camera_info(s, *SIZE, 230.0, d=(-0.1, 0.01, 0.0, 0.0, 0.0))) if topic == "/info" else
             ("/image_rect" if topic == "/image" else topic, s, m) for topic, s, m in drive(messages, False)]
    words = ["teach", str(write_bag(tmp_path / "bag", items)), str(tmp_path / "map"), *TOPICS, "--set", "input.image_topic=/image_rect"]
    assert main(words) == 0 and caplog.text.count("straightened twice") == 1


def test_a_worse_localization_can_be_tried(tmp_path, taught, write_bag, messages, capsys):
    bag = write_bag(tmp_path / "patrol", drive(messages, True))
    words = ["replay", str(bag), "--map", str(taught), "--out", str(tmp_path / "out"), *TOPICS]
    assert main([*words, "--pose-error", "5", "0"]) == 0
    with (tmp_path / "out" / "frames.csv").open() as file:
        assert all(row["status"] == "no reference" for row in csv.DictReader(file))
    assert main([*words, "--pose-error", "0.03", "0.5", "--json", str(tmp_path / "off.json")]) == 0
    off = json.loads((tmp_path / "off.json").read_text())["localization_off"]
    assert 0.005 < off["median"][0] < 0.15 and 0.1 < off["median"][1] < 2.0 and all(np.array(off["most"]) >= off["median"])
    assert "from what the pictures tell in the median" in capsys.readouterr().out
    with (tmp_path / "out" / "frames.csv").open() as file:
        assert all(float(row["off_m"]) < 0.3 for row in csv.DictReader(file))
    assert main([*words, "--pose-error", "5", "nan"]) == 2
    error, = capsys.readouterr().err.splitlines()
    assert "nan degrees" in error

"""`calibrate`: a second run over a map gives a threshold in a file that is read back; bad input is one line and status 2."""

import json
import shutil

import cv2
import numpy as np
import pytest

from umad_patrol import config
from umad_patrol.cli.main import main
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import Alert

TOPICS = ["--set", "input.image_topic=/image", "--set", "input.camera_info_topic=/info", "--set", "input.localization_topic=/odom",
          "--set", "input.cloud_topic=", "--set", "input.body_t_camera=0 0 0.5 -0.5 0.5 -0.5 0.5"]
SIZE = 320, 180
TINTS = (0, 25, 30, 0, 40, 60)  # how red a soft patch is in each frame of the second run


def picture(tint=0):
    rng = np.random.default_rng(5)
    layers = [cv2.resize(rng.normal(size=(SIZE[1] // s + 2, SIZE[0] // s + 2, 3)), SIZE, interpolation=cv2.INTER_CUBIC) for s in (3, 9, 30)]
    image = np.clip(120 + 22 * sum(layers), 0, 255)
    patch = np.zeros(SIZE[::-1])
    patch[80:130, 140:190] = tint
    image += cv2.GaussianBlur(patch, (0, 0), 4)[..., None] * (-1, -1, 1)
    return np.clip(image, 0, 255).astype(np.uint8)


def drive(messages, start, tints=(0,) * 6, away=0.0, speed=0.1):
    items = [("/info", start, messages.camera_info(start, *SIZE, 230.0))]
    items += [("/odom", start + t, messages.odometry(start + t, (away + speed * t, 0, 0))) for t in np.arange(0, 3.1, 0.1)]
    items += [("/image", start + t, messages.jpeg(start + t, picture(tint))) for t, tint in zip(np.arange(0.25, 2.9, 0.5), tints)]
    return sorted(items, key=lambda item: item[1])


@pytest.fixture
def site(tmp_path, write_bag, messages):
    """The words that calibrate on a map and a second run over it."""
    teach = write_bag(tmp_path / "teach", drive(messages, 100.0))
    assert main(["teach", str(teach), str(tmp_path / "map"), *TOPICS]) == 0
    write_bag(tmp_path / "second", drive(messages, 500.0, TINTS))
    return tmp_path


def calibrate(site, *words, bag="second", **changes):
    options = {"--map": site / "map", "--rate": 3600, "--out": site / "site.yaml", "--json": site / "r.json"} | changes
    return main(["calibrate", str(site / bag), *(str(w) for option in options.items() for w in option), *TOPICS, "--set", "detect.detector=gradient", *map(str, words)])


def test_the_threshold_is_the_smallest_that_does_and_is_read_back(site, capsys):
    assert calibrate(site, "--plot", site / "curve.png") == 0  # one region a second is allowed: 2 in the 2.5 s
    result, shown = json.loads((site / "r.json").read_text()), capsys.readouterr().out
    assert result["frames"] == result["compared"] == 6 and result["hours"] * 3600 == pytest.approx(2.5, abs=0.02)
    assert result["outcome"] == "met" and result["at_threshold"]["regions"] <= 2
    below = [point for point in result["curve"] if point["threshold"] < result["threshold"]]
    assert below and all(point["regions"] > 2 for point in below)
    assert [point["regions"] for point in result["curve"]] == sorted((p["regions"] for p in result["curve"]), reverse=True)
    settings = config.load(site / "site.yaml")
    assert settings.detect.threshold == result["threshold"] != result["was"] == 0.6 and settings.input.image_topic == "/image"
    assert result["alerts"] == result["alerts_before"] == 0 and cv2.imread(str(site / "curve.png")) is not None
    assert f"detect.threshold: {result['threshold']:g} (was 0.6)" in shown and "alerts on this run: 0" in shown
    assert main(["replay", str(site / "second"), "--set", "detect.detector=gradient", "--map", str(site / "map"), "--out", str(site / "o"), "--config", str(site / "site.yaml"),
                 "--json", str(site / "replay.json")]) == 0
    masks = [cv2.imread(str(path), 0) for path in sorted((site / "o" / "masks").glob("*.png"))]
    assert sum(bool(mask.any()) for mask in masks) <= result["at_threshold"]["regions"] and len(masks) == 6  # replay at it shows just those


def test_alerts_on_the_run_are_told_with_their_places(site, monkeypatch, capsys):
    """A run with something new on it gives a threshold that is blind to it: the status stays 0, but nobody misses it."""
    alerts = tuple(Alert(f"A{i:04d}", "active", "anomaly", 0.9, (float(i), 2.5, 0.0), (0.3, 0.3), i, i, 6) for i in range(12))
    for raised, said in ((alerts, "12 alerts were raised on this run, at (0.00, 2.50), "), (alerts[:1], "1 alert was raised on this run, at (0.00, 2.50): if")):
        monkeypatch.setattr(Pipeline, "known_alerts", raised)
        assert calibrate(site, "--no-alerts") == 0
        result, shown = json.loads((site / "r.json").read_text()), capsys.readouterr().out
        assert result["anomaly_free"] is False and result["doubt"].startswith(said) and f"WARNING: {said}" in shown
        assert ("and 2 more places" in shown) == (len(raised) == 12)
        assert [thing["position"] for thing in result["raised"]] == [[a.position[0], 2.5, 0.0] for a in raised]
        assert f"# WARNING: {said}"[:40] in (site / "site.yaml").read_text() and config.load(site / "site.yaml")
    monkeypatch.setattr(Pipeline, "known_alerts", ())
    assert calibrate(site, "--no-alerts") == 0 and "WARNING" not in capsys.readouterr().out
    assert json.loads((site / "r.json").read_text())["anomaly_free"] is True


def test_a_run_that_is_too_short_says_what_it_can_tell(site, capsys):
    assert calibrate(site, "--no-alerts", **{"--rate": 5}) == 0
    result = json.loads((site / "r.json").read_text())
    assert result["outcome"] == "too short" and result["alerts"] is None
    highest = max(alarm["score"] for alarm in result["worst"])
    assert highest < result["threshold"] <= 1 and result["at_threshold"]["regions"] == 0
    assert "cannot tell rates under 1440 an hour" in capsys.readouterr().out


def test_a_rate_that_the_floor_meets_says_so(site, capsys):
    assert calibrate(site, "--no-alerts", "--floor", 0.4, "--per", "km", **{"--rate": 1e6}) == 0
    assert json.loads((site / "r.json").read_text())["outcome"] == "floor" and config.load(site / "site.yaml").detect.threshold == 0.4
    assert "even the floor of 0.4" in capsys.readouterr().out


def test_sections_of_a_given_file_are_kept(site):
    given = site / "given.yaml"
    given.write_text("/**:\n  ros__parameters:\n    map: here\n    alerts:\n      sightings: 3\n")
    assert calibrate(site, "--no-alerts", "--config", given, **{"--out": given}) == 0  # in place
    assert config.load(given).alerts.sightings == 3 and "map: here" in given.read_text()


@pytest.mark.parametrize("bag, words, changes, said", [
    ("none", [], {}, "none"),
    ("file", [], {}, "file"),
    ("empty", [], {}, "empty"),
    ("far", [], {}, "none of the 6 frames"),
    ("second", ["--set", "input.max_image_mpx=0.01"], {}, "no frame of"),
    ("still", ["--per", "km"], {}, "use --per hour"),
    ("teach", [], {}, "second run"),
    ("second", [], {"--map": "none"}, "none"),
    ("second", [], {"--map": "second"}, "map"),
    ("second", [], {"--rate": 0}, "--rate 0"),
    ("second", [], {"--rate": -1}, "--rate -1"),
    ("second", [], {"--rate": "nan"}, "--rate nan"),
    ("second", [], {"--rate": "inf"}, "--rate inf"),
    ("second", ["--floor", 0.1], {}, "outside 0.15"),
    ("second", ["--floor", "nan"], {}, "outside 0.15"),
    ("second", ["--floor", 1.5], {}, "outside 0.15"),
    ("second", [], {"--out": "none/site.yaml"}, "--out"),
    ("second", [], {"--out": ""}, "--out"),
    ("second", [], {"--out": "site.txt"}, ".yaml"),
    ("second", ["--plot", "curve.gif"], {}, ".png"),
    ("second", ["--plot", "none/curve.png"], {}, "--plot"),
    ("second", ["--set", "detect.threshold=7"], {}, "detect.threshold"),
    ("second", ["--config", "none.yaml"], {}, "none.yaml"),
])
def test_bad_input_is_one_line_and_status_2(site, write_bag, messages, monkeypatch, capsys, bag, words, changes, said):
    monkeypatch.chdir(site)
    (site / "file").write_text("x")
    (site / "empty").mkdir()
    if bag in ("far", "still"):
        write_bag(site / bag, drive(messages, 500.0, away=50.0 if bag == "far" else 0.0, speed=0.0))
    capsys.readouterr()
    assert calibrate(site, *words, bag=bag, **changes) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("umad-patrol")]
    assert len(lines) == 1 and said in lines[0], lines
    assert not (site / "site.yaml").exists()


def test_no_threshold_is_a_result_without_a_file(site, monkeypatch, capsys):
    monkeypatch.setattr("umad_patrol.evaluate.calibrate.smallest_threshold", lambda scores, allowed, floor: None)
    assert calibrate(site) == 1
    assert not (site / "site.yaml").exists() and "was the run free of anomalies" in capsys.readouterr().out
    assert json.loads((site / "r.json").read_text())["outcome"] == "none"


def test_a_damaged_recording_is_refused(site, capsys):
    mcap, = (site / "second").glob("*.mcap")
    mcap.write_bytes(mcap.read_bytes()[:3000])
    capsys.readouterr()
    assert calibrate(site) == 2
    assert len([line for line in capsys.readouterr().err.splitlines() if line.startswith("umad-patrol")]) == 1
    shutil.rmtree(site / "second")

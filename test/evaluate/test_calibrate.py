"""The threshold search, what a run adds up to, and the settings file: pure functions against plain counting."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol import config
from umad_patrol.config import Settings, with_values
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ConfigError
from umad_patrol.evaluate.calibrate import FLOOR, MET, NONE, SHORT, Alarm, Gatherer, Run, choose, curve, smallest_threshold, worst
from umad_patrol.evaluate.calibrate_plot import draw_curve
from umad_patrol.evaluate.exposure import Exposure
from umad_patrol.evaluate.site_settings import site_tree, write_settings
from umad_patrol.records import Camera, Frame, Reference, Result, ScoreMap

SCORES = st.lists(st.one_of(st.floats(0, 1, width=32), st.integers(0, 1000).map(lambda k: float(np.float32(k / 1000)))), max_size=30)


def reaching(scores, threshold):
    return int((np.array(scores, np.float32) >= np.float32(threshold)).sum())


@given(SCORES, st.integers(0, 30), st.sampled_from([0.0, 0.15, 0.5, 0.999]))
def test_the_threshold_found_does_and_none_below_it_does(scores, allowed, floor):
    found = smallest_threshold(scores, allowed, floor)
    good = [t for t in (floor, *(round(k / 10000, 4) for k in range(10001) if k / 10000 >= floor)) if reaching(scores, t) <= allowed]
    assert found == (min(good) if good else None)


def run_of(*scores, hours=1.0, km=2.0):
    return Run(tuple(Alarm(i, score, 50, (0, 0, 9, 9)) for i, score in enumerate(scores)), 100, 90, hours, km)


def test_the_choice_says_why():
    scores = (0.2, 0.4, 0.6, 0.8)
    met = choose(run_of(*scores), 1, "hour", 0.15)
    assert (met.threshold, met.outcome) == (0.6001, MET) and "1 regions in 60 min" in met.says
    assert choose(run_of(*scores), 1, "km", 0.15).threshold == 0.4001  # two in 2 km
    floor = choose(run_of(*scores), 4, "hour", 0.15)
    assert (floor.threshold, floor.outcome) == (0.15, FLOOR) and "even the floor" in floor.says
    short = choose(run_of(*scores, hours=0.2), 4, "hour", 0.15)
    assert short.outcome == SHORT and short.threshold == pytest.approx(6 / 7, abs=0.0002)  # odds of 4 to 1 become 6 to 1
    assert "12 min cannot tell rates under 5 an hour" in short.says and "(0.8)" in short.says
    assert choose(run_of(*scores, km=0.1), 4, "km", 0.15).says.startswith("0.1 km cannot tell rates under 10 a km")
    silent = choose(run_of(hours=0.2), 4, "hour", 0.15)
    assert (silent.threshold, silent.outcome) == (0.15, FLOOR) and "cannot tell rates under 5" in silent.says
    none = choose(run_of(0.3, 1.0, 1.0), 1, "hour", 0.15)
    assert (none.threshold, none.outcome) == (None, NONE) and "2 regions score 1" in none.says
    assert choose(run_of(0.3, 1.0, 1.0), 2, "hour", 0.15).threshold == 0.3001
    assert choose(run_of(0.99, hours=0.1), 1, "hour", 0.15).threshold == pytest.approx(0.9933, abs=0.0002)
    assert choose(run_of(0.99999, hours=0.1), 1, "hour", 0.15).threshold == 1.0


@given(SCORES, st.floats(0.01, 100), st.sampled_from(["hour", "km"]), st.floats(0.01, 50), st.floats(0.01, 50))
def test_no_choice_gives_more_than_was_asked(scores, rate, per, hours, km):
    run = run_of(*[max(0.15, score) for score in scores], hours=hours, km=km)
    choice = choose(run, rate, per, 0.15)
    assert "\n" not in choice.says
    if choice.threshold is not None:
        assert 0.15 <= choice.threshold <= 1 and run.count(choice.threshold) <= rate * run.length(per) + 1e-6
    else:
        assert run.count(1.0) > rate * run.length(per) - 1e-6


def test_the_curve_falls_from_the_floor_to_one():
    points = curve(run_of(0.2, 0.4, 0.4, 0.9), 0.15)
    assert [p["threshold"] for p in points[:3]] == [0.15, 0.16, 0.17] and points[-1]["threshold"] == 1.0 and len(points) == 86
    assert [p["regions"] for p in points if p["threshold"] in (0.2, 0.21, 0.4, 0.41, 0.9, 0.91)] == [4, 3, 3, 1, 1, 0]
    assert points[0]["per_hour"] == 4.0 and points[0]["per_km"] == 2.0
    assert run_of(0.5, km=0.0).at(0.2)["per_km"] is None
    assert [p["threshold"] for p in curve(run_of(), 0.333)[:2]] == [0.333, 0.34] and [a.score for a in worst(run_of(0.2, 0.9, 0.4), 2)] == [0.9, 0.4]


def frame(stamp_s, image=None, x=0.0):
    pose = np.eye(4)
    pose[0, 3] = x
    return Frame(int(stamp_s * 1e9), np.zeros((60, 80, 3), np.uint8) if image is None else image, Camera(80, 60, np.eye(3)), pose)


def result_of(scores, stamp_s=1.0, classes=("anomaly",), reference_s=0.0, image=None):
    """`scores` `(C, H, W)`."""
    picture = frame(stamp_s, image)
    reference = Reference(0, "run", int(reference_s * 1e9), picture.image, picture.camera, np.eye(4))
    score_map = ScoreMap(classes, torch.from_numpy(np.asarray(scores, np.float32))[None], torch.ones((1, 1, *scores.shape[1:]), dtype=torch.bool))
    return Result(picture, "compared", "", np.zeros(scores.shape[1:], np.uint8), reference=reference, score_map=score_map)


@pytest.mark.parametrize("seed", range(6))
def test_regions_at_any_threshold_are_those_of_the_floor_that_reach_it(seed):
    rng = np.random.default_rng(seed)
    scores = np.clip(cv2.GaussianBlur(rng.normal(0.2, 1.5, (60, 80)), (0, 0), 2.5) + rng.normal(0, 0.02, (60, 80)), 0, 1)[None]
    settings = with_values(Settings(), {"detect.min_area_px": 5, "detect.close_px": 4, "detect.trim_px": 1, "detect.low_threshold": 0.15}).detect
    gatherer = Gatherer(settings, settings.low_threshold)
    gatherer.add(result_of(scores))
    run, exact = gatherer.run(), [alarm.score for alarm in gatherer.run().alarms][:4]
    assert run.alarms
    for threshold in (0.15, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0, *exact):
        at = find_regions(result_of(scores).score_map, dataclasses.replace(settings, threshold=threshold))[1]
        assert run.count(threshold) == len(at), threshold


def test_only_anomalies_are_alarms():
    scores = np.zeros((3, 60, 80))
    scores[0, 10:30, 10:30], scores[1, 35:55, 10:30], scores[2, 35:55, 40:60] = 0.7, 0.9, 0.8
    gatherer = Gatherer(Settings().detect, 0.15)
    gatherer.add(result_of(scores, classes=("anomaly", "dynamic", "changed")))
    alarm, = gatherer.run().alarms
    assert alarm.score == pytest.approx(0.7, abs=1e-6) and alarm.stamp_ns == 10**9 and alarm.box == (10, 10, 20, 20)


def test_a_run_that_the_map_was_taught_from_is_refused(rng):
    image = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    gatherer = Gatherer(Settings().detect, 0.15)
    gatherer.add(result_of(np.zeros((1, 60, 80)), 1.0, reference_s=2.0, image=image))
    with pytest.raises(ConfigError, match="second run"):
        gatherer.add(result_of(np.zeros((1, 60, 80)), 2.0, reference_s=2.0, image=image))


def test_time_and_way_are_those_compared():
    exposure = Exposure()
    for i in range(101):  # 10 s at 1 m/s; the second half is not compared
        exposure.add(int(i * 1e8), np.array([i * 0.1 + 1e-6 * i, 0, 0]), i <= 50)
    assert exposure.hours * 3600 == pytest.approx(5.0) and exposure.km * 1000 == pytest.approx(5.0, abs=0.26)
    exposure.add(int(60e9), np.array([50.0, 0, 0]), True)       # a break
    exposure.add(int(61e9), np.array([50.5, 0, 0]), True)
    exposure.add(int(20e9), np.array([0.0, 0, 0]), True)        # the clock jumped back
    exposure.add(int(20.5e9), np.array([300.0, 0, 0]), True)    # so did the localization
    assert exposure.hours * 3600 == pytest.approx(6.5) and exposure.km * 1000 == pytest.approx(5.5, abs=0.26)


def test_noise_at_rest_is_no_way(rng):
    exposure = Exposure()
    for i in range(300):
        exposure.add(int(i * 1e8), rng.normal(0, 0.03, 3), True)
    assert exposure.km == 0 and exposure.hours * 3600 == pytest.approx(29.9)


PLAIN = "align:\n  theta_m: 0.1\ndetect:\n  threshold: 1\n  min_area_px: 50\n"
ROS = ("/patrol_node:\n  ros__parameters:\n    map: /site/map\n    autostart: false\n    detect:\n      threshold: 0.7\n    detect.gradient:\n      noise: 0.01\n"
       "/teach_node:\n  ros__parameters:\n    map: other\n")


def test_settings_of_a_site_are_read_back(tmp_path):
    settings = with_values(Settings(), {"detect.threshold": 0.432})
    write_settings(tmp_path / "site.yaml", site_tree(settings, ["detect.threshold"]), ["why"])
    assert config.load(tmp_path / "site.yaml") == settings and (tmp_path / "site.yaml").read_text().startswith("# why\n/**:\n  ros__parameters:\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "site.yaml"]


@pytest.mark.parametrize("text", [PLAIN, ROS])
def test_what_a_file_says_is_kept(tmp_path, text):
    (tmp_path / "given.yaml").write_text(text)
    settings = with_values(config.load(tmp_path / "given.yaml"), {"detect.threshold": 0.5, "input.body_t_camera": "0 0 0 0 0 0 1"})
    tree = site_tree(settings, ["input.body_t_camera", "detect.threshold"], tmp_path / "given.yaml")
    write_settings(tmp_path / "given.yaml", tree)
    assert config.load(tmp_path / "given.yaml") == settings
    written = yaml.safe_load((tmp_path / "given.yaml").read_text())
    if text is ROS:
        own = written["/patrol_node"]["ros__parameters"]
        assert own["map"] == "/site/map" and own["autostart"] is False and written["/teach_node"] == yaml.safe_load(ROS)["/teach_node"]
        assert own["detect"] == {"threshold": 0.5, "gradient": {"noise": 0.01}}
    else:  # of the types that ROS wants
        assert written["/**"]["ros__parameters"]["detect"] == {"threshold": 0.5, "min_area_px": 50}
        assert all(isinstance(v, float) for v in written["/**"]["ros__parameters"]["input"]["body_t_camera"])


def test_the_shipped_parameters_pass_through(tmp_path):
    shipped = Path(__file__).parents[2] / "config/patrol.yaml"
    write_settings(tmp_path / "site.yaml", site_tree(with_values(config.load(shipped), {"detect.threshold": 0.3}), ["detect.threshold"], shipped))
    before, after = (yaml.safe_load(path.read_text())["/**"]["ros__parameters"] for path in (shipped, tmp_path / "site.yaml"))
    assert after["detect"]["threshold"] == 0.3 and after["output"] == before["output"] and after["alerts"] == before["alerts"]
    assert config.load(tmp_path / "site.yaml") == with_values(Settings(), {"detect.threshold": 0.3})


def test_settings_that_cannot_be_written_or_read_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        write_settings(tmp_path / "none" / "site.yaml", {})
    (tmp_path / "bad.yaml").write_text("detect: [")
    with pytest.raises(ConfigError, match="bad.yaml"):
        site_tree(Settings(), [], tmp_path / "bad.yaml")


@pytest.mark.parametrize("scores, threshold", [((), 0.15), ((0.2, 0.5, 0.9), 0.501), ((1.0, 1.0), None)])
def test_the_plot_shows_curve_and_choice(scores, threshold):
    run = run_of(*scores)
    result = {"per": "hour", "asked_rate": 1.0, "finest_rate": 1.0, "curve": curve(run, 0.15), "was": 0.6, "threshold": threshold}
    drawn = draw_curve(result)
    assert drawn.ndim == 3 and drawn.dtype == np.uint8 and (drawn != 255).any()

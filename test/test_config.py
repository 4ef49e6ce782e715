"""Settings: one source, strict values, the same names everywhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umad_patrol import config
from umad_patrol.errors import ConfigError


def test_every_setting_says_what_it_is():
    for info in config.describe():
        assert info.text and info.kind in (bool, int, float, str, tuple), info.name
        if info.kind in (int, float):
            assert info.low is not None and info.high is not None and info.low <= info.default <= info.high, info.name
        if info.choices:
            assert info.default in info.choices, info.name


def test_values_round_trip_through_changes():
    settings = config.Settings()
    assert config.with_values(settings, config.values(settings)) == settings


@given(st.floats(0.0, 1.0))
def test_a_change_is_taken_and_leaves_the_rest(theta):
    changed = config.with_values(config.Settings(), {"align.theta_m": theta})
    assert changed.align.theta_m == theta
    assert config.values(changed) | {"align.theta_m": 0.03} == config.values(config.Settings())


def test_text_becomes_the_type_of_the_setting():
    changed = config.with_values(config.Settings(), {"align.features": "800", "input.body_t_camera": "1, 2 3 0 0 0 1"})
    assert changed.align.features == 800
    assert changed.input.body_t_camera == (1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0)
    assert config.with_values(changed, {"input.body_t_camera": "[1, 2, 3, 0, 0, 0, 1]"}) == changed   # as YAML has it


@pytest.mark.parametrize(("name", "value", "says"), [
    ("align.tetha_m", 1, "did you mean 'align.theta_m'"),
    ("colour.of_the_sky", 1, "`umad-patrol settings` lists them all"),
    ("retrieve.theta_m", 1, "align.theta_m"),
    ("align.theta_m", 9.0, "outside 0.0 to 1.0 m"),
    ("align.theta_m", math.nan, "not finite"),
    ("align.theta_m", "near", "is not a number"),
    ("align.theta_m", True, "is not a number"),
    ("align.features", 10.5, "is not a whole number"),
    ("align.features", math.inf, "is not a whole number"),
    ("device", "tpu", "none of auto, cpu, cuda"),
    ("alerts.use_cloud", "no", "is not true or false"),
    ("input.body_t_camera", "a b", "list of numbers, such as 1 2 3"),
    ("input.body_t_camera", [1.0, math.nan], "not finite"),
    ("input.body_t_camera", "1e300 0 0 0 0 0 1", r"\(1e\+300, .* outside -100.0 to 100.0"),
    ("input.body_t_lidar", "0 0 -101 0 0 0 1", "outside"),
])
def test_nonsense_is_refused_with_its_value(name, value, says):
    with pytest.raises(ConfigError, match=says) as caught:
        config.with_values(config.Settings(), {name: value})
    assert "\n" not in str(caught.value)


def test_files_hold_sections_or_ros_parameters(tmp_path):
    plain, ros, robot = tmp_path / "plain.yaml", tmp_path / "ros.yaml", tmp_path / "robot.yaml"
    plain.write_text("align:\n  theta_m: 0.1\n")
    robot.write_text("amcl: {ros__parameters: {alpha1: 0.2, device: /dev/null}}\n/patrol_node: {ros__parameters: {align.theta_m: 0.1}}\n")
    ros.write_text("/**:\n  ros__parameters:\n    map: somewhere\n    align:\n      theta_m: 0.1\n")
    assert config.load(plain) == config.load(ros) == config.load(robot) == config.with_values(config.Settings(), {"align.theta_m": 0.1})


@pytest.mark.parametrize("text", ["input:\nalign:\n  theta_m: 0.1\ndetect:\n  gradient:\n", "/**: {ros__parameters: {input: , align: {theta_m: 0.1}}}"])
def test_a_section_with_nothing_in_it_says_nothing(tmp_path, text):
    (tmp_path / "some.yaml").write_text(text)
    assert config.load(tmp_path / "some.yaml") == config.with_values(config.Settings(), {"align.theta_m": 0.1})


def test_what_a_node_dumps_as_not_set_is_not_set(tmp_path):
    (tmp_path / "dump.yaml").write_text("/patrol_node:\n  ros__parameters:\n    input:\n      body_t_lidar: null\n")
    assert config.load(tmp_path / "dump.yaml") == config.Settings()


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "align: [", "align:\n  unknown: 1\n", "\x00"])
def test_bad_files_are_refused(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError):
        config.load(tmp_path / "bad.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="gone.yaml"):
        config.load(tmp_path / "gone.yaml")


@pytest.mark.parametrize("name, says", [("none.yaml", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named_once(tmp_path, name, says):
    path = tmp_path / name
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert str(caught.value) == f"settings {str(path)!r} cannot be used: {says}"


def test_set_needs_a_value():
    assert config.parse_changes(["a.b=c=d"]) == {"a.b": "c=d"}
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        config.parse_changes(["align.theta_m"])


@pytest.mark.parametrize("text, says", [
    ("align: {theta_m: 0.1, theta_m: 0.2}", "theta_m stands there twice"), ("align: {theta_m: 0.1}\nalign.theta_m: 0.2", "align.theta_m stands there twice"),
    ("/**: {ros__parameters: {detect: {threshhold: 0.9}, map: somewhere}}", "unknown setting 'detect.threshhold'"),
    ("/**: {ros__parameters: {align: {levels: 3}}}\npatrol_node: {ros__parameters: {alerts.sightings: 3}}", "several nodes, /**, patrol_node"),
    ("teach: {run: 12:30}", "teach.run = 750 is not text; write it in quotes"), ("input: {cloud_topic: no}", "input.cloud_topic = False is not text"),
    ("align: {theta_m: 9}", "outside"), ("a: 2020-13-45", "month"), ('a: !!int "x"', "x"), ("a: " + "[" * 3000, "recursion"), ("a: &a {b: *a}", "recursion"),
])
def test_what_is_wrong_in_a_file_is_said_with_its_name(tmp_path, text, says):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match="bad.yaml") as caught:
        config.load(tmp_path / "bad.yaml")
    assert says in str(caught.value) and "\n" not in str(caught.value)

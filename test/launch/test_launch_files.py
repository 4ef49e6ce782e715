"""The launch files, launched: nodes start with what the arguments say, end cleanly, and leave what they should."""

import time
from ctypes.util import find_library
from shutil import which

import pytest
import yaml

launch = pytest.importorskip("launch", reason="launch is not on PyPI: these tests run where ROS 2 is sourced")
pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI: these tests run where ROS 2 is sourced")

from launch.actions import EmitEvent, IncludeLaunchDescription, RegisterEventHandler  # noqa: E402
from launch.event_handlers import OnProcessExit, OnProcessIO  # noqa: E402
from launch.events import Shutdown  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

TOO_LONG_S = 11  # launch kills 10 s after SIGINT what it was not told to wait for
EXTRINSICS = "0 0 0.7 -0.5 0.5 -0.5 0.5"


def run(folder, name, arguments, ready=None, then=()):
    """Launch a file; when a line with `ready` is printed do `then`, else shut down. Returns launch's status, exit codes and all text."""
    launch.logging.reset()  # else it writes where the first test had it write
    codes, text = {}, []
    done = []

    def on_text(event):
        text.append(event.text.decode(errors="replace"))
        if ready is not None and not done and ready in text[-1]:
            done.append(True)
            return list(then) or [EmitEvent(event=Shutdown(reason="seen"))]
        return None

    def on_exit(event, context):
        codes[event.process_name.rsplit("-", 1)[0]] = event.returncode

    service = launch.LaunchService(noninteractive=True)
    service.include_launch_description(launch.LaunchDescription([
        RegisterEventHandler(OnProcessIO(on_stdout=on_text, on_stderr=on_text)),
        RegisterEventHandler(OnProcessExit(on_exit=on_exit)),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(folder / name)), launch_arguments=arguments.items()),
    ]))
    return service.run(), codes, "".join(text)


def teaching(bag):
    """Play a recording, then shut down."""
    from launch_ros.actions import Node

    player = Node(package="umad_patrol", executable="bag_player", output="screen",
                  arguments=[str(bag), "--wait-for-subscribers", "--rate", "2", "--topics", "/image/compressed", "/info", "/odom"])
    return player, RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[EmitEvent(event=Shutdown(reason="played"))]))


INPUTS = {"image": "/image", "camera_info": "/info", "localization": "/odom", "body_t_camera": EXTRINSICS}


def test_teach_then_replay(tmp_path, installed, bag):
    status, codes, text = run(installed, "teach.launch.py", {**INPUTS, "map": str(tmp_path / "map"), "run": "noon", "namespace": "robot1"},
                              ready="ready:", then=teaching(bag))
    assert status == 0 and codes["teach_node"] == 0, text
    assert "run 'noon'" in text and (tmp_path / "map").is_dir()

    status, codes, text = run(installed, "replay.launch.py", {**INPUTS, "image": "/image/compressed", "map": str(tmp_path / "map"),
                                                              "output": str(tmp_path / "out"), "bag": str(bag), "rate": "2", "namespace": "robot1"})
    assert status == 0 and codes == {"patrol_node": 0, "bag_player": 0}, text
    assert "listening to /image/compressed, /info, /odom" in text and "/tf_static" in text
    assert "played to the end" in text and "robot1.patrol_node" in text and (tmp_path / "out").is_dir()


def test_patrol_takes_its_arguments_over_the_file(tmp_path, installed):
    status, codes, text = run(installed, "patrol.launch.py", {**INPUTS, "map": str(tmp_path / "none"), "image_transport": "raw"}, ready="cannot configure")
    assert status == 0 and codes["patrol_node"] == 0, text
    assert f"there is no map at '{tmp_path / 'none'}'" in text


def test_what_no_argument_says_the_file_says(tmp_path, installed, bag, capfd):
    said = {"image_transport": "raw", "localization_type": "pose", "output": str(tmp_path / "kept"), "map": "/nowhere"}
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": said | {"image_transport": "compressed"}}, "teach_node": {"ros__parameters": {"image_transport": "x"}},
                                    "patrol_node": {"ros__parameters": {"image_transport": "raw"}}}))
    run(installed, "teach.launch.py", {**INPUTS, "map": str(tmp_path / "map")}, ready="ready:", then=teaching(bag))
    given = {**INPUTS, "map": str(tmp_path / "map"), "params_file": str(file)}
    status, codes, text = run(installed, "patrol.launch.py", given, ready="ready:")
    assert status == 0 and codes == {"patrol_node": 0} and "listening to /image, /info, /odom" in text and (tmp_path / "kept").is_dir(), text
    status, codes, text = run(installed, "patrol.launch.py", {**given, "image_transport": "compressed", "output": str(tmp_path / "given")}, ready="ready:")
    assert "listening to /image/compressed, /info, /odom" in text and (tmp_path / "given").is_dir(), text
    status, codes, text = run(installed, "replay.launch.py", {**given, "bag": str(bag)})
    assert "has no topic '/image'" in capfd.readouterr().out and status != 0
    for relative, says in (({"namespace": "robot1"}, "has no topic '/robot1/info'"), ({"namespace": ""}, "listening to /image/compressed, /info, /odom")):
        names = {"image": "/image/compressed", "camera_info": "info", "localization": "odom", "image_transport": "compressed", "localization_type": "odometry"}
        status, codes, text = run(installed, "replay.launch.py", {**given, **names, **relative, "bag": str(bag), "output": str(tmp_path / "o")})
        assert says in text + capfd.readouterr().out and (status == 0) == (not relative["namespace"]), text


@pytest.mark.parametrize("wrong, says", [
    ({"map": "/nowhere"}, "map '/nowhere' is no map"), ({"bag": "/nowhere"}, "there is no recording at /nowhere"), ({"rate": "abc"}, "rate 'abc' is no number"),
    ({"rate": "nan"}, "rate = nan is outside 0.01 to 100"), ({"localization": "/wrong"}, "has no topic '/wrong'; it has /image/compressed")])
def test_a_replay_that_cannot_begin_is_refused_before_anything_starts(tmp_path, installed, bag, capfd, wrong, says):
    (tmp_path / "map").mkdir()
    (tmp_path / "map/map.yaml").touch()
    for node in (installed.parents[2] / "lib/umad_patrol").iterdir():
        node.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    status, codes, _ = run(installed, "replay.launch.py", {**INPUTS, "bag": str(bag), "map": str(tmp_path / "map"), **wrong})
    said = capfd.readouterr().out
    assert status != 0 and not codes and said.count(says) == 1 and "process started" not in said and "Traceback" not in said, said
    time.sleep(0.5)     # launch may leave behind what it was just about to start
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("own", ["FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", ""])
def test_a_sites_own_profile_of_fast_dds_stays(tmp_path, installed, monkeypatch, own):
    node = installed.parents[2] / "lib/umad_patrol/patrol_node"
    node.write_text(f"#!/bin/sh\nenv > {tmp_path / 'environment'}\n")
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv(own, "/etc/site.xml")

    def profiles(**arguments):
        run(installed, "patrol.launch.py", {**INPUTS, "map": "m", **arguments})
        return sorted(line.partition("=")[2] for line in (tmp_path / "environment").read_text().splitlines() if "_DEFAULT_PROFILES_FILE=" in line)

    shipped = str(installed.parent / "config/fastdds.xml")
    assert profiles() == (["/etc/site.xml"] if own else [shipped, shipped])
    assert profiles(fastdds_profile="/mine.xml") == ["/mine.xml", "/mine.xml"]


def test_who_teaches_has_time_to_write_the_map(tmp_path, installed):
    node = installed.parents[2] / "lib/umad_patrol/teach_node"
    node.write_text(f"#!/bin/sh\ntrap '' INT TERM\necho ready:\nfor i in $(seq {TOO_LONG_S}); do sleep 1; done\necho written > {tmp_path / 'map'}\n")
    status, codes, text = run(installed, "teach.launch.py", {**INPUTS, "map": "m"}, ready="ready:")
    assert status == 0 and codes == {"teach_node": 0} and (tmp_path / "map").exists(), text


@pytest.mark.skipif(find_library("jemalloc") is None, reason="jemalloc is not installed")
@pytest.mark.parametrize("allocator", ["jemalloc", "system"])
def test_a_node_has_its_memory_from_where_it_is_told(installed, tmp_path, allocator):
    maps = tmp_path / "maps"
    node = installed.parents[2] / "lib/umad_patrol/patrol_node"
    node.write_text(f"#!/bin/sh\nexec cp /proc/self/maps {maps}\n")
    status, codes, text = run(installed, "patrol.launch.py", {**INPUTS, "map": "none", "allocator": allocator})
    assert status == 0 and codes == {"patrol_node": 0}, text
    assert ("libjemalloc" in maps.read_text()) == (allocator == "jemalloc")


@pytest.mark.parametrize("there", [False, True])
def test_rviz_is_started_where_it_is_installed_and_else_the_patrol_goes_on(installed, there, capfd):
    prefix = installed.parents[2]
    if there:
        (prefix / "share/ament_index/resource_index/packages/rviz2").touch()
        (prefix / "lib/rviz2").mkdir()
        (prefix / "lib/rviz2/rviz2").write_text("#!/bin/sh\necho rviz was given $*\n")
        (prefix / "lib/rviz2/rviz2").chmod(0o755)
    elif which("rviz2"):
        pytest.skip("rviz2 is installed")
    (prefix / "lib/umad_patrol/patrol_node").write_text("#!/bin/sh\nsleep 1\n")
    status, codes, text = run(installed, "patrol.launch.py", {**INPUTS, "map": "m", "rviz": "true"})
    assert status == 0 and codes == {"patrol_node": 0, **({"rviz2": 0} if there else {})}, text
    assert ("rviz was given -d" in text) == there and capfd.readouterr().out.count("rviz2 is not installed") == (not there)


@pytest.mark.parametrize("name", ["patrol", "teach", "replay"])
def test_a_parameter_file_that_is_not_there_is_refused(installed, bag, tmp_path, capfd, name):
    (tmp_path / "map").mkdir()
    (tmp_path / "map/map.yaml").touch()
    for node in (installed.parents[2] / "lib/umad_patrol").iterdir():
        node.write_text("#!/bin/sh\n")     # whatever is launched ends
    for file in (tmp_path / "none.yaml", tmp_path):
        arguments = {**INPUTS, "map": str(tmp_path / "map"), "params_file": str(file), **({"bag": str(bag)} if name == "replay" else {})}
        status, codes, _ = run(installed, f"{name}.launch.py", arguments)
        said = capfd.readouterr().out
        assert status != 0 and not codes and said.count(f"params_file '{file}' is no file") == 1 and "Traceback" not in said, said


def test_bad_arguments_are_refused(installed, tmp_path):
    for arguments in ({}, {"map": "m", "image_transport": "smoke"}, {"map": "m", "allocator": "mine"}, {"map": "m", "body_t_camera": "here"}):
        status, codes, _ = run(installed, "patrol.launch.py", arguments)
        assert status != 0 and not codes


@pytest.mark.parametrize("name", ["patrol", "teach", "replay"])
def test_every_argument_says_what_it_is_for(installed, name):
    source = PythonLaunchDescriptionSource(str(installed / f"{name}.launch.py"))
    for argument in source.get_launch_description(launch.LaunchContext()).get_launch_arguments():
        assert argument.description and "no description given" not in argument.description, argument.name

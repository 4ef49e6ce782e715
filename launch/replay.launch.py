"""Patrol over a recording through the real node: `ros2 launch umad_patrol replay.launch.py bag:=BAG map:=MAP output:=OUT`.

Plays the images, calibration, poses and fixed transforms of the recording with /clock, and ends when it is played.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from umad_patrol.ros import launching
from umad_patrol.ros.bag_player import check_playable


def generate_launch_description() -> LaunchDescription:
    """patrol.launch.py on the time of the recording, and the bag player."""
    patrol = PythonLaunchDescriptionSource(launching.share("launch", "patrol.launch.py"))
    return LaunchDescription([
        DeclareLaunchArgument("bag", description="rosbag2 folder, or an .mcap or .db3 file"),
        DeclareLaunchArgument("rate", default_value="1.0", description="how many times as fast as recorded"),
        *(argument for argument in launching.arguments("patrol") if argument.name != "use_sim_time"),
        OpaqueFunction(function=_check),    # first of all: a node that launch is about to start when something is refused is left running
        IncludeLaunchDescription(patrol, launch_arguments={"map": LaunchConfiguration("map"), "use_sim_time": "true"}.items()),
        OpaqueFunction(function=_player),
    ])


def _check(context) -> None:
    bag, path, rate = (LaunchConfiguration(name).perform(context) for name in ("bag", "map", "rate"))
    if not (Path(path).expanduser() / "map.yaml").is_file():     # the node would wait for it, and the player for the node
        raise RuntimeError(f"map {path!r} is no map; umad-patrol teach makes one")
    check_playable(bag, rate, launching.recorded(context)[0])


def _player(context) -> list:
    topics, optional = launching.recorded(context)
    player = Node(package=launching.PACKAGE, executable="bag_player", output="screen",
                  arguments=[LaunchConfiguration("bag"), "--rate", LaunchConfiguration("rate"), "--wait-for-subscribers", "--topics", *topics, "--optional-topics", *optional])
    return [player, RegisterEventHandler(OnProcessExit(target_action=player, on_exit=_played))]


def _played(event: ProcessExited, context) -> list:
    if event.returncode:
        raise RuntimeError(f"the recording was not played: bag_player ended with status {event.returncode}, and says why above")
    return [EmitEvent(event=Shutdown(reason="played to the end"))]

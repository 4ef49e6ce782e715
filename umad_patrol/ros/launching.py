"""What the launch files share. Imported by them alone: `launch` is not on PyPI."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.condition import Condition
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration, SubstitutionFailure
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from umad_patrol.errors import BAD_YAML, ConfigError
from umad_patrol.io.memory import jemalloc_in
from umad_patrol.ros.parameter_files import PATROL

PACKAGE = "umad_patrol"
RESPAWN_S = 2.0
ENDS_WITHIN_S = 15.0    # after SIGTERM, which launch sends 5 s after SIGINT
COMPRESSED = "/compressed"
_FILE_SAYS = "as params_file says"
_DEFAULTS = {info.name: info.default for info in PATROL}
_CHOICES = {info.name: list(info.choices) for info in PATROL if info.choices}


def share(*parts: str) -> str:
    """A file of this package as it is installed."""
    return str(Path(get_package_share_directory(PACKAGE), *parts))


def arguments(node: str) -> list[Action]:
    """The arguments of `patrol` and `teach` alike."""
    return [
        DeclareLaunchArgument("map", description="folder of the reference map" if node == "patrol" else "folder that the map is written to"),
        DeclareLaunchArgument("params_file", default_value=share("config", f"{node}.yaml"), description="parameters as YAML, for /**"),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
        DeclareLaunchArgument("image", default_value="/camera/color/image_raw",
                              description="image topic, with /compressed at its end or without"),
        DeclareLaunchArgument("image_transport", default_value="", choices=["", *_CHOICES["image_transport"]],
                              description=f"kind of image topic; empty: {_FILE_SAYS}"),
        DeclareLaunchArgument("camera_info", default_value="/camera/color/camera_info", description="calibration topic"),
        DeclareLaunchArgument("localization", default_value="/localization", description="pose topic"),
        DeclareLaunchArgument("localization_type", default_value="", choices=["", *_CHOICES["localization_type"]],
                              description=f"kind of pose topic; empty: {_FILE_SAYS}"),
        DeclareLaunchArgument("body_t_camera", default_value="",
                              description=f"'x y z qx qy qz qw' of the camera in the body; empty: {_FILE_SAYS}, else from /tf_static"),
        DeclareLaunchArgument("use_sim_time", default_value="false", choices=["true", "false"], description=f"take the time from /clock; false: {_FILE_SAYS}"),
        DeclareLaunchArgument("respawn", default_value="false", choices=["true", "false"], description="start the node again 2 s after it ended, however it ended"),
        DeclareLaunchArgument("allocator", default_value="jemalloc", choices=["jemalloc", "system"],
                              description="where the node has its memory from: jemalloc, where it is installed, holds less"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error"),
        DeclareLaunchArgument("fastdds_profile", default_value=share("config", "fastdds.xml"),
                              description="Fast DDS profile with shared memory for large images; empty: none"),
    ]


def fast_dds() -> Action:
    """Fast DDS' profile in the environment of what is launched afterwards, under its old and its new name."""
    return OpaqueFunction(function=_fast_dds)


def node(executable: str, remappings: tuple[tuple[str, str], ...] = (), ends_within_s: float = ENDS_WITHIN_S, **parameters: str) -> Action:
    """One of this package's nodes with the arguments above; `parameters` name further arguments and their parameters.

    What an argument gives beats what `params_file` says; an empty one gives nothing. After SIGTERM the node has so many seconds to end.
    """
    return OpaqueFunction(function=_node, args=[executable, remappings, ends_within_s, parameters])


def rviz(condition: Condition) -> Action:
    """RViz with config/patrol.rviz; where it is not installed that is said, and the rest goes on."""
    return OpaqueFunction(function=_rviz, condition=condition)


def recorded(context: LaunchContext) -> tuple[list[str], list[str]]:
    """The topics of a recording that a patrol with the arguments above hears, and those that it does without if need be."""
    image = _value(context, "image").removesuffix(COMPRESSED) + (COMPRESSED if _value_or_files(context, "image_transport") == "compressed" else "")
    poses = "/tf" if _value_or_files(context, "localization_type") == "tf" else _value(context, "localization")
    within = _value(context, "namespace").strip("/")
    heard = [name if name.startswith("/") else f"/{within}/{name}".replace("//", "/") for name in (image, _value(context, "camera_info"), poses)]
    return heard, ["/tf_static"]


def _value(context: LaunchContext, name: str) -> str:
    return LaunchConfiguration(name).perform(context)


def _params_file(context: LaunchContext) -> str:
    path = os.path.expanduser(_value(context, "params_file"))   # no shell expands params_file:=~/mine.yaml
    if not Path(path).is_file():    # launch would warn, and the node run with its defaults
        raise ConfigError(f"params_file {path!r} is no file; name a YAML file of parameters, or leave params_file out for the defaults")
    return path


def _value_or_files(context: LaunchContext, name: str) -> str:
    """An argument, or where that is empty what `params_file` says, or else the default of the parameter of that name."""
    if given := _value(context, name):
        return given
    try:
        said = _said_of("patrol_node", yaml.safe_load(Path(_params_file(context)).read_text(encoding="utf-8")))
    except BAD_YAML:    # the node says what is wrong with it
        said = {}
    return str(said.get(name, _DEFAULTS[name]))


def _said_of(node: str, tree: object) -> dict:
    """The parameters that a file gives a node of this name, in whatever namespace: what is said of it alone beats what is said of all."""
    of_all, of_node = {}, {}
    for key, below in tree.items() if isinstance(tree, dict) else ():
        last = str(key).rpartition("/")[2]
        if isinstance(below, dict) and isinstance(below.get("ros__parameters"), dict):
            if last in ("**", "*", node):
                (of_node if last == node else of_all).update(below["ros__parameters"])
        else:
            of_node |= _said_of(node, below)
    return of_all | of_node


def _fast_dds(context: LaunchContext) -> list[Action]:
    profile = LaunchConfiguration("fastdds_profile").perform(context)
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    if not profile or (profile == share("config", "fastdds.xml") and any(os.environ.get(name) for name in names)):
        return []       # a site's own, in the environment, is not replaced unless one is named
    return [SetEnvironmentVariable(name, profile) for name in names]


def _rviz(context: LaunchContext) -> list[Action]:
    try:
        ExecutableInPackage(package="rviz2", executable="rviz2").perform(context)
    except (PackageNotFoundError, SubstitutionFailure):
        get_logger(PACKAGE).warning("rviz:=true, but rviz2 is not installed: the patrol goes on without (sudo apt install ros-$ROS_DISTRO-rviz2)")
        return []
    return [Node(package="rviz2", executable="rviz2", namespace=_value(context, "namespace"), arguments=["-d", share("config", "patrol.rviz")],
                 remappings=[("/localization", _value(context, "localization"))], parameters=[{"use_sim_time": _value(context, "use_sim_time") == "true"}])]


def _node(context: LaunchContext, executable: str, remappings: tuple[tuple[str, str], ...], ends_within_s: float,
          parameters: dict[str, str]) -> list[Action]:
    value = partial(_value, context)
    named = {"map": "map", "image_transport": "image_transport", "localization_type": "localization_type", **parameters}
    given = {parameter: value(name) for name, parameter in named.items() if value(name)}
    if value("use_sim_time") == "true":
        given["use_sim_time"] = True
    if value("body_t_camera").split():
        given["input.body_t_camera"] = _numbers(value("body_t_camera"))
    image = value("image").removesuffix(COMPRESSED)
    return [Node(
        package=PACKAGE, executable=executable, name=executable, namespace=value("namespace"), output="screen",
        respawn=value("respawn") == "true", respawn_delay=RESPAWN_S, sigkill_timeout=str(ends_within_s),
        additional_env=jemalloc_in(context.environment) if value("allocator") == "jemalloc" else {},
        parameters=[_params_file(context), given],
        remappings=[("image", image), ("image/compressed", image + COMPRESSED), ("camera_info", value("camera_info")),
                    ("localization", value("localization")), *((name, value(argument)) for name, argument in remappings)],
        arguments=["--ros-args", "--log-level", value("log_level")],
    )]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ConfigError(f"body_t_camera:={text!r} holds what is no number; write 'x y z qx qy qz qw'") from error


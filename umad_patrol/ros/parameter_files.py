"""What the nodes' parameters are, and the YAML files of config/ made from that. Needs no ROS.

`python -m umad_patrol.ros.parameter_files patrol > config/patrol.yaml` writes one anew after a setting changed.
"""

from __future__ import annotations

import sys
import textwrap

import yaml

from umad_patrol.config import SettingInfo, describe


def _own(name: str, default: object, text: str, choices: tuple[str, ...] | None = None) -> SettingInfo:
    return SettingInfo(name, type(default), default, text, "", None, None, choices)


_INPUT = (
    _own("image_transport", "compressed", "raw: subscribe to image (sensor_msgs/Image); compressed: to image/compressed (CompressedImage)",
         ("raw", "compressed")),
    _own("localization_type", "odometry", "what localization is: odometry (nav_msgs/Odometry), pose (PoseStamped), pose_with_covariance "
         "(PoseWithCovarianceStamped), or tf (input.body_frame in map_frame from /tf)", ("odometry", "pose", "pose_with_covariance", "tf")),
    _own("map_frame", "map", "frame of places, alerts and markers"),
)
PATROL = (
    _own("map", "", "folder of the reference map"),
    _own("output", "", "folder that keeps alerts and their evidence; empty: nothing is kept"),
    _own("alert", "", "the alert that ~/dismiss_alert dismisses, such as A0007; empty: the only one that is active"),
    _own("autostart", True, "configure and activate at the start; false: wait for a lifecycle manager"),
    *_INPUT,
)
TEACH = (
    _own("map", "", "folder that the map is written to, or a map that this run is added to"),
    _own("save_on_exit", True, "write the map when the node is stopped and there is something unsaved"),
    *_INPUT,
)
NODES = {"patrol": (PATROL, ("device", "input", "retrieve", "align", "detect", "alerts")),
         "teach": (TEACH, ("device", "input", "teach", "align"))}
WIDTH = 110
# What may change while the node is configured: it is looked at anew for every frame. All else shapes what is built on configuring.
RUNTIME = ("alert", "retrieve.", "alerts.", "detect.threshold", "detect.low_threshold", "detect.close_px", "detect.trim_px",
           "detect.foot_share", "detect.min_area_px", "detect.outline_share", "input.max_")
FIXED = ("alerts.use_cloud", "alerts.coverage_step_m", "retrieve.references")


def at_run_time(name: str) -> bool:
    """Whether a parameter of patrol_node may change while the node is configured."""
    return name.startswith(RUNTIME) and name not in FIXED


def ros_yaml(node: str) -> str:
    """The parameter file of `patrol` or `teach`: every parameter with its default, meaning, unit and range."""
    own, sections = NODES[node]
    lines = [f"# Parameters of {node}_node, all at their defaults. The command line reads this file too (--config).",
             "/**:", "  ros__parameters:"]
    for info in own:
        lines += _entry(info, info.name, 4)
    section = ""
    for info in describe():
        head, dot, name = info.name.rpartition(".")
        if info.name.split(".")[0] not in sections:
            continue
        if dot and head != section:
            lines += ["", f"    {head}:"]
            section = head
        lines += _entry(info, name, 6 if dot else 4)
    return "\n".join(lines) + "\n"


def about(info: SettingInfo) -> str:
    """Meaning, choices, unit and range in one line."""
    if info.choices:
        extra = "one of " + ", ".join(info.choices)
    elif info.low is not None and info.high is not None:
        extra = f"{info.low:g} to {info.high:g} {info.unit}".strip()
    else:
        extra = info.unit
    return f"{info.text} [{extra}]" if extra else info.text


def _entry(info: SettingInfo, name: str, indent: int) -> list[str]:
    pad = " " * indent
    comment = textwrap.wrap(about(info), WIDTH - indent, initial_indent=f"{pad}# ", subsequent_indent=f"{pad}#   ")
    value = list(info.default) if isinstance(info.default, tuple) else info.default
    text = yaml.safe_dump(value, default_flow_style=True, default_style='"' if isinstance(value, str) else None).splitlines()[0]
    hidden = "# " if value == [] else ""  # ROS cannot tell the type of an empty list
    return [*comment, f"{pad}{hidden}{name}: {text}"]


if __name__ == "__main__":
    sys.stdout.write(ros_yaml(sys.argv[1]))

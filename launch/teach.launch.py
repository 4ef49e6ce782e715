"""Teach a route while the robot drives it: `ros2 launch umad_patrol teach.launch.py map:=/path/to/new/map`.

Ctrl-C writes the map; so does `ros2 service call /teach_node/save std_srvs/srv/Trigger`. `--show-args` lists the arguments.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument

from umad_patrol.ros import launching

SAVED_WITHIN_S = 600.0  # a long route on a slow disk


def generate_launch_description() -> LaunchDescription:
    """teach_node."""
    return LaunchDescription([
        *launching.arguments("teach"),
        DeclareLaunchArgument("points", default_value="/livox/lidar", description="PointCloud2 topic for the ground and the cloud"),
        DeclareLaunchArgument("run", default_value="", description="name of this teach run; empty: made from its first stamp"),
        launching.fast_dds(),
        launching.node("teach_node", remappings=(("points", "points"),), ends_within_s=SAVED_WITHIN_S, run="teach.run"),
    ])

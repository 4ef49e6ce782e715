"""Patrol a taught route: `ros2 launch umad_patrol patrol.launch.py map:=/path/to/map`. `--show-args` lists the rest."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from umad_patrol.ros import launching


def generate_launch_description() -> LaunchDescription:
    """patrol_node, and RViz where asked for."""
    return LaunchDescription([
        *launching.arguments("patrol"),
        DeclareLaunchArgument("output", default_value="", description="folder that keeps alerts and their evidence; empty: as params_file says, else nothing is kept"),
        DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description="start RViz with config/patrol.rviz"),
        launching.fast_dds(),
        launching.node("patrol_node", output="output"),
        launching.rviz(condition=IfCondition(LaunchConfiguration("rviz"))),
    ])

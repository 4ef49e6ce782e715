"""Imports run one way: records, errors, config -> geometry -> io -> stages -> comparer -> pipeline -> the rest."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "umad_patrol"
LEVELS = [
    {"records", "errors", "config"},
    {"geometry"},
    {"io"},
    {"reference", "align", "detect", "alerts", "frames"},
    {"comparer"},
    {"pipeline"},
    {"simulate", "train", "evaluate", "cli", "ros"},
]
LEVEL = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
STAGES = LEVELS[3]
ROS_MODULES = {"rclpy", "tf2_ros", "sensor_msgs", "nav_msgs", "geometry_msgs", "std_msgs", "std_srvs", "diagnostic_msgs",
               "visualization_msgs", "vision_msgs", "rosgraph_msgs", "tf2_msgs", "lifecycle_msgs", "builtin_interfaces",
               "launch", "launch_ros", "ament_index_python"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} is no room of the design"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in ROS_MODULES:
            assert room == "ros", f"{path.name} imports {name}: only umad_patrol/ros may"
        if parts[0] != "umad_patrol" or len(parts) < 2 or parts[1] not in LEVEL or parts[1] == room:
            continue
        assert LEVEL[parts[1]] <= LEVEL[room], f"{room} imports {name}, which lies above it"
        assert not (room in STAGES and parts[1] in STAGES), f"{room} imports {name}: stages meet only through records"


def test_the_rule_can_fail(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text("import rclpy\nfrom umad_patrol.pipeline import Pipeline\n")
    assert {"rclpy", "umad_patrol.pipeline"} <= imports(file)

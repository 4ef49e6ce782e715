from pathlib import Path

import pytest
import yaml

from umad_patrol.config import Settings, describe, load, values
from umad_patrol.ros.parameter_files import NODES, about, ros_yaml

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("node", sorted(NODES))
def test_the_files_are_what_the_settings_say(node):
    assert (CONFIG / f"{node}.yaml").read_text() == ros_yaml(node), f"python -m umad_patrol.ros.parameter_files {node} > config/{node}.yaml"


@pytest.mark.parametrize("node", sorted(NODES))
def test_the_files_hold_the_defaults(node):
    assert values(load(CONFIG / f"{node}.yaml")) == values(Settings())


@pytest.mark.parametrize("node", sorted(NODES))
def test_every_parameter_of_its_sections_is_there(node):
    own, sections = NODES[node]
    text = ros_yaml(node)
    for info in describe():
        if info.name.split(".")[0] in sections:
            assert f"{info.name.rsplit('.', 1)[-1]}: " in text
            assert about(info).split()[0] in text
    parameters = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert {info.name for info in own} < set(parameters)
    assert all(value != [] for section in parameters.values() if isinstance(section, dict) for value in section.values())

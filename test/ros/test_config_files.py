"""What config/ hands to RViz and Fast DDS fits what the nodes publish."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
OUTPUTS = (ROOT / "umad_patrol/ros/outputs.py").read_text()


def test_rviz_shows_what_the_node_publishes_with_a_quality_that_matches():
    displays = yaml.safe_load((ROOT / "config/patrol.rviz").read_text())["Visualization Manager"]["Displays"]
    topics = {d["Topic"]["Value"]: d["Topic"] for d in displays if "Topic" in d}
    published = dict(re.findall(r'"~/([\w/]+)", qos\.(\w+)', OUTPUTS))
    own = {name.removeprefix("patrol_node/"): topic for name, topic in topics.items() if name.startswith("patrol_node/")}
    assert {"overlay", "alert_markers", "route", "coverage"} <= set(own) <= set(published)
    for name, topic in own.items():
        assert topic["Durability Policy"] == ("Transient Local" if published[name] == "LATCHED" else "Volatile"), name


def test_fast_dds_profile_holds_a_large_picture():
    tree = ElementTree.parse(ROOT / "config/fastdds.xml")
    names = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    assert int(tree.find(".//dds:segment_size", names).text) >= 32 * 2**20
    assert tree.find(".//dds:participant", names).get("is_default_profile") == "true"

"""The SROS 2 policy gives each node the rights that it uses, and no others."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

from robot import Session  # noqa: E402

from umad_patrol.ros.listener import Listener  # noqa: E402
from umad_patrol.ros.patrol_node import PatrolNode  # noqa: E402
from umad_patrol.ros.teach_node import TeachNode  # noqa: E402

POLICY = ElementTree.parse(Path(__file__).parents[2] / "config/sros2_policy.xml")
NAMES = {"image": "/camera/color/image_raw", "image/compressed": "/camera/color/image_raw/compressed", "camera_info": "/camera/color/camera_info",
         "localization": "/localization", "points": "/livox/lidar"}
REMAPPINGS = [word for name, target in NAMES.items() for word in ("-r", f"{name}:={target}")]
AT_TIMES = {  # opened with other arguments only: raw images, use_sim_time, localization_type tf, tf2_msgs or vision_msgs installed
    "subscribe": {"/camera/color/image_raw", "/clock", "/tf", "/tf_static"}, "publish": {"/patrol_node/detections"}, "reply": set()}


def allowed(node, right):
    profile = POLICY.find(f"./enclaves/enclave[@path='/umad_patrol/{node}']/profiles/profile")
    assert (profile.get("ns"), profile.get("node")) == ("/", node)
    blocks = [block for block in profile if block.get(right) == "ALLOW"]
    return {entry.text for block in blocks for entry in block}


def used(node):
    """What a node has open, by right; what every client has is not a right of its own."""
    def names(pairs):
        return {name for name, _ in pairs}

    name, space = node.get_name(), node.get_namespace()
    return {"publish": names(node.get_publisher_names_and_types_by_node(name, space)),
            "subscribe": names(node.get_subscriber_names_and_types_by_node(name, space)),
            "reply": names(node.get_service_names_and_types_by_node(name, space))}


@pytest.fixture
def ros(route):
    """A domain of its own: nodes of the same names that other tests killed are in the graph of theirs for a while."""
    session = Session(route.domain + 100)
    yield session
    session.close()


@pytest.mark.parametrize("make, words", [(PatrolNode, True), (TeachNode, False), (Listener, None)])
def test_each_node_may_do_what_it_does(ros, route_map, tmp_path, make, words):
    parameters = {True: ["-p", f"map:={route_map}", "-p", f"output:={tmp_path}"], False: ["-p", f"map:={tmp_path / 'new'}"],
                  None: ["-p", f"out:={tmp_path / 'heard.json'}"]}[words]
    ros.start([*parameters, *REMAPPINGS])
    node, = ros.add(make())
    for right, names in used(node).items():
        may = allowed(node.get_name(), right)
        assert names <= may, f"{node.get_name()} cannot {right} {sorted(names - may)}"
        assert may - names <= AT_TIMES[right], f"{node.get_name()} need not {right} {sorted(may - names)}"


def test_nothing_is_allowed_to_all():
    for element in POLICY.iter():
        assert "*" not in (element.text or ""), element.tag
        assert not set(element.attrib.values()) & {"ALLOW"} or element.tag in ("topics", "services")
    assert POLICY.getroot().get("version") == "0.2.0"

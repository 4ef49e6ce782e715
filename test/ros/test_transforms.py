"""Poses from /tf. tf2 cannot be had from PyPI: a stand-in with the calls that tf2_ros 0.36 has (Jazzy)."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

from geometry_msgs.msg import TransformStamped  # noqa: E402
from rclpy.time import Time  # noqa: E402

from umad_patrol.ros import transforms  # noqa: E402
from umad_patrol.ros.transforms import TfPoses  # noqa: E402


class TransformException(Exception):
    pass


class Buffer:
    """Two moving links, map to odom and odom to base_link; newest instants as tf2 has them, no interpolation."""

    def __init__(self):
        self.links = {}

    def set_transform(self, transform, authority):
        stamp = Time.from_msg(transform.header.stamp).nanoseconds
        link = self.links.setdefault(transform.child_frame_id, {})
        if not link or stamp >= max(link):  # tf2 refuses what is older than all it knows
            link[stamp] = transform

    set_transform_static = set_transform

    def clear(self):
        self.links = {}

    def get_latest_common_time(self, target, source):
        if not {"odom", "base_link"} <= set(self.links):
            raise TransformException("not connected\nyet")
        return Time(nanoseconds=min(max(self.links[name]) for name in ("odom", "base_link")))

    def lookup_transform(self, target, source, moment):
        found = TransformStamped()
        found.transform.translation.x = sum(link[max(s for s in link if s <= moment.nanoseconds)].transform.translation.x
                                            for link in self.links.values())
        found.transform.rotation.w = 1.0
        return found


@pytest.fixture
def lacks():
    """When and why there was no pose."""
    return []


@pytest.fixture
def heard(monkeypatch, lacks):
    """The poses handed on, and `send(child, seconds, x)`."""
    monkeypatch.setitem(sys.modules, "tf2_ros", types.SimpleNamespace(Buffer=Buffer, TransformException=TransformException))
    monkeypatch.setattr(transforms, "static_transform_type", lambda: TransformStamped)
    callbacks, poses = {}, []
    node = types.SimpleNamespace(create_subscription=lambda kind, topic, callback, quality: callbacks.__setitem__(topic, callback))
    TfPoses(node, "map", "base_link", poses.append, lambda *said: lacks.append(said))

    def send(child, seconds, x):
        transform = TransformStamped(child_frame_id=child)
        transform.header.stamp = Time(nanoseconds=int(seconds * 1e9)).to_msg()
        transform.transform.translation.x, transform.transform.rotation.w = float(x), 1.0
        callbacks["/tf"](types.SimpleNamespace(transforms=[transform]))

    return poses, send


def test_a_pose_at_every_instant_for_which_the_chain_is_whole(heard):
    poses, send = heard
    send("base_link", 10.0, 1)
    assert not poses
    send("odom", 10.0, 100)
    send("odom", 10.5, 100)
    for i in range(1, 4):
        send("base_link", 10.0 + i / 10, 1 + i)
    send("arm", 9.0, 7)  # another limb, late: nothing new
    assert [pose.stamp_ns // 10**8 for pose in poses] == [100, 101, 102, 103]
    np.testing.assert_allclose([pose.parent_T_child[0, 3] for pose in poses], [101, 102, 103, 104])


def test_a_tree_that_is_cut_is_named(heard, lacks):
    poses, send = heard
    send("base_link", 10.0, 1)
    assert lacks == [(10 * 10**9, "/tf gives no pose of 'base_link' in 'map': not connected yet")] and not poses
    send("odom", 10.0, 1)
    send("base_link", 10.1, 1)
    assert len(lacks) == 1 and poses


def test_time_that_runs_backwards_begins_anew(heard):
    poses, send = heard
    for t in (10.0, 10.1, 3.0, 3.1):
        send("odom", t, 0)
        send("base_link", t, t)
    assert [pose.stamp_ns // 10**8 for pose in poses] == [100, 101, 30, 31]


def test_frames_without_number_are_not_kept(heard, monkeypatch):
    poses, send = heard
    monkeypatch.setattr(transforms, "MOST_FRAMES", 2)
    for name in ("odom", "base_link", "x1", "x2", "base_link"):
        send(name, 1.0 + len(poses), 0)
    assert poses

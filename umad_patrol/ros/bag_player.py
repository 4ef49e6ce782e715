"""`bag_player`: plays a rosbag2 with /clock where no `ros2 bag` is installed.

Messages go out as the bytes that were recorded, so nothing is decoded. Everything on the command line is a parameter
of the node too.

example: bag_player patrol --rate 0.5 --wait-for-subscribers --topics /camera/color/camera_info /localization
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from contextlib import ExitStack
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from umad_patrol.errors import BagError, ConfigError
from umad_patrol.io.bags import Bag, Topic, open_bag
from umad_patrol.ros.runner import run_node

STATIC_TRANSFORMS = "/tf_static"
CLOCK_S = 0.02  # /clock goes on this often between messages, in seconds of the wall
LINGER_S = 0.5  # subscribers get this long to fetch the last messages


class BagPlayer(Node):
    """Publishes a recording; `play` runs it to its end."""

    def __init__(self, bag: Bag, given: argparse.Namespace):
        super().__init__("bag_player")
        self._bag = bag
        self._rate = float(self.declare_parameter("rate", given.rate).value)
        self._loop = bool(self.declare_parameter("loop", given.loop).value)
        self._wait = bool(self.declare_parameter("wait_for_subscribers", given.wait_for_subscribers).value)
        self._timeout_s = float(self.declare_parameter("wait_timeout_s", given.wait_timeout_s).value)
        wanted, optional = ([name for name in self.declare_parameter(parameter, names or [""]).value if name]
                            for parameter, names in (("topics", given.topics), ("optional_topics", given.optional_topics)))
        _check(bag, self._rate, wanted)
        self._outlets = self._make_publishers(wanted, optional)
        self._awaited = {name: publisher for name, publisher in self._outlets.items() if name not in optional}
        self._time = self.create_publisher(Clock, "/clock", 10)

    def play(self, executor: SingleThreadedExecutor) -> None:
        """Play to the end, or for ever with `loop`."""
        if self._wait:
            self._wait_for_subscribers(executor)
        self.get_logger().info(f"playing {self._bag.path} at rate {self._rate:g}: {', '.join(self._outlets)}")
        while True:
            self._play_once(executor)
            if not self._loop:
                break
        self._spin_until(executor, time.monotonic() + LINGER_S)
        self.get_logger().info("played to the end")

    def _make_publishers(self, wanted: list[str], optional: list[str]) -> dict[str, Publisher]:
        found = {}
        for topic in self._bag.topics.values():
            if not topic.count or (wanted and topic.name not in wanted + optional) or topic.name == "/clock":
                continue
            kind = _message_class(topic.type)
            if kind is None:
                self.get_logger().warning(f"{topic.name} is left out: {topic.type} is not installed")
                continue
            found[topic.name] = self.create_publisher(kind, topic.name, _quality(topic))
        if not found:
            raise BagError(f"recording {self._bag.path} has nothing that can be played; it has {self._bag.listing()}")
        return found

    def _wait_for_subscribers(self, executor: SingleThreadedExecutor) -> None:
        end = time.monotonic() + self._timeout_s
        self.get_logger().info("waiting for subscribers")
        while True:
            alone = [name for name, publisher in self._awaited.items() if not publisher.get_subscription_count()]
            if not alone:
                return
            if time.monotonic() > end:
                raise ConfigError(f"nobody subscribed to {', '.join(alone)} within {self._timeout_s:g} s; name what to play with --topics")
            executor.spin_once(timeout_sec=0.02)

    def _play_once(self, executor: SingleThreadedExecutor) -> None:
        first_ns, start = None, time.monotonic()
        for topic, stamp_ns, raw in self._bag.messages(tuple(self._outlets)):
            first_ns = stamp_ns if first_ns is None else first_ns
            due = start + (stamp_ns - first_ns) / 1e9 / self._rate
            while (left := due - time.monotonic()) > 0:
                self._spin_until(executor, min(due, time.monotonic() + CLOCK_S))
                if left > CLOCK_S:
                    self._tell_time(first_ns + int((time.monotonic() - start) * 1e9 * self._rate))
            self._tell_time(stamp_ns)
            self._outlets[topic].publish(raw)

    def _tell_time(self, stamp_ns: int) -> None:
        self._time.publish(Clock(clock=Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)))

    def _spin_until(self, executor: SingleThreadedExecutor, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)


def check_playable(path: str, rate: str, topics: list[str]) -> None:
    """Raise BagError or ConfigError for what a player would refuse, before anything else is started."""
    try:
        times = float(rate)
    except ValueError as error:
        raise ConfigError(f"rate {rate!r} is no number; give 0.01 to 100, such as 0.5 for half as fast as recorded") from error
    with open_bag(path) as bag:
        _check(bag, times, topics)


def _check(bag: Bag, rate: float, topics: list[str]) -> None:
    if not 0.01 <= rate <= 100.0:
        raise ConfigError(f"rate = {rate:g} is outside 0.01 to 100")
    absent = [name for name in topics if name not in bag.topics]
    if absent:
        raise BagError(f"recording {bag.path} has no topic {absent[0]!r}; it has {bag.listing()}")


def _message_class(kind: str) -> Any:
    """The class of `package/msg/Name`, or None where its package is not installed."""
    package, _, name = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None


def _quality(topic: Topic) -> QoSProfile:
    latched = topic.latched or topic.name == STATIC_TRANSFORMS
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=max(topic.count, 1) if latched else 10, reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bag_player", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", metavar="BAG", help="rosbag2 folder, or an .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="how many times as fast as recorded (0.01 to 100)")
    parser.add_argument("--loop", action="store_true", help="begin anew at the end; time jumps back then")
    parser.add_argument("--wait-for-subscribers", action="store_true", help="start when every topic that is played has a subscriber")
    parser.add_argument("--wait-timeout-s", type=float, default=60.0, help="give up waiting after so many seconds")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="play these alone")
    parser.add_argument("--optional-topics", nargs="+", metavar="TOPIC", help="and these where the recording has them; nobody is waited for to hear them")
    return parser.parse_args(words)


def main(args: list[str] | None = None) -> int:
    """Play to the end or until stopped."""
    words = list(sys.argv if args is None else ["bag_player", *args])
    given = _arguments(remove_ros_args(words)[1:])
    with ExitStack() as stack:
        return run_node(lambda: BagPlayer(stack.enter_context(open_bag(given.bag)), given), words,
                        spin=lambda executor, node: node.play(executor))


if __name__ == "__main__":
    raise SystemExit(main())

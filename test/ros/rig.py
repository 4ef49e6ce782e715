"""A camera and a localization at the rates of a robot, with the time of now: `python rig.py --rate 30 --size 1280x720 --seconds 60`.

Drives the route of scene.py to and fro. /clock tells the time of now too, so that whoever hears it sees how late it is.
"""

import argparse
import os
import sys
import time
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cv2
import rclpy
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from scene import STEPS, Route
from sensor_msgs.msg import CameraInfo, CompressedImage

POSE_S = 0.01
PLANTED = range(20, STEPS)


def pictures(route):
    """The JPEG of every step, the box in the later ones."""
    found = []
    for i in range(STEPS):
        data = array("B")
        data.frombytes(cv2.imencode(".jpg", route.picture(i, i in PLANTED))[1].tobytes())
        found.append(CompressedImage(format="jpeg", data=data))
        found[-1].header.frame_id = "camera"
    return found


def calibration(route):
    message = CameraInfo(width=route.width, height=route.height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [route.focal, 0.0, (route.width - 1) / 2, 0.0, route.focal, (route.height - 1) / 2, 0.0, 0.0, 1.0]
    message.header.frame_id = "camera"
    return message


def stamp(ns):
    return Time(sec=ns // 10**9, nanosec=ns % 10**9)


class Rig(Node):
    """`place(ns)` is the step, a real number, at which the robot is."""

    def __init__(self, route, rate):
        super().__init__("rig")
        self.route, self.rate, self.pictures, self.info = route, rate, pictures(route), calibration(route)
        self.image_out = self.create_publisher(CompressedImage, "image/compressed", 5)
        self.info_out = self.create_publisher(CameraInfo, "camera_info", 5)
        self.pose_out = self.create_publisher(Odometry, "localization", 50)
        self.clock_out = self.create_publisher(Clock, "/clock", 10)
        self.begun = time.time_ns()
        self.sent = 0

    def place(self, ns):
        steps = (ns - self.begun) / 1e9 * self.rate % (2 * STEPS - 2)
        return steps if steps <= STEPS - 1 else 2 * STEPS - 2 - steps

    def tell_pose(self, ns):
        message = Odometry(child_frame_id="body")
        message.header.frame_id, message.header.stamp = "map", stamp(ns)
        message.pose.pose.position.x = self.route.position(self.place(ns))[0]
        message.pose.pose.orientation.w = 1.0
        self.pose_out.publish(message)

    def show(self, ns):
        message = self.pictures[round(self.place(ns))]
        message.header.stamp = self.info.header.stamp = stamp(ns)
        self.info_out.publish(self.info)
        self.image_out.publish(message)
        self.sent += 1

    def run(self, seconds):
        """Everything when it is due, for so long."""
        next_pose = next_image = self.begun = time.time_ns()
        while next_image < self.begun + seconds * 1e9:
            now = time.time_ns()
            if now >= next_pose:
                self.tell_pose(now)
                self.clock_out.publish(Clock(clock=stamp(time.time_ns())))
                next_pose += int(POSE_S * 1e9)
            if now >= next_image:  # the picture of the instant at which it was due
                self.show(next_image)
                next_image += int(1e9 / self.rate)
            time.sleep(max(0.0, (min(next_pose, next_image) - time.time_ns()) / 1e9))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--focal", type=float, default=900.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    rclpy.init(domain_id=int(os.environ["ROS_DOMAIN_ID"]))
    rig = Rig(Route(0, width, height, args.focal), args.rate)
    print("rolling", flush=True)
    rig.run(args.seconds)
    print(f"sent {rig.sent}", flush=True)
    rig.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()

"""rclpy in the test's own process, and a robot that the patrol rides on."""

import time

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry, Path
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from umad_patrol.ros import qos

DEADLINE_S = 60.0


class Session:
    """rclpy in this process: started once a test, nodes added, spun until something is so."""

    def __init__(self, domain):
        self.domain, self.executor = domain, None

    def start(self, words):
        rclpy.init(args=["--ros-args", *words], domain_id=self.domain)
        self.executor = SingleThreadedExecutor()

    def add(self, *nodes):
        for node in nodes:
            self.executor.add_node(node)
        return nodes

    def until(self, done, tick=lambda: None):
        """Spin until `done()`, with `tick()` now and then."""
        end, next_tick = time.monotonic() + DEADLINE_S, 0.0
        while not done():
            assert time.monotonic() < end, "took too long"
            if time.monotonic() > next_tick:
                tick()
                next_tick = time.monotonic() + 0.05
            self.executor.spin_once(timeout_sec=0.02)

    def close(self):
        nodes = self.executor.get_nodes() if self.executor else []
        if self.executor:
            self.executor.shutdown(timeout_sec=2)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


class Robot(Node):
    """The camera, the localization, and somebody who listens to the patrol."""

    def __init__(self, route, messages):
        super().__init__("robot")
        self.route, self.messages, self.step = route, messages, 0
        self.image = self.create_publisher(CompressedImage, "image/compressed", 10)
        self.info = self.create_publisher(CameraInfo, "camera_info", 10)
        self.pose = self.create_publisher(Odometry, "localization", 10)
        self.masks, self.diagnostics, self.alerts, self.markers, self.routes, self.sent = [], {}, [], [], [], {}
        self.create_subscription(Image, "patrol_node/anomaly_mask", self.masks.append, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)

    def listen_to_alerts(self):
        self.create_subscription(DiagnosticArray, "patrol_node/alerts", self.alerts.append, qos.LATCHED)
        self.create_subscription(MarkerArray, "patrol_node/alert_markers", self.markers.append, qos.LATCHED)
        self.create_subscription(Path, "patrol_node/route", self.routes.append, qos.LATCHED)

    def on_diagnostics(self, msg):
        status = msg.status[0]
        self.diagnostics = {"level": status.level[0], "message": status.message, **{pair.key: pair.value for pair in status.values}}

    def count(self, reason):
        return int(self.diagnostics.get(reason) or 0)

    def send(self, publisher, message):
        publisher.publish(self.messages.store.serialize_cdr(message, message.__msgtype__).tobytes())

    def advance(self):
        self.step += 1
        return self.step

    def good(self, planted=False):
        """One more step: calibration, a picture, and the pose of that very moment."""
        i, self.step = self.step, self.step + 1
        t, self.place = self.route.time(i), 30 + 25 * np.sin(i / 10)
        self.send(self.info, self.messages.camera_info(t, 320, 240, 250.0))
        self.send(self.pose, self.messages.odometry(t, self.route.position(self.place)))
        self.send(self.image, self.messages.jpeg(t, self.route.picture(self.place, planted)))
        self.sent[int(round(t * 1e9))] = self.place

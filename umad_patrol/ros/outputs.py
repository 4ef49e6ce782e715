"""What a patrol node publishes of each result; nothing is made for a topic that nobody hears."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Path
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from umad_patrol.alerts.coverage import Coverage
from umad_patrol.detect.overlay import overlay
from umad_patrol.records import Alert, Result
from umad_patrol.ros import conversions as to
from umad_patrol.ros import qos


COVERAGE_S = 2.0  # the coverage is published this often at most


class Outputs:
    """The publishers of a patrol node."""

    def __init__(self, node: Node, map_frame: str):
        self._node, self._map_frame = node, map_frame
        publisher = node.create_publisher
        self._mask = publisher(Image, "~/anomaly_mask", qos.RESULTS)
        self._score = publisher(Image, "~/anomaly_score", qos.RESULTS)
        self._overlay = publisher(Image, "~/overlay", qos.RESULTS)
        self._overlay_jpeg = publisher(CompressedImage, "~/overlay/compressed", qos.RESULTS)
        self._camera = publisher(CameraInfo, "~/camera_info", qos.RESULTS)
        self._aligned = publisher(Image, "~/aligned_reference", qos.RESULTS)
        self._alerts = publisher(DiagnosticArray, "~/alerts", qos.LATCHED)
        self._markers = publisher(MarkerArray, "~/alert_markers", qos.LATCHED)
        self._route = publisher(Path, "~/route", qos.LATCHED)
        self._coverage = publisher(Marker, "~/coverage", qos.LATCHED)
        self._coverage_told = 0.0, -1
        self._publishers = [self._mask, self._score, self._overlay, self._overlay_jpeg, self._camera, self._aligned, self._alerts, self._markers, self._route,
                            self._coverage]
        self._vision = to.vision_messages()
        if self._vision is not None:
            self._detections = publisher(self._vision.Detection2DArray, "~/detections", qos.RESULTS)
            self._publishers.append(self._detections)
        self._alert_markers = to.AlertMarkers(map_frame)

    def result(self, result: Result) -> None:
        """Publish what a frame gave, under the stamp and frame of its image."""
        stamp, head = result.frame.stamp_ns, to.header(result.frame.stamp_ns, result.frame.camera.frame_id)
        self._send(self._mask, lambda: to.image_message(result.mask, "mono8", head))
        self._send(self._camera, lambda: to.camera_info_message(result.frame.camera, head))
        self._send(self._score, lambda: to.image_message(_scores(result), "32FC1", head))
        if self._heard(self._overlay) or self._heard(self._overlay_jpeg):
            drawn = overlay(result.frame.image, result.mask, result.regions)
            self._send(self._overlay, lambda: to.image_message(drawn, "bgr8", head))
            self._send(self._overlay_jpeg, lambda: to.jpeg_message(drawn, head))
        if self._heard(self._aligned):
            aligned = to.aligned_reference(result)
            if aligned is not None:
                self._aligned.publish(to.image_message(aligned, "bgr8", head))
        if self._vision is not None:
            self._send(self._detections, lambda: to.detections_message(result.regions, head, self._vision))
        if result.changed_alerts:
            known = {alert.id for alert in result.alerts}
            self.alerts(result.alerts, stamp, tuple(alert for alert in result.changed_alerts if alert.id not in known))

    def alerts(self, active: tuple[Alert, ...], stamp_ns: int, ended: tuple[Alert, ...] = ()) -> None:
        """Publish all that are active, and those that just ended, for whoever hears now and for who comes later."""
        self._alerts.publish(to.alerts_message((*active, *ended), stamp_ns, self._map_frame))
        self._markers.publish(self._alert_markers.message(active, stamp_ns))

    def route(self, poses: np.ndarray, stamps_ns: np.ndarray, stamp_ns: int) -> None:
        """Publish the keyframes of a map, perhaps another one."""
        self._coverage_told = 0.0, -1
        self._route.publish(to.path_message(poses, stamps_ns, to.header(stamp_ns, self._map_frame)))

    def coverage(self, coverage: Coverage, stamp_ns: int) -> None:
        """Publish where something was compared, if that changed since a while."""
        told_at, changes = self._coverage_told
        if coverage.changes != changes and time.monotonic() - told_at >= COVERAGE_S:
            self._coverage_told = time.monotonic(), coverage.changes
            self._coverage.publish(to.coverage_marker(*coverage.places(), to.header(stamp_ns, self._map_frame)))

    def close(self) -> None:
        """End the publishers."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def _send(self, publisher: Any, make: Callable[[], Any]) -> None:
        if self._heard(publisher):
            publisher.publish(make())

    @staticmethod
    def _heard(publisher: Any) -> bool:
        return publisher.get_subscription_count() > 0


def _scores(result: Result) -> np.ndarray:
    return np.zeros(result.mask.shape, np.float32) if result.score_map is None else to.score_image(result.score_map)

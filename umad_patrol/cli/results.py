"""The results of a replay as a recording, under the node's topic names, to be played beside the patrol's own."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2

from umad_patrol.alerts.status import alert_text, alert_values
from umad_patrol.io.bag_messages import compressed_image, header, message
from umad_patrol.io.bag_writer import BagWriter
from umad_patrol.records import ACTIVE, COMPARED, Alert, Result

NODE = "/patrol_node"
WARN, OK = 1, 0
CUBE, DELETE_ALL = 1, 3


class ResultsBag:
    """Masks (PNG) of the frames compared, and alerts and markers whenever they change. An earlier one at `path` is replaced."""

    def __init__(self, path: Path):
        self._bag = BagWriter(path, replace=True)

    def __enter__(self) -> ResultsBag:
        self._bag.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bag.__exit__(kind, error, trace)

    def add(self, result: Result) -> None:
        """Write what one frame gave."""
        frame = result.frame
        if result.status == COMPARED:
            png = cv2.imencode(".png", result.mask)[1].tobytes()
            self._bag.write(f"{NODE}/anomaly_mask/compressed", compressed_image(frame.stamp_ns, frame.camera.frame_id, png, "png"), frame.stamp_ns)
        if result.changed_alerts:
            head = header(frame.stamp_ns, "map")
            statuses = [_status(alert) for alert in result.changed_alerts]
            self._bag.write(f"{NODE}/alerts", message("diagnostic_msgs/msg/DiagnosticArray", {"header": head, "status": statuses}), frame.stamp_ns)
            markers = [{"header": head, "action": DELETE_ALL}] + [_marker(i, alert, head) for i, alert in enumerate(result.alerts)]
            self._bag.write(f"{NODE}/alert_markers", message("visualization_msgs/msg/MarkerArray", {"markers": markers}), frame.stamp_ns)


def _status(alert: Alert) -> dict:
    return {"level": WARN if alert.state == ACTIVE else OK, "name": f"alert {alert.id}", "message": alert_text(alert), "hardware_id": alert.id,
            "values": [{"key": key, "value": value} for key, value in alert_values(alert).items()]}


def _marker(number: int, alert: Alert, head: dict) -> dict:
    (x, y, z), (width, height) = alert.position, alert.size_m
    return {"header": head, "ns": "alerts", "id": number, "type": CUBE, "color": {"r": 1.0, "g": 0.2, "b": 0.1, "a": 0.6},
            "pose": {"position": {"x": x, "y": y, "z": z + height / 2}, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}},
            "scale": {"x": max(width, 0.1), "y": max(width, 0.1), "z": max(height, 0.1)}}

"""`listener`: hears a patrol node from outside, as any other program would, and writes down what came.

Used by the demo and by tests as the proof that results crossed DDS. Writes JSON to the parameter `out` when it is
stopped: stamps, changed pixels and SHA-256 of the masks, the newest alerts, the number of markers, the newest diagnostics.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from umad_patrol.io.files import replaced
from umad_patrol.io.messages import stamp_ns
from umad_patrol.ros import qos
from umad_patrol.ros.runner import run_node


class Listener(Node):
    """Subscribes to what a patrol node publishes and keeps the newest of each, and the stamps of all masks."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.out = Path(self.declare_parameter("out", "heard.json").value)
        self.masks: dict[int, int] = {}
        self.digests: dict[int, str] = {}
        self.alerts: dict[str, dict] = {}
        self.markers = 0
        self.diagnostics: dict = {}
        self.create_subscription(Image, "patrol_node/anomaly_mask", self._on_mask, 50)
        self.create_subscription(DiagnosticArray, "patrol_node/alerts", self._on_alerts, qos.LATCHED)
        self.create_subscription(MarkerArray, "patrol_node/alert_markers", self._on_markers, qos.LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.get_logger().info("listening")

    def _on_mask(self, msg: Image) -> None:
        pixels = np.frombuffer(msg.data, np.uint8)
        self.masks[stamp_ns(msg.header)] = int(np.count_nonzero(pixels))
        self.digests[stamp_ns(msg.header)] = hashlib.sha256(pixels).hexdigest()

    def _on_alerts(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self.alerts[status.hardware_id or status.name] = {"name": status.name, "message": status.message,
                                                              **{pair.key: pair.value for pair in status.values}}

    def _on_markers(self, msg: MarkerArray) -> None:
        self.markers += len(msg.markers)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self.diagnostics[status.name] = {"message": status.message, **{pair.key: pair.value for pair in status.values}}

    def destroy_node(self) -> None:
        """Write down what was heard, then end as every node does."""
        heard = {"masks": {str(k): v for k, v in sorted(self.masks.items())},
                 "digests": {str(k): v for k, v in sorted(self.digests.items())}, "alerts": self.alerts, "markers": self.markers,
                 "diagnostics": self.diagnostics}
        with replaced(self.out) as file:
            file.write_text(json.dumps(heard, indent=1), encoding="utf-8")
        super().destroy_node()


def main(args: list[str] | None = None) -> int:
    """Run until stopped."""
    return run_node(Listener, args)


if __name__ == "__main__":
    raise SystemExit(main())

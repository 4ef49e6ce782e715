"""From records to ROS messages."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from nav_msgs.msg import Path
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from umad_patrol.alerts.coverage import MISSED, SEEN, UNSEEN
from umad_patrol.alerts.status import alert_text, alert_values
from umad_patrol.errors import ImageError
from umad_patrol.geometry import se3
from umad_patrol.io.images import to_image
from umad_patrol.records import ACTIVE, ANOMALY, DYNAMIC, Alert, Camera, Region, Result, ScoreMap

JPEG_QUALITY = 85
_COLOURS = {DYNAMIC: (1.0, 0.6, 0.1)}
_COLOUR = (0.9, 0.1, 0.1)
_SMALLEST_M, _TEXT_M = 0.1, 0.25
_MOST_DOTS = 5000
_DOTS = {UNSEEN: ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.7), SEEN: ColorRGBA(r=0.2, g=0.8, b=0.3, a=1.0), MISSED: ColorRGBA(r=0.9, g=0.1, b=0.1, a=1.0)}


def to_time(stamp_ns: int) -> Time:
    """A stamp in nanoseconds as builtin_interfaces/Time."""
    return Time(sec=int(stamp_ns // 1_000_000_000), nanosec=int(stamp_ns % 1_000_000_000))


def header(stamp_ns: int, frame_id: str) -> Header:
    """A std_msgs/Header."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame_id)


def image_message(pixels: np.ndarray, encoding: str, head: Header) -> Image:
    """A sensor_msgs/Image of `(H, W)` or `(H, W, C)` in little-endian order.

    The bytes go in through array.array: rclpy looks at every element of anything else.
    """
    rows = np.ascontiguousarray(pixels)
    data = array("B")
    data.frombytes(rows.reshape(-1).view(np.uint8).data)
    return Image(header=head, height=rows.shape[0], width=rows.shape[1], encoding=encoding, is_bigendian=0,
                 step=rows.nbytes // rows.shape[0], data=data)


def jpeg_message(image: np.ndarray, head: Header) -> CompressedImage:
    """A sensor_msgs/CompressedImage of `(H, W, 3)` uint8 BGR. Raises ImageError."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ImageError(f"OpenCV cannot encode a picture of shape {image.shape}")
    data = array("B")
    data.frombytes(encoded.data)
    return CompressedImage(header=head, format="bgr8; jpeg compressed bgr8", data=data)


def score_image(score_map: ScoreMap) -> np.ndarray:
    """`(H, W)` float32: the score of what is new, 0 where nothing was compared."""
    scores = score_map.scores[0, score_map.classes.index(ANOMALY)] * score_map.valid[0, 0]
    return scores.float().nan_to_num(0.0).clamp(0.0, 1.0).cpu().numpy()


def aligned_reference(result: Result) -> np.ndarray | None:
    """The reference in the query's pixels, `(H, W, 3)` uint8 BGR; None if nothing was aligned."""
    if result.alignment is None or result.alignment.laid is None:
        return None
    return to_image(result.alignment.laid.picture)


def alerts_message(alerts: Iterable[Alert], stamp_ns: int, frame_id: str) -> DiagnosticArray:
    """A status an alert: WARN while it is active, OK afterwards; `hardware_id` is the alert's id."""
    return DiagnosticArray(header=header(stamp_ns, frame_id), status=[_alert_status(alert) for alert in alerts])


def diagnostics_message(stamp_ns: int, name: str, level: int, message: str, values: dict[str, str]) -> DiagnosticArray:
    """One status for /diagnostics."""
    status = DiagnosticStatus(level=bytes([level]), name=name, message=message, hardware_id="umad_patrol", values=_pairs(values))
    return DiagnosticArray(header=header(stamp_ns, ""), status=[status])


def path_message(poses: np.ndarray, stamps_ns: Iterable[int], head: Header) -> Path:
    """Keyframe poses `(N, 4, 4)` map_T_camera as nav_msgs/Path."""
    return Path(header=head, poses=[PoseStamped(header=header(int(stamp), head.frame_id), pose=pose_message(pose))
                                    for pose, stamp in zip(poses, stamps_ns)])


def pose_message(T: np.ndarray) -> Pose:
    """A rigid motion `(4, 4)` as geometry_msgs/Pose."""
    x, y, z, w = (float(v) for v in se3.quat_xyzw(T))
    return Pose(position=_point(T[:3, 3]), orientation=Quaternion(x=x, y=y, z=z, w=w))


def camera_info_message(camera: Camera, head: Header) -> CameraInfo:
    """A camera that does not distort, as of the straightened picture that masks and overlays are of."""
    (fx, _, cx), (_, fy, cy), _ = (map(float, row) for row in camera.K)
    return CameraInfo(header=head, height=int(camera.height), width=int(camera.width), distortion_model="plumb_bob", d=[0.0] * 5,
                      k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0], r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
                      p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0])


class AlertMarkers:
    """Alerts as markers: a box and a label each, deleted when the alert clears. Every message holds all that is to be seen; the first one deletes
    what another node of this name, or this one before, has left on show.
    """

    def __init__(self, frame_id: str) -> None:
        self._frame_id = frame_id
        self._numbers: dict[str, int] = {}
        self._shown: set[str] | None = None

    def message(self, active: Iterable[Alert], stamp_ns: int) -> MarkerArray:
        """What to show now that exactly these are active."""
        active = list(active)
        for alert in active:
            self._numbers.setdefault(alert.id, len(self._numbers))
        head = header(stamp_ns, self._frame_id)
        markers = [Marker(header=head, action=Marker.DELETEALL)] if self._shown is None else []
        gone = (self._shown or set()) - {alert.id for alert in active}
        self._shown = {alert.id for alert in active}
        markers += [Marker(header=head, ns=ns, id=self._numbers[name], action=Marker.DELETE)
                   for name in sorted(gone) for ns in ("alerts", "labels")]
        for alert in active:
            markers += [_box(alert, self._numbers[alert.id], head), _label(alert, self._numbers[alert.id], head)]
        return MarkerArray(markers=markers)


def coverage_marker(places: np.ndarray, states: np.ndarray, head: Header) -> Marker:
    """Places `(N, 3)` as dots: green where it was compared, red where not, grey where nobody was yet (see alerts.coverage)."""
    step = max(1, -(-len(places) // _MOST_DOTS))
    return Marker(header=head, ns="coverage", id=0, type=Marker.SPHERE_LIST, action=Marker.ADD, scale=Vector3(x=0.15, y=0.15, z=0.15),
                  pose=Pose(orientation=Quaternion(w=1.0)), points=[_point(place) for place in places[::step]],
                  colors=[_DOTS[int(state)] for state in states[::step]], color=ColorRGBA(a=1.0))


@lru_cache(maxsize=1)
def vision_messages() -> Any:
    """The module vision_msgs.msg, or None where it is not installed."""
    try:
        import vision_msgs.msg as messages
    except ImportError:
        return None
    return messages


def detections_message(regions: Iterable[Region], head: Header, messages: Any) -> Any:
    """Regions as vision_msgs/Detection2DArray (vision_msgs 4, Humble and later)."""
    found = messages.Detection2DArray(header=head)
    for region in regions:
        x, y, width, height = region.box
        detection = messages.Detection2D(header=head)
        result = messages.ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = region.class_name, float(region.score)
        detection.results.append(result)
        detection.bbox.center.position.x, detection.bbox.center.position.y = x + (width - 1) / 2, y + (height - 1) / 2
        detection.bbox.size_x, detection.bbox.size_y = float(width), float(height)
        found.detections.append(detection)
    return found


def _alert_status(alert: Alert) -> DiagnosticStatus:
    level = DiagnosticStatus.WARN if alert.state == ACTIVE else DiagnosticStatus.OK
    return DiagnosticStatus(level=level, name=f"alert {alert.id}", message=alert_text(alert), hardware_id=alert.id,
                            values=_pairs(alert_values(alert)))


def _pairs(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=str(value)) for key, value in values.items()]


def _point(xyz: Iterable[float]) -> Point:
    x, y, z = (float(v) for v in xyz)
    return Point(x=x, y=y, z=z)


def _box(alert: Alert, number: int, head: Header) -> Marker:
    """A box that stands on the alert's place on the ground."""
    width, height = (max(float(v), _SMALLEST_M) for v in alert.size_m)
    x, y, z = alert.position
    return Marker(header=head, ns="alerts", id=number, type=Marker.CUBE, action=Marker.ADD, scale=Vector3(x=width, y=width, z=height),
                  pose=Pose(position=_point((x, y, z + height / 2)), orientation=Quaternion(w=1.0)), color=_colour(alert, 0.6))


def _label(alert: Alert, number: int, head: Header) -> Marker:
    x, y, z = alert.position
    above = z + max(float(alert.size_m[1]), _SMALLEST_M) + _TEXT_M
    return Marker(header=head, ns="labels", id=number, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, scale=Vector3(z=_TEXT_M),
                  pose=Pose(position=_point((x, y, above)), orientation=Quaternion(w=1.0)), color=_colour(alert, 1.0),
                  text=f"{alert.class_name} {alert.score:.2f}")


def _colour(alert: Alert, opacity: float) -> ColorRGBA:
    r, g, b = _COLOURS.get(alert.class_name, _COLOUR)
    return ColorRGBA(r=r, g=g, b=b, a=opacity)

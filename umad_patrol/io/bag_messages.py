"""Messages for recordings, made without ROS: any type from its fields, and the ones that are written often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from umad_patrol.errors import BagError
from umad_patrol.geometry import se3
from umad_patrol.records import Camera

TYPES = get_typestore(Stores.ROS2_JAZZY)
FLOAT32 = 7


def message(kind: str, fields: Mapping[str, Any] | None = None) -> Any:
    """A message of type `kind` ("nav_msgs/msg/Odometry") with `fields`, nested as dicts and lists; the rest is zero or empty.

    Raises BagError for a type or a field that there is not.
    """
    if kind not in TYPES.fielddefs:
        raise BagError(f"message type {kind!r} is unknown to ROS 2 Jazzy's common messages")
    fields = dict(fields or {})
    made = {name: _value(desc, fields.pop(name, None)) for name, desc in TYPES.fielddefs[kind][1]}
    if fields:
        raise BagError(f"{kind} has no field {sorted(fields)[0]!r}; it has {', '.join(made) or 'none'}")
    return TYPES.types[kind](**made)


def time_of(stamp_ns: int) -> dict[str, int]:
    """The fields of builtin_interfaces/Time."""
    return {"sec": int(stamp_ns) // 1_000_000_000, "nanosec": int(stamp_ns) % 1_000_000_000}


def header(stamp_ns: int, frame_id: str) -> dict[str, Any]:
    """The fields of std_msgs/Header."""
    return {"stamp": time_of(stamp_ns), "frame_id": frame_id}


def vector(xyz: np.ndarray) -> dict[str, float]:
    """The fields of a Point or Vector3."""
    x, y, z = (float(v) for v in xyz)
    return {"x": x, "y": y, "z": z}


def quaternion(T: np.ndarray) -> dict[str, float]:
    """The fields of the Quaternion that turns as `T` does."""
    x, y, z, w = (float(v) for v in se3.quat_xyzw(T))
    return {"x": x, "y": y, "z": z, "w": w}


def pose(T: np.ndarray) -> dict[str, Any]:
    """The fields of geometry_msgs/Pose for a rigid motion `(4, 4)`."""
    return {"position": vector(T[:3, 3]), "orientation": quaternion(T)}


def compressed_image(stamp_ns: int, frame_id: str, data: bytes, form: str = "jpeg") -> Any:
    """sensor_msgs/CompressedImage from encoded bytes."""
    return message(
        "sensor_msgs/msg/CompressedImage",
        {"header": header(stamp_ns, frame_id), "format": form, "data": np.frombuffer(data, np.uint8)},
    )


def image(stamp_ns: int, frame_id: str, picture: np.ndarray) -> Any:
    """sensor_msgs/Image from `(H, W, 3)` uint8 BGR, `(H, W)` uint8 or `(H, W)` float32."""
    picture = np.ascontiguousarray(picture)
    encodings = {(3, "uint8"): "bgr8", (2, "uint8"): "mono8", (2, "float32"): "32FC1"}
    encoding = encodings.get((picture.ndim, str(picture.dtype)))
    if encoding is None or (picture.ndim == 3 and picture.shape[2] != 3):
        raise BagError(f"a {picture.dtype} picture of shape {picture.shape} cannot be written; give bgr8, mono8 or 32FC1")
    return message(
        "sensor_msgs/msg/Image",
        {
            "header": header(stamp_ns, frame_id),
            "height": picture.shape[0],
            "width": picture.shape[1],
            "encoding": encoding,
            "step": picture.strides[0],
            "data": picture.reshape(-1).view(np.uint8),
        },
    )


def camera_info(stamp_ns: int, camera: Camera) -> Any:
    """sensor_msgs/CameraInfo of a camera; one without distortion is a plumb_bob of zeros, as drivers say it."""
    model, d = (camera.distortion_model, camera.distortion) if camera.distortion_model != "none" else ("plumb_bob", (0.0,) * 5)
    P = np.hstack([camera.K, np.zeros((3, 1))])
    return message(
        "sensor_msgs/msg/CameraInfo",
        {
            "header": header(stamp_ns, camera.frame_id),
            "height": camera.height,
            "width": camera.width,
            "distortion_model": model,
            "d": np.array(d, np.float64),
            "k": np.ascontiguousarray(camera.K, np.float64).reshape(-1),
            "r": np.eye(3).reshape(-1),
            "p": P.reshape(-1),
        },
    )


def odometry(stamp_ns: int, frame_id: str, child: str, T: np.ndarray, sigma_m: float, sigma_rad: float) -> Any:
    """nav_msgs/Odometry with equal standard deviations in all directions; the twist is left at zero."""
    covariance = np.diag(np.r_[np.full(3, sigma_m**2), np.full(3, sigma_rad**2)]).reshape(-1)
    return message(
        "nav_msgs/msg/Odometry",
        {"header": header(stamp_ns, frame_id), "child_frame_id": child, "pose": {"pose": pose(T), "covariance": covariance}},
    )


def point_cloud(stamp_ns: int, frame_id: str, points: np.ndarray) -> Any:
    """sensor_msgs/PointCloud2 of `(N, 4)` float32: x, y, z, intensity."""
    points = np.ascontiguousarray(points, np.float32)
    fields = [
        {"name": name, "offset": 4 * i, "datatype": FLOAT32, "count": 1} for i, name in enumerate(("x", "y", "z", "intensity"))
    ]
    return message(
        "sensor_msgs/msg/PointCloud2",
        {
            "header": header(stamp_ns, frame_id),
            "height": 1,
            "width": len(points),
            "fields": fields,
            "point_step": 16,
            "row_step": 16 * len(points),
            "data": points.reshape(-1).view(np.uint8),
            "is_dense": True,
        },
    )


def transforms(stamp_ns: int, parent_T_child: Mapping[tuple[str, str], np.ndarray]) -> Any:
    """tf2_msgs/TFMessage of `{(parent, child): (4, 4)}`."""
    found = [
        {
            "header": header(stamp_ns, parent),
            "child_frame_id": child,
            "transform": {"translation": vector(T[:3, 3]), "rotation": quaternion(T)},
        }
        for (parent, child), T in parent_T_child.items()
    ]
    return message("tf2_msgs/msg/TFMessage", {"transforms": found})


def _value(desc: tuple, given: Any) -> Any:
    node, inner = desc
    if node == Nodetype.NAME:
        return given if hasattr(given, "__msgtype__") else message(inner, given)
    if node == Nodetype.BASE:
        return _base(inner[0]) if given is None else given
    element, count = inner
    if element[0] == Nodetype.BASE and element[1][0] != "string":
        size = count if node == Nodetype.ARRAY else 0
        return np.zeros(size, _dtype(element[1][0])) if given is None else np.asarray(given, _dtype(element[1][0]))
    if given is None:
        return [_value(element, None) for _ in range(count if node == Nodetype.ARRAY else 0)]
    return [_value(element, item) for item in given]


def _base(name: str) -> Any:
    return {"string": "", "wstring": "", "bool": False}.get(name, 0.0 if name.startswith("float") else 0)


def _dtype(name: str) -> np.dtype:
    return np.dtype({"bool": np.bool_, "byte": np.uint8, "char": np.uint8, "octet": np.uint8}.get(name, name))

"""From ROS messages to records, by field names alone: serves what rosbags reads and what rclpy receives."""

from __future__ import annotations

from typing import Any

import numpy as np

from umad_patrol.errors import CameraError, ImageError, LocalizationError
from umad_patrol.geometry import se3
from umad_patrol.geometry.camera import COUNTS, check_camera
from umad_patrol.io.images import decode
from umad_patrol.io.raw_images import demosaiced, raw_to_bgr
from umad_patrol.records import Camera, Pose

_FLOAT32, _FLOAT64 = 7, 8
_COEFFICIENTS = 14  # no distortion model has more
_NAME = 200  # characters of a frame's name that are kept


def stamp_ns(header: Any) -> int:
    """The stamp of a std_msgs/Header in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def camera_from_info(msg: Any) -> Camera:
    """The camera of a sensor_msgs/CameraInfo, binning and region of interest applied to K. Raises CameraError."""
    width, height = int(msg.width), int(msg.height)
    if len(msg.d) > _COEFFICIENTS:
        raise CameraError(f"CameraInfo has {len(msg.d)} distortion coefficients; no model has more than {_COEFFICIENTS}")
    K = np.array(msg.k, dtype=np.float64).reshape(3, 3)
    if not K.any():
        raise CameraError(f"CameraInfo of {width}x{height} holds nothing but zeros: the camera is not calibrated; "
                          "publish a calibration or set input.camera_file")
    model, distortion = _distortion(str(msg.distortion_model), tuple(float(v) for v in msg.d))
    width, height, K = _read_out(msg, width, height, K)
    camera = Camera(width, height, K, model, distortion, frame_name(msg.header.frame_id))
    check_camera(camera)
    return camera


def info_key(msg: Any) -> tuple:
    """What tells one CameraInfo from another; cheap, and small even if the message is not."""
    roi = msg.roi
    return (msg.header.frame_id, msg.width, msg.height, msg.distortion_model, tuple(msg.d[:20]), len(msg.d), tuple(msg.k), msg.binning_x, msg.binning_y,
            roi.x_offset, roi.y_offset, roi.width, roi.height)


def pose_from(msg: Any) -> Pose:
    """The pose of an Odometry, PoseStamped or PoseWithCovarianceStamped at its stamp. Raises LocalizationError."""
    inner = getattr(msg.pose, "pose", msg.pose)
    return Pose(stamp_ns(msg.header), _matrix(inner.position, inner.orientation))


def sigmas_from(msg: Any) -> tuple[float, float] | None:
    """How unsure a pose is in x or y (metres) and in its heading (radians), as its covariance says; None where it says nothing.

    All zeros or a negative first element mean "unknown" (sensor_msgs/Imu has the second convention). What is no number is inf.
    """
    covariance = getattr(msg.pose, "covariance", None)
    if covariance is None:
        return None
    variances = np.asarray(covariance, dtype=np.float64).reshape(6, 6).diagonal()
    if variances[0] < 0 or not np.any(variances):
        return None
    x, y, heading = (float(np.sqrt(v)) if np.isfinite(v) and v >= 0 else np.inf for v in variances[[0, 1, 5]])
    return max(x, y), heading


def image_from(msg: Any, max_mpx: float) -> np.ndarray:
    """The picture of a sensor_msgs/Image or CompressedImage as `(H, W, 3)` uint8 BGR.

    Sizes are checked before memory is taken. Raises ImageError.
    """
    if hasattr(msg, "encoding"):
        return raw_to_bgr(msg.data, str(msg.encoding), int(msg.width), int(msg.height), int(msg.step), bool(msg.is_bigendian),
                          max_mpx)
    if "compressedDepth" in str(msg.format):
        raise ImageError(f"a depth picture ({msg.format!r}) cannot be compared; choose the topic of the colour camera")
    image = decode(bytes(msg.data), max_mpx, turned=False)   # CameraInfo is of the sensor's rows and columns
    encoding, _, how = str(msg.format).partition(";")
    return image if "bgr8" in how else demosaiced(image, encoding.strip())   # as it was compressed, it has its colours, grey ones by night


def cloud_from(msg: Any) -> np.ndarray:
    """The points of a sensor_msgs/PointCloud2 that are finite, `(N, 3)` float32 in its own frame. Raises ImageError."""
    fields = {str(f.name): f for f in msg.fields}
    missing = [name for name in "xyz" if name not in fields or int(fields[name].datatype) not in (_FLOAT32, _FLOAT64)]
    if missing:
        raise ImageError(f"PointCloud2 lacks {', '.join(missing)} as floating point; it has {', '.join(fields) or 'no fields'}")
    order, width, height = ">" if msg.is_bigendian else "<", int(msg.width), int(msg.height)
    step, row = int(msg.point_step), int(msg.row_step)
    formats = [f"{order}f{4 if int(fields[name].datatype) == _FLOAT32 else 8}" for name in "xyz"]
    offsets = [int(fields[name].offset) for name in "xyz"]
    ends = [offset + np.dtype(kind).itemsize for offset, kind in zip(offsets, formats)]
    data = np.frombuffer(msg.data, np.uint8)
    if max(ends) > step or width * step > row or height * row > data.size:
        raise ImageError(f"PointCloud2 of {width}x{height} points of {step} bytes does not fit in its {data.size} bytes")
    if width * height == 0:
        return np.zeros((0, 3), np.float32)
    kind = np.dtype({"names": list("xyz"), "formats": formats, "offsets": offsets, "itemsize": step})
    rows = np.ascontiguousarray(data[:height * row].reshape(height, row)[:, :width * step])
    points = rows.reshape(-1).view(kind)
    with np.errstate(over="ignore"):
        xyz = np.stack([points[name].astype(np.float32) for name in "xyz"], axis=1)
    return xyz[np.isfinite(xyz).all(axis=1)]


def transform_from(msg: Any) -> tuple[str, str, np.ndarray]:
    """Child, parent and `parent_T_child` of a geometry_msgs/TransformStamped. Raises LocalizationError for one that is none."""
    child, parent = frame_name(msg.child_frame_id), frame_name(msg.header.frame_id)
    try:
        return child, parent, _matrix(msg.transform.translation, msg.transform.rotation)
    except LocalizationError as error:
        raise LocalizationError(f"transform from {child!r} to {parent!r}: {error}") from error


def frame_name(name: Any) -> str:
    """A frame's name without the slash that ROS 1 wrote before it, and without what could not be shown in one line."""
    text = str(name)[:_NAME].lstrip("/")
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _matrix(position: Any, rotation: Any) -> np.ndarray:
    return se3.matrix((position.x, position.y, position.z), (rotation.x, rotation.y, rotation.z, rotation.w))


def _distortion(model: str, coefficients: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """Model and coefficients by the names of `records.Camera`; drivers leave the model empty or call it fisheye, and fill up with zeros."""
    model = {"": "none", "fisheye": "equidistant"}.get(model, model)
    if model == "none" and any(coefficients):
        raise CameraError(f"CameraInfo has coefficients {list(coefficients)}, but names no distortion model")
    most = COUNTS.get(model, (len(coefficients),))[-1]
    return model, coefficients if any(coefficients[most:]) else coefficients[:most]


def _read_out(msg: Any, width: int, height: int, K: np.ndarray) -> tuple[int, int, np.ndarray]:
    """K and size of the picture as it is read out: cropped first, then binned (sensor_msgs/CameraInfo)."""
    roi, bins = msg.roi, np.array([max(int(msg.binning_x), 1), max(int(msg.binning_y), 1)])
    size = np.array([int(roi.width) or width, int(roi.height) or height])
    corner = np.array([int(roi.x_offset), int(roi.y_offset)])
    if (corner + size > (width, height)).any():
        raise CameraError(f"CameraInfo has a region of interest of {size[0]}x{size[1]} at {corner.tolist()}, outside {width}x{height}")
    K = K.copy()
    K[:2, 2] = (K[:2, 2] - corner + 0.5) / bins - 0.5
    K[:2, :2] /= bins[:, None]
    return int(size[0] // bins[0]), int(size[1] // bins[1]), K

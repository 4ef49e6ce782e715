"""Camera models: checks, projection, undistortion, and their YAML."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from umad_patrol.errors import BAD_YAML, CameraError, said
from umad_patrol.records import Camera

# coefficient counts that OpenCV takes for each model of sensor_msgs/CameraInfo
COUNTS = {"none": (0,), "plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14), "equidistant": (4,)}
NO_BLACK_PX = 0.05     # beyond its border a picture is black: so far it does not show
MOST_SKEW_PX = 0.1     # less does not show: OpenCV knows none where a lens distorts
NOT_UPRIGHT = "the camera stands on its head, lies on its side or looks straight up or down"    # what `is_upright` denies, in words
MAX_ZOOM = 5.0  # a lens that would have to be magnified more to leave no black border is wrongly calibrated


def check_camera(camera: Camera, image_shape: tuple[int, ...] | None = None) -> None:
    """Raise CameraError unless the camera is usable and, where given, fits a picture of shape (H, W, ...)."""
    K = np.asarray(camera.K, dtype=np.float64)
    if camera.width <= 0 or camera.height <= 0:
        raise CameraError(f"camera size {camera.width}x{camera.height} is empty; is the camera calibrated?")
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise CameraError(f"camera matrix {K.tolist()} is not 3x3 and finite; is the camera calibrated?")
    if K[0, 0] <= 0 or K[1, 1] <= 0 or K[1, 0] != 0 or not np.allclose(K[2], [0, 0, 1]):
        raise CameraError(f"camera matrix {K.tolist()} is no pinhole matrix [fx s cx; 0 fy cy; 0 0 1]; is the camera calibrated?")
    if abs(K[0, 2] - camera.width / 2) > camera.width or abs(K[1, 2] - camera.height / 2) > camera.height:
        raise CameraError(f"principal point ({K[0, 2]:.1f}, {K[1, 2]:.1f}) lies far outside the {camera.width}x{camera.height} picture; "
                          "is the calibration that of this picture size?")
    _check_distortion(camera)
    if abs(K[0, 1]) > MOST_SKEW_PX and not is_pinhole(camera):
        raise CameraError(f"camera matrix has a skew of {K[0, 1]:g} px, which cannot be undistorted; calibrate the camera without skew")
    if image_shape is not None and tuple(image_shape[:2]) != (camera.height, camera.width):
        raise CameraError(f"image is {image_shape[1]}x{image_shape[0]}, its camera {camera.width}x{camera.height}; "
                          "give the calibration of this picture size")


def is_pinhole(camera: Camera) -> bool:
    """Whether the camera has no distortion. An equidistant lens with zero coefficients has: r = theta, not tan(theta)."""
    return camera.distortion_model != "equidistant" and not any(camera.distortion)


def project(camera_points: np.ndarray, camera: Camera) -> np.ndarray:
    """Pixels `(N, 2)` of points `(N, 3)` in camera coordinates; NaN behind the camera. Raises CameraError if it distorts."""
    _require_pinhole(camera)
    points = np.asarray(camera_points, dtype=np.float64).reshape(-1, 3)
    depth = np.where(points[:, 2] > 1e-9, points[:, 2], np.nan)
    return (points[:, :2] / depth[:, None]) @ camera.K[:2, :2].T + camera.K[:2, 2]


def rays(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Directions `(N, 3)` with z = 1, in camera coordinates, of pixels `(N, 2)`. Raises CameraError if it distorts."""
    _require_pinhole(camera)
    pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    return np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(camera.K).T


def horizon_row(camera: Camera, map_T_camera: np.ndarray, up: np.ndarray | tuple[float, ...] = (0.0, 0.0, 1.0)) -> float:
    """The highest row at which a pinhole camera sees the horizon of a plane with the normal `up` in `map` (level ground), at either side of the picture.

    -inf where the camera looks steeply down or up, so that no row can be told. What is seen there lies in the directions
    at right angles to `up`: up . K^-1 (x, y, 1) = 0.
    """
    up = np.linalg.inv(camera.K).T @ np.asarray(map_T_camera, np.float64)[:3, :3].T @ np.asarray(up, np.float64)
    if abs(up[1]) < abs(up[0]) or up[1] >= 0:   # the camera lies on its side or hangs upside down
        return -np.inf
    return float(min(-(up[2] + up[0] * x) / up[1] for x in (0, camera.width - 1)))


def is_upright(map_T_camera: np.ndarray) -> bool:
    """Whether what is lower in the picture is lower in `map`: the camera is rolled by less than 45 degrees."""
    across, down = np.asarray(map_T_camera, np.float64)[2, :2]
    return bool(-down > abs(across))


class Undistorter:
    """Turns pictures of a distorted camera into those of a pinhole camera without black borders.

    `camera` is that pinhole camera, of the same size. The maps are made once; a camera without distortion costs nothing.
    Raises CameraError for an unusable camera.
    """

    def __init__(self, camera: Camera) -> None:
        check_camera(camera)
        self.source = camera
        self._maps: tuple[np.ndarray, np.ndarray] | None = None
        if is_pinhole(camera):
            self.camera = _pinhole(camera, camera.K)
            return
        size, D = (camera.width, camera.height), np.array(camera.distortion, dtype=np.float64)
        if camera.distortion_model == "equidistant":
            K = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(camera.K, D, size, np.eye(3), balance=0.0)
            if not _sees_as_wide(K, camera) or (_sees_ahead(camera.K, size) and not _sees_ahead(K, size)):
                K = camera.K    # the lens sees at right angles or nearly, where OpenCV's tangents run off
            K = _filled(camera, K)
            self._maps = cv2.fisheye.initUndistortRectifyMap(camera.K, D, np.eye(3), K, size, cv2.CV_16SC2)
        else:
            K = _filled(camera, cv2.getOptimalNewCameraMatrix(camera.K, D, size, 0.0)[0])
            self._maps = cv2.initUndistortRectifyMap(camera.K, D, None, K, size, cv2.CV_16SC2)
        self.camera = _pinhole(camera, K)
        if not self._is_sound():
            raise CameraError(f"distortion {camera.distortion} of model {camera.distortion_model!r} folds the picture; "
                              "calibrate the camera again")

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Camera]:
        """The undistorted picture and its camera; the picture itself, not a copy, where there is no distortion."""
        if image.shape[:2] != (self.source.height, self.source.width):
            check_camera(self.source, image.shape)
        if self._maps is None:
            return image, self.camera
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR), self.camera

    def _is_sound(self) -> bool:
        """Whether the pinhole camera sees about as wide, and what the lens saw, nowhere folded over."""
        if not _sees_as_wide(self.camera.K, self.source):
            return False
        whole, parts = (m[::8, ::8] for m in self._maps)    # remap's fixed point: pixels, and 32nds of them in one number
        grid = whole + np.stack([parts % 32, parts // 32], axis=-1) / 32
        right, down = np.diff(grid, axis=1)[:-1], np.diff(grid, axis=0)[:, :-1]
        return bool((right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0] > 0).all())


def _sees_as_wide(K: np.ndarray, camera: Camera) -> bool:
    return bool(np.isfinite(K).all()) and all(1 / MAX_ZOOM < K[i, i] / camera.K[i, i] < MAX_ZOOM for i in (0, 1))


def _sees_ahead(K: np.ndarray, size: tuple[int, int]) -> bool:
    return bool(((K[:2, 2] >= 0) & (K[:2, 2] < size)).all())


def _filled(camera: Camera, K: np.ndarray) -> np.ndarray:
    """A pinhole camera's K, zoomed in until its whole picture lies within that of a lens that distorts: OpenCV's leaves corners black that bend far.

    Unchanged where no zoom of MAX_ZOOM is enough: the lens folds.
    """
    right, low = camera.width - 1, camera.height - 1
    across, down = np.arange(camera.width), np.arange(camera.height)
    border = np.concatenate([np.column_stack([across, 0 * across]), np.column_stack([across, 0 * across + low]),
                             np.column_stack([0 * down, down]), np.column_stack([0 * down + right, down])]).astype(np.float64)
    project = cv2.fisheye.projectPoints if camera.distortion_model == "equidistant" else cv2.projectPoints
    for zoom in 1.01 ** np.arange(math.ceil(math.log(MAX_ZOOM, 1.01))):
        zoomed = K * [[zoom, 1, 1], [1, zoom, 1], [1, 1, 1]]
        rays = np.column_stack([(border - zoomed[:2, 2]) / zoomed.diagonal()[:2], np.ones(len(border))])
        shown = project(rays[:, None], np.zeros(3), np.zeros(3), camera.K, np.array(camera.distortion, np.float64))[0].reshape(-1, 2)
        if (shown >= -NO_BLACK_PX).all() and (shown <= [right + NO_BLACK_PX, low + NO_BLACK_PX]).all():
            return zoomed
    return K


def camera_from_dict(data: Any, source: str = "camera") -> Camera:
    """A camera from the tree that `camera_to_dict` makes or that ROS' camera_calibration writes. Raises CameraError."""
    try:
        width, height = (int(data.get(name, data.get(f"image_{name}"))) for name in ("width", "height"))
        K = data["K"] if "K" in data else data["camera_matrix"]["data"]
        D = data["distortion"] if "distortion" in data else data.get("distortion_coefficients", {"data": ()})["data"]
        D = tuple(float(d) for d in D or ())
        model = str(data.get("distortion_model") or ("plumb_bob" if D else "none"))
        K = np.array(K, dtype=np.float64).reshape(3, 3)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CameraError(f"{source} lacks or misstates width, height, K, distortion_model, distortion "
                          f"({type(error).__name__}: {error}); see README") from error
    camera = Camera(width, height, K, model, D, str(data.get("frame_id", "camera")))
    try:
        check_camera(camera)
    except CameraError as error:
        raise CameraError(f"{source}: {error}") from error
    return camera


def camera_to_dict(camera: Camera) -> dict:
    """The camera as plain numbers and strings, for YAML or JSON."""
    return {"width": int(camera.width), "height": int(camera.height), "K": [float(k) for k in np.asarray(camera.K).ravel()],
            "distortion_model": camera.distortion_model, "distortion": [float(d) for d in camera.distortion],
            "frame_id": camera.frame_id}


def load_camera(path: str | Path) -> Camera:
    """A camera from a YAML file; ~ is the home folder, as no shell expands it within a setting. Raises CameraError naming the file."""
    try:
        data = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except BAD_YAML as error:
        raise CameraError(f"cannot read camera {str(path)!r}: {said(error)}") from error
    return camera_from_dict(data, f"camera {str(path)!r}")


def dump_camera(camera: Camera, path: str | Path) -> None:
    """Write the camera as YAML; beside first, then renamed."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(yaml.safe_dump(camera_to_dict(camera), sort_keys=False, default_flow_style=None), encoding="utf-8")
    beside.replace(target)


def _pinhole(camera: Camera, K: np.ndarray) -> Camera:
    return Camera(camera.width, camera.height, np.asarray(K, dtype=np.float64), "none", (), camera.frame_id)


def _require_pinhole(camera: Camera) -> None:
    if not is_pinhole(camera):
        raise CameraError(f"camera distorts ({camera.distortion_model} {camera.distortion}); undistort its pictures first")


def _check_distortion(camera: Camera) -> None:
    counts = COUNTS.get(camera.distortion_model)
    if counts is None:
        raise CameraError(f"unknown distortion model {camera.distortion_model!r}; known are {', '.join(COUNTS)}")
    if len(camera.distortion) not in counts:
        raise CameraError(f"{camera.distortion_model} takes {' or '.join(map(str, counts))} coefficients, not {len(camera.distortion)}")
    if not np.isfinite(camera.distortion).all():
        raise CameraError(f"distortion {camera.distortion} is not finite; is the camera calibrated?")

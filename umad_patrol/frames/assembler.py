"""Images, calibration, poses and transforms joined to frames: one way for live nodes and recordings."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from umad_patrol.config import Settings
from umad_patrol.errors import CameraError, ImageError, LocalizationError, PatrolError
from umad_patrol.frames.items import Cloud, Waiting
from umad_patrol.frames.doubt import doubt
from umad_patrol.frames.freshness import Freshness
from umad_patrol.frames.mounting import Mounting
from umad_patrol.geometry.camera import Undistorter, check_camera, load_camera
from umad_patrol.geometry.trajectory import JUMP_S, BackwardJump, PoseBuffer
from umad_patrol.io.messages import camera_from_info, cloud_from, frame_name, image_from, info_key, pose_from, stamp_ns
from umad_patrol.records import Camera, Frame, Pose

log = logging.getLogger(__name__)

LIVE_POSES = 2000  # ten seconds of a quick localization: a live picture that waits longer is refused
LOOK_S = 0.02  # how often is looked whether a picture has waited long enough
LONGEST = 400  # characters of a refusal: what a message says of itself may be long
WAITING, WAITING_BYTES = 1000, 200_000_000  # messages that may wait at once: JPEGs for half a minute, raw pictures for two seconds
BAD_POSE, BAD_CLOUD, BAD_TRANSFORM, OUT_OF_ORDER = "bad pose", "bad cloud", "bad transform", "out of order"


class FrameAssembler:
    """Takes messages in as they come and gives frames out once the poses around their stamps are known.

    A single bad message is never raised: it is counted in `refused` under its reason, with the last one in words in
    `last_refusal`, and the last one of each reason in `last_refusals`. Pictures stay encoded until they are taken, so one that is dropped is never decoded.

    `max_wait_s` is how long a picture waits for its pose (None: until there is one, or `take(final=True)`);
    `newest_only` drops whatever a newer picture replaces. `on_*` and `take` may run in different threads. Raises
    CameraError or ConfigError for unusable settings.
    """

    def __init__(self, settings: Settings, *, max_wait_s: float | None = None, newest_only: bool = False,
                 clock: Callable[[], float] = time.monotonic):
        self._input = settings.input
        self._max_wait_s, self._newest_only, self._clock = max_wait_s, newest_only, clock
        self._poses = PoseBuffer(LIVE_POSES) if newest_only else PoseBuffer()
        self._unsure: tuple[int, str] | None = None  # when there was no localization last, and why
        self._camera: Camera | None = load_camera(self._input.camera_file) if self._input.camera_file else None
        self._camera_message: tuple | None = None
        self._undistorter: Undistorter | None = None
        self._mounting = Mounting(self._input)
        self._body_frame = self._input.body_frame
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._newest_image_ns: int | None = None
        self._freshness = Freshness()
        self._changed = threading.Condition()
        self.images, self.dropped, self.resets = 0, 0, 0
        self._refused: Counter[str] = Counter()
        self.last_refusal = ""
        self.last_refusals: dict[str, str] = {}
        self.pose_frame = ""    # that the last pose says to be in
        self.assembly_s = 0.0  # of the last frame: mostly its decoding

    def on_camera_info(self, msg: Any) -> None:
        """A sensor_msgs/CameraInfo. A bad one is refused, the last good one stays."""
        key = info_key(msg)
        with self._changed:
            if key == self._camera_message:
                return
            try:
                self._camera = camera_from_info(msg)
                self._camera_message = key
            except (PatrolError, ValueError) as error:
                self._refuse(CameraError.reason, str(error))
            self._changed.notify_all()

    def on_pose(self, msg: Any) -> None:
        """An Odometry, PoseStamped or PoseWithCovarianceStamped."""
        with self._changed:
            try:
                pose = pose_from(msg)
                if pose.stamp_ns <= 0:  # taken for time that ran backwards it would have all begin anew
                    raise LocalizationError(f"pose has no stamp: its header says {pose.stamp_ns / 1e9:g} s; the localization must set header.stamp")
                unsure = doubt(msg, self._input)
                self.pose_frame = frame_name(msg.header.frame_id)
                self._body_frame = frame_name(getattr(msg, "child_frame_id", "")) or self._input.body_frame
            except LocalizationError as error:
                self._refuse(BAD_POSE, str(error))
                return
            if unsure:
                self.no_pose(pose.stamp_ns, f"localization at {pose.stamp_ns / 1e9:.3f} s {unsure}")
                self._refuse(LocalizationError.reason, self._unsure[1])
            else:
                self.add_pose(pose)

    def add_pose(self, pose: Pose) -> None:
        """A pose of the body in `map`, from wherever it comes."""
        with self._changed:
            try:
                try:
                    self._poses.append(pose)
                except BackwardJump as jump:
                    self._reset(str(jump))
                    self._poses.append(pose)
            except LocalizationError as error:
                self._refuse(BAD_POSE, str(error))
            self._look_what_is_ready()

    def no_pose(self, stamp_ns: int, why: str) -> None:
        """Say why there is no localization at an instant: pictures of about then are refused with that."""
        with self._changed:
            self._unsure = stamp_ns, why

    def on_image(self, msg: Any) -> None:
        """A sensor_msgs/Image or CompressedImage; it is kept as it is."""
        with self._changed:
            self.images += 1
            stamp = stamp_ns(msg.header)
            if stamp <= 0:
                self._refuse(ImageError.reason, f"image has no stamp: its header says {stamp / 1e9:g} s; the camera driver must set header.stamp")
                return
            newest = self._newest_image_ns
            if newest is not None and stamp < newest - JUMP_S * 1e9:
                self._reset(f"time ran backwards by {(newest - stamp) / 1e9:.3f} s to {stamp / 1e9:.3f} s; the poses before are forgotten")
            elif newest is not None and stamp <= newest:
                self._refuse(OUT_OF_ORDER, f"image at {stamp / 1e9:.3f} s came after the one at {newest / 1e9:.3f} s")
                return
            self._newest_image_ns = stamp
            self._wait(Waiting(stamp, msg, self._clock(), is_cloud=False))

    def on_cloud(self, msg: Any) -> None:
        """A sensor_msgs/PointCloud2."""
        with self._changed:
            self._wait(Waiting(stamp_ns(msg.header), msg, self._clock(), is_cloud=True))

    def on_transforms(self, msg: Any) -> None:
        """The tf2_msgs/TFMessage of /tf_static."""
        with self._changed:
            for transform in msg.transforms:    # a robot's joints come in one message: a bad one spoils no other
                try:
                    self._mounting.add(transform)
                except LocalizationError as error:
                    self._refuse(BAD_TRANSFORM, str(error))
            self._changed.notify_all()

    @property
    def refused(self) -> Counter[str]:
        """How many messages were refused so far, by reason; a copy."""
        with self._changed:
            return Counter(self._refused)

    @property
    def camera(self) -> Camera | None:
        """The last usable calibration, with its distortion."""
        return self._camera

    def retune(self, settings: Settings) -> None:
        """Go by other limits (`input.max_*`) from now on."""
        with self._changed:
            self._input = settings.input
            self._max_wait_s = None if self._max_wait_s is None else settings.input.max_wait_s

    def refuse(self, reason: str, message: str) -> None:
        """Count a message that could not even be read."""
        with self._changed:
            self._refuse(reason, message)

    def body_T_camera(self, camera_frame: str = "", body_frame: str = "") -> np.ndarray:
        """`(4, 4)` from the settings, else from the transforms; empty names are those of the last messages. Raises LocalizationError."""
        if not camera_frame and self._camera is not None:
            camera_frame = self._camera.frame_id
        return self._mounting.body_T_camera(body_frame or self._body_frame, camera_frame)

    def take(self, wait_s: float = 0.0, final: bool = False) -> Frame | Cloud | None:
        """The next frame or cloud that is ready, after at most `wait_s`; None if there is none.

        `final` says that no more poses will come: whatever waits is given out or refused.
        """
        end = time.monotonic() + wait_s
        while True:
            with self._changed:
                resets = self.resets
                item = self._next_ready(final)
                while item is None:
                    left = end - time.monotonic()
                    if left <= 0:
                        return None
                    self._changed.wait(min(left, self._freshness.wait_s(self._clock()) or LOOK_S if self._waiting else left))
                    resets = self.resets
                    item = self._next_ready(final)
            begun = time.perf_counter()
            record = self._assembled(item)
            self.assembly_s = time.perf_counter() - begun
            if self.resets != resets:
                record = None   # the clock jumped meanwhile: it is of another time
            if record is not None or (wait_s and time.monotonic() >= end):
                return record

    def _wait(self, item: Waiting) -> None:
        self._waiting.append(item)
        self._waiting_bytes += item.size
        while len(self._waiting) > WAITING or (self._waiting_bytes > WAITING_BYTES and len(self._waiting) > 1):
            oldest = self._pop(0)
            if self._is_ready(oldest):
                self.dropped += 1  # whoever takes the frames is too slow
            else:
                kind, reason = ("cloud", BAD_CLOUD) if oldest.is_cloud else ("image", LocalizationError.reason)
                self._refuse(reason, f"{kind} at {oldest.stamp_ns / 1e9:.3f} s gave up its place to newer ones: no "
                             "pose reaches so far; is the localization topic running, by the same clock?")
        self._look_what_is_ready()

    def _look_what_is_ready(self) -> None:
        if self._newest_only:
            newest = next((item for item in reversed(self._waiting) if self._is_ready(item)), None)
            if newest is not None:
                self._freshness.ready(newest.stamp_ns, self._clock())
        self._changed.notify_all()

    def _pop(self, index: int) -> Waiting:
        item = self._waiting[index]
        del self._waiting[index]
        self._waiting_bytes -= item.size
        return item

    def _next_ready(self, final: bool) -> Waiting | None:
        ready = [i for i, item in enumerate(self._waiting) if final or self._is_ready(item)]
        if not ready:
            return None
        if not self._newest_only:
            return self._pop(ready[0])
        if not final and self._freshness.wait_s(self._clock()) > 0:
            return None
        for _ in range(ready[-1]):
            self._pop(0)
            self.dropped += 1
        return self._pop(0)

    def _is_ready(self, item: Waiting) -> bool:
        newest = self._poses.newest_ns
        if newest is not None and newest >= item.stamp_ns and (item.is_cloud or self._camera is not None):
            return True
        return self._max_wait_s is not None and self._clock() - item.arrived_s >= self._max_wait_s

    def _assembled(self, item: Waiting) -> Frame | Cloud | None:
        try:
            map_T_body = self._pose_at(item.stamp_ns)
            return self._cloud(item, map_T_body) if item.is_cloud else self._frame(item, map_T_body)
        except PatrolError as error:
            reason = BAD_CLOUD if item.is_cloud else error.reason
            with self._changed:
                self._refuse(reason, str(error))
            return None

    def _pose_at(self, stamp: int) -> np.ndarray:
        limits = self._input
        try:
            return self._poses.at(stamp, limits.max_pose_gap_s, limits.max_extrapolation_s, limits.max_speed_mps)
        except LocalizationError as error:
            if self._unsure is not None and abs(stamp - self._unsure[0]) < 2e9:
                raise LocalizationError(f"{self._unsure[1]}; {error}") from error
            raise

    def _frame(self, item: Waiting, map_T_body: np.ndarray) -> Frame:
        camera = self._camera
        if camera is None:
            raise CameraError(f"image at {item.stamp_ns / 1e9:.3f} s has no camera: no usable CameraInfo has come; is the camera_info "
                              "topic running? or set input.camera_file")
        map_T_camera = map_T_body @ self.body_T_camera(frame_name(item.msg.header.frame_id))
        image = image_from(item.msg, self._input.max_image_mpx)
        check_camera(camera, image.shape)  # before the undistorter takes memory for its size
        if self._undistorter is None or self._undistorter.source is not camera:
            self._undistorter = Undistorter(camera)
        image, pinhole = self._undistorter(image)
        frame_id = frame_name(item.msg.header.frame_id)
        if frame_id and frame_id != pinhole.frame_id:  # the picture knows best what it is of
            pinhole = replace(pinhole, frame_id=frame_id)
        return Frame(item.stamp_ns, image, pinhole, map_T_camera)

    def _cloud(self, item: Waiting, map_T_body: np.ndarray) -> Cloud:
        map_T_lidar = map_T_body @ self._mounting.body_T_lidar(self._body_frame, frame_name(item.msg.header.frame_id))
        points = cloud_from(item.msg).astype(np.float64) @ map_T_lidar[:3, :3].T + map_T_lidar[:3, 3]
        return Cloud(item.stamp_ns, points.astype(np.float32))

    def _reset(self, message: str) -> None:
        self.resets += 1
        self._poses.clear()
        self._unsure = None
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._newest_image_ns = None
        self._freshness.reset()
        self._refuse(BackwardJump.reason, message)

    def _refuse(self, reason: str, message: str) -> None:
        self._refused[reason] += 1
        self.last_refusal = self.last_refusals[reason] = message = " ".join(message.split())[:LONGEST]
        log.debug("%s: %s", reason, message)

"""A recording as frames and clouds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from umad_patrol.config import Settings
from umad_patrol.errors import BagError, CameraError, ImageError, LocalizationError, PatrolError
from umad_patrol.frames.assembler import BAD_CLOUD, BAD_POSE, BAD_TRANSFORM, FrameAssembler
from umad_patrol.frames.items import Cloud
from umad_patrol.io import bags
from umad_patrol.io.messages import camera_from_info, frame_name
from umad_patrol.records import Camera, Frame

STATIC_TRANSFORMS = "/tf_static"
DROPPED = "waited for a pose as time ran backwards"


class Recording:
    """A recording as frames, and clouds where they are asked for, in the order of time.

    `expected_frames` is how many pictures it holds, `pose_frame` what its first pose says to be in, `cloud_doubt` why no LiDAR is read although
    there seems to be one (else empty), `skipped` counts what was refused by reason so far,
    `last_reason` says the last one in words and `reasons` the last one of each reason; of pictures that no pose follows, as at the end of a
    recording, only where nothing else was refused for that. Raises BagError if it lacks pictures, poses or a calibration, or if it
    cannot say where the camera sits.
    """

    def __init__(self, path: str | Path, settings: Settings):
        self.path, self._settings = Path(path), settings
        topics = settings.input
        with bags.open_bag(self.path) as bag:
            self.expected_frames = bag.require(topics.image_topic, bags.IMAGES, "input.image_topic").count
            bag.require(topics.localization_topic, bags.POSES, "input.localization_topic", "record the localization, as /tf alone is not read offline")
            if not topics.camera_file:
                bag.require(topics.camera_info_topic, bags.CAMERA_INFO, "input.camera_info_topic", "set input.camera_file to a calibration")
            self._assembler = FrameAssembler(settings)
            self._before_end: dict[str, str] = {}
            self._last_before_end = ""
            self._prepare(bag)
            self.cloud_doubt = _cloud_doubt(bag, topics.cloud_topic)

    @property
    def skipped(self) -> dict[str, int]:
        waited = {DROPPED: self._assembler.dropped} if self._assembler.dropped else {}
        return {**self._assembler.refused, **waited}

    @property
    def last_reason(self) -> str:
        return self._last_before_end or self._assembler.last_refusal

    @property
    def reasons(self) -> dict[str, str]:
        return {**self._assembler.last_refusals, **self._before_end}

    @property
    def camera(self) -> Camera | None:
        """The calibration of its pictures, with its distortion."""
        return self._assembler.camera

    @property
    def resets(self) -> int:
        """How often time ran backwards so far."""
        return self._assembler.resets

    def frames(self) -> Iterator[Frame]:
        """Every frame, once; clouds are not read. Raises BagError where the recording is damaged."""
        return self._events(clouds=False)

    def events(self) -> Iterator[Frame | Cloud]:
        """Every frame and cloud, once. Raises BagError where the recording is damaged."""
        return self._events(clouds=True)

    def _events(self, clouds: bool) -> Iterator[Frame | Cloud]:
        topics = self._settings.input
        handlers = {topics.image_topic: (self._assembler.on_image, ImageError.reason),
                    topics.localization_topic: (self._assembler.on_pose, BAD_POSE)}
        with bags.open_bag(self.path) as bag:
            if bag.has(topics.camera_info_topic, bags.CAMERA_INFO):
                handlers[topics.camera_info_topic] = (self._assembler.on_camera_info, CameraError.reason)
            if clouds and topics.cloud_topic and bag.has(topics.cloud_topic, bags.CLOUDS):
                handlers[topics.cloud_topic] = (self._assembler.on_cloud, BAD_CLOUD)
            for topic, _, raw in bag.messages(tuple(handlers)):
                self._hand_over(bag, topic, raw, *handlers[topic])
                yield from self._ready(final=False)
        self._before_end, self._last_before_end = dict(self._assembler.last_refusals), self._assembler.last_refusal
        yield from self._ready(final=True)

    def _ready(self, final: bool) -> Iterator[Frame | Cloud]:
        while (record := self._assembler.take(final=final)) is not None:
            yield record

    def _prepare(self, bag: bags.Bag) -> None:
        """Transforms and calibration first: a recording that cannot be used says so at once."""
        if bag.has(STATIC_TRANSFORMS, bags.TRANSFORMS):
            for topic, _, raw in bag.messages((STATIC_TRANSFORMS,)):
                self._hand_over(bag, topic, raw, self._assembler.on_transforms, BAD_TRANSFORM)
        topics, assembler = self._settings.input, self._assembler
        if bag.has(topics.camera_info_topic, bags.CAMERA_INFO):     # else the pictures before it would be of camera_file
            try:
                assembler.on_camera_info(self._first(bag, topics.camera_info_topic, camera_from_info))
            except PatrolError:
                if assembler.camera is None:
                    raise
        pose, image = (self._first(bag, topic) for topic in (topics.localization_topic, topics.image_topic))
        self.pose_frame = frame_name(pose.header.frame_id)
        try:
            assembler.body_T_camera(frame_name(image.header.frame_id), frame_name(getattr(pose, "child_frame_id", "")))
        except LocalizationError as error:
            raise BagError(f"recording {self.path}: {error}") from error

    def _hand_over(self, bag: bags.Bag, topic: str, raw: bytes, handle: Callable[[Any], None], reason: str) -> None:
        try:
            handle(bag.decode(topic, raw))
        except BagError as error:
            self._assembler.refuse(reason, str(error))

    def _first(self, bag: bags.Bag, topic: str, read: Callable[[Any], Any] = lambda message: message) -> Any:
        """The first message on a topic that can be read; those before it are counted when their turn comes. Raises PatrolError where there is none."""
        wrong: PatrolError = BagError("its metadata.yaml counts messages there that the files beside it do not hold; `ros2 bag reindex` writes that anew")
        for _, _, raw in bag.messages((topic,)):
            try:
                message = bag.decode(topic, raw)
                read(message)
                return message
            except PatrolError as error:
                wrong = error
        raise type(wrong)(f"recording {self.path} has no usable message on {topic!r}: {wrong}") from wrong


def _cloud_doubt(bag: bags.Bag, topic: str) -> str:
    if not topic or bag.has(topic, bags.CLOUDS) or not (topic in bag.topics or bag.fitting(bags.CLOUDS)):
        return ""
    try:
        bag.require(topic, bags.CLOUDS, "input.cloud_topic", "leave it empty")
    except BagError as error:
        return f"no LiDAR is read: {error}"
    return ""

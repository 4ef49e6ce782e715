"""A recording as frames and clouds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from umad_patrol.config import Settings
from umad_patrol.errors import BagError, CameraError, ImageError, LocalizationError
from umad_patrol.frames.assembler import BAD_CLOUD, BAD_POSE, FrameAssembler
from umad_patrol.frames.items import Cloud
from umad_patrol.io import bags
from umad_patrol.io.messages import frame_name
from umad_patrol.records import Frame

STATIC_TRANSFORMS = "/tf_static"
DROPPED = "waited for a pose as time ran backwards"


class Recording:
    """A recording as frames and clouds, in the order of time.

    `expected_frames` is how many pictures it holds, `pose_frame` what its first pose says to be in, `skipped` counts what was refused by reason so far and
    `last_reason` says the last one in words. Raises BagError if it lacks pictures, poses or a calibration, or if it
    cannot say where the camera sits.
    """

    def __init__(self, path: str | Path, settings: Settings):
        self.path, self._settings = Path(path), settings
        topics = settings.input
        with bags.open_bag(self.path) as bag:
            self.expected_frames = bag.require(topics.image_topic, bags.IMAGES, "input.image_topic").count
            bag.require(topics.localization_topic, bags.POSES, "input.localization_topic")
            if not topics.camera_file:
                bag.require(topics.camera_info_topic, bags.CAMERA_INFO, "input.camera_info_topic (or input.camera_file)")
            self._assembler = FrameAssembler(settings)
            self._prepare(bag)

    @property
    def skipped(self) -> dict[str, int]:
        waited = {DROPPED: self._assembler.dropped} if self._assembler.dropped else {}
        return {**self._assembler.refused, **waited}

    @property
    def last_reason(self) -> str:
        return self._assembler.last_refusal

    @property
    def resets(self) -> int:
        """How often time ran backwards so far."""
        return self._assembler.resets

    def events(self) -> Iterator[Frame | Cloud]:
        """Every frame and cloud, once. Raises BagError where the recording is damaged."""
        topics = self._settings.input
        handlers = {topics.image_topic: (self._assembler.on_image, ImageError.reason),
                    topics.localization_topic: (self._assembler.on_pose, BAD_POSE),
                    topics.camera_info_topic: (self._assembler.on_camera_info, CameraError.reason)}
        with bags.open_bag(self.path) as bag:
            if topics.cloud_topic and bag.has(topics.cloud_topic, bags.CLOUDS):
                handlers[topics.cloud_topic] = (self._assembler.on_cloud, BAD_CLOUD)
            for topic, _, raw in bag.messages(tuple(handlers)):
                handle, reason = handlers[topic]
                try:
                    handle(bag.decode(topic, raw))
                except BagError as error:
                    self._assembler.refuse(reason, str(error))
                yield from self._ready(final=False)
        yield from self._ready(final=True)

    def _ready(self, final: bool) -> Iterator[Frame | Cloud]:
        while (record := self._assembler.take(final=final)) is not None:
            yield record

    def _prepare(self, bag: bags.Bag) -> None:
        """Transforms and calibration first: a recording that cannot be used says so at once."""
        if bag.has(STATIC_TRANSFORMS, bags.TRANSFORMS):
            for topic, _, raw in bag.messages((STATIC_TRANSFORMS,)):
                self._assembler.on_transforms(bag.decode(topic, raw))
        topics, assembler = self._settings.input, self._assembler
        if assembler.camera is None:
            for topic, _, raw in bag.messages((topics.camera_info_topic,)):
                assembler.on_camera_info(bag.decode(topic, raw))
                if assembler.camera is not None:
                    break
            else:
                raise CameraError(f"recording {self.path}: {assembler.last_refusal}")
        pose, image = (bag.decode(topic, next(bag.messages((topic,)))[2]) for topic in (topics.localization_topic, topics.image_topic))
        self.pose_frame = frame_name(pose.header.frame_id)
        try:
            assembler.body_T_camera(frame_name(image.header.frame_id), frame_name(getattr(pose, "child_frame_id", "")))
        except LocalizationError as error:
            raise BagError(f"recording {self.path}: {error}") from error

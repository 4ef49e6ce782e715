"""A recording through the pipeline, frame by frame: what `teach`, `replay` and `calibrate` have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from tqdm import tqdm

from umad_patrol.config import Settings
from umad_patrol.errors import BagError
from umad_patrol.frames import Recording
from umad_patrol.frames.doubt import camera_doubt, frame_doubt, rectified_doubt
from umad_patrol.records import Frame, Result

if TYPE_CHECKING:   # `teach` needs no torch
    from umad_patrol.pipeline import Pipeline
    from umad_patrol.reference.map import ReferenceMap

MAP_FRAME = "map"   # as the nodes have it by default
log = logging.getLogger(__name__)


def warn_of_doubts(recording: Recording, settings: Settings) -> None:
    """Say if the poses of a recording are of another frame than a map's, as the nodes do: odometry that drifts is in no map; and if its pictures are rectified already."""
    for doubt in frame_doubt(recording.pose_frame, MAP_FRAME), rectified_doubt(settings.input.image_topic, recording.camera):
        if doubt:
            log.warning("%s", doubt)


def check_frames(bag: str, settings: Settings, reference_map: ReferenceMap) -> None:
    """Raise BagError where no frame of a recording can be used, before anything is made for its results; say if its camera is none of the map's."""
    recording = Recording(bag, settings)
    first = next(recording.frames(), None)
    if first is None:
        raise BagError(f"no frame of {bag!r} could be used; last: {recording.last_reason or 'none came'}")
    if doubt := camera_doubt(first.camera, [run.camera for run in reference_map.info.runs]):
        log.warning("%s", doubt)


def print_counts(what: str, counts: Mapping[str, int], reasons: Mapping[str, str]) -> None:
    """How often something was `what` ("left out") for each reason, with the last time in words."""
    for reason, count in counts.items():
        words = reasons.get(reason, "").removeprefix(f"{reason}: ")
        print(f"  {what}: {count} x {reason}" + (f"; last: {words}" if words else ""))


def results_of(recording: Recording, pipeline: Pipeline, says: str = "patrol", seen: Callable[[Frame], Frame] = lambda frame: frame) -> Iterator[Result]:
    """The result of every frame of a recording, as `seen`, in the order of time, with a progress bar that `says` what goes on.

    Where time runs backwards the pipeline forgets what depends on it. Raises BagError where the recording is damaged.
    """
    resets = 0
    for frame in tqdm(recording.frames(), total=recording.expected_frames, unit="frame", desc=says, disable=None):
        if recording.resets != resets:
            resets = recording.resets
            pipeline.reset_time()
        yield pipeline.process(seen(frame))

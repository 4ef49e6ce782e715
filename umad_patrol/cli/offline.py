"""A recording through the pipeline, frame by frame: what `replay` and `calibrate` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tqdm import tqdm

from umad_patrol.config import Settings
from umad_patrol.errors import BagError
from umad_patrol.frames import Recording
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import Frame, Result


def check_frames(bag: str, settings: Settings) -> None:
    """Raise BagError where no frame of a recording can be used: before anything is made for its results."""
    recording = Recording(bag, settings)
    if not any(isinstance(event, Frame) for event in recording.events()):   # stops at the first
        raise BagError(f"no frame of {bag!r} could be used; last: {recording.last_reason or 'none came'}")


def results_of(recording: Recording, pipeline: Pipeline, says: str = "patrol", seen: Callable[[Frame], Frame] = lambda frame: frame) -> Iterator[Result]:
    """The result of every frame of a recording, as `seen`, in the order of time, with a progress bar that `says` what goes on.

    Where time runs backwards the pipeline forgets what depends on it. Raises BagError where the recording is damaged.
    """
    frames = (event for event in recording.events() if isinstance(event, Frame))
    resets = 0
    for frame in tqdm(frames, total=recording.expected_frames, unit="frame", desc=says, disable=None):
        if recording.resets != resets:
            resets = recording.resets
            pipeline.reset_time()
        yield pipeline.process(seen(frame))

"""Build a reference map from a recording of the route when nothing unusual is there.

MAP is a folder that is made, or a map that gains a further run of the same route (noon, dusk). The recording needs
images, camera calibration and poses in the map; with LiDAR the map also gets a cloud and fitted ground planes.

example: umad-patrol teach teach_bag map --run noon
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter

from tqdm import tqdm

from umad_patrol.align.features import extract
from umad_patrol.cli.inspect import print_summary, summary
from umad_patrol.cli.main import settings_of
from umad_patrol.cli.offline import print_counts, warn_of_doubts
from umad_patrol.config import with_values
from umad_patrol.errors import MapError, PatrolError
from umad_patrol.frames import Recording
from umad_patrol.records import Frame
from umad_patrol.reference.teach import Teacher, existing_map

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """BAG MAP [--run NAME]."""
    parser.add_argument("bag", metavar="BAG", help="recording of the route (rosbag2 folder or .mcap)")
    parser.add_argument("map", metavar="MAP", help="folder for the map; may be a map that gains a run")
    parser.add_argument("--run", metavar="NAME", dest="run_name", help="name of this run in the map (default: made from its first stamp)")


def run(args: argparse.Namespace) -> dict:
    """Teach the map. Returns its summary with what was left out of the recording."""
    settings = settings_of(args)
    if args.run_name is not None:
        settings = with_values(settings, {"teach.run": args.run_name})
    before = existing_map(args.map, settings.teach.run)  # refuse now, not after the whole recording
    recording = Recording(args.bag, settings)
    warn_of_doubts(recording, settings)
    if recording.cloud_doubt:
        log.warning("%s", recording.cloud_doubt)
    teacher = Teacher(settings, lambda image: extract(image, settings.align), before.runs if before is not None else ())
    refused: Counter[str] = Counter()
    last_reason, reasons = "", {}
    with tqdm(total=recording.expected_frames, unit="frame", desc="teach", disable=None) as bar:
        for event in recording.events():
            try:
                if isinstance(event, Frame):
                    bar.update()
                    teacher.add_frame(event)
                else:
                    teacher.add_cloud(event.points)
            except MapError:    # the run is there already, or a keyframe or the cloud cannot be kept: a map with gaps is none, and the recording can be taught again
                teacher.close()
                raise
            except PatrolError as error:
                refused[error.reason] += 1
                last_reason = reasons[error.reason] = str(error)
    refused.update(recording.skipped)
    reasons = recording.reasons | reasons
    try:
        reference_map = teacher.save(args.map)
    except PatrolError as error:
        if teacher.keyframes or not refused:
            raise
        raise type(error)(f"{error} ({', '.join(f'{n} x {reason}' for reason, n in refused.items())}; "
                          f"last: {last_reason or recording.last_reason})") from error
    finally:
        teacher.close()
    found = {"frames": teacher.frames, "refused": dict(refused), "reasons": reasons, **summary(reference_map)}
    print(f"{teacher.frames} frames, {teacher.keyframes} keyframes in run {teacher.run!r}")
    print_counts("left out", refused, reasons)
    print_summary(found)
    return found

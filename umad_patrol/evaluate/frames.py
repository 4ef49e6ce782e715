"""How well the frames of a simulated patrol are compared: each as on the robot, with all its references and the poses that it believes.

example: umad-patrol evaluate frames world/patrol --map map --truth world/truth --every 4

world is what `simulate` made, map what `teach` made of world/teach. Figures are those of `evaluate detection`, and how many of the
anomalies over 12 px in height are found. A frame without a comparable reference counts with an empty mask.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from umad_patrol.cli.main import settings_of
from umad_patrol.config import Settings
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate import metrics
from umad_patrol.evaluate.compare import Compared, anomaly_scores
from umad_patrol.evaluate.detection import Tally, Truth, drawn, sweep_table, swept, tally
from umad_patrol.evaluate.patrol_pairs import MASKS, below_row
from umad_patrol.evaluate.umad_data import read_labels
from umad_patrol.frames import Recording
from umad_patrol.geometry.camera import horizon_row
from umad_patrol.io.files import check_folder
from umad_patrol.io.images import write_image
from umad_patrol.pipeline import Pipeline
from umad_patrol.records import Frame
from umad_patrol.reference.map import ReferenceMap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recording, its map and its truth."""
    parser.add_argument("patrol", metavar="BAG", help="recording of a simulated patrol")
    parser.add_argument("--map", required=True, metavar="MAP", help="the reference map that `teach` made of its route")
    parser.add_argument("--truth", required=True, metavar="DIR", help="the truth/ that `simulate` wrote")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every so many-th frame (default 1)")
    parser.add_argument("--out", metavar="DIR", help="write an overlay a frame: found in red, anomalies outlined green, people and the like blue")
    parser.add_argument("--sweep", action="store_true", help="a line a threshold and how far down regions spread from it, as `evaluate detection` does")


def run(args: argparse.Namespace) -> dict:
    """Score, print, write the overlays; returns what `evaluate_frames` does."""
    if args.every < 1:
        raise DatasetError(f"--every {args.every}: must be 1 or more")
    if args.sweep and args.out:
        raise DatasetError("--sweep has no one mask to draw; leave out --out")
    masks = Path(args.truth) / MASKS
    if not masks.is_dir():
        raise DatasetError(f"{masks} is no folder; give the truth/ that `simulate` wrote")
    settings = settings_of(args)
    check_folder("--out", args.out, DatasetError)
    frames = SimulatedFrames(Recording(args.patrol, settings), ReferenceMap.load(args.map), masks, settings, args.every)
    result = evaluate_frames(frames, args.sweep, Path(args.out) if args.out else None)
    print(sweep_table(result) if args.sweep else summary(result))
    return result


@dataclass(frozen=True, eq=False)
class SimulatedFrames:
    """Every so many-th frame of a patrol for which there is a mask `masks/STAMP.png` in UMAD's bits."""

    recording: Recording
    reference_map: ReferenceMap
    masks: Path
    settings: Settings
    every: int = 1

    def compared(self) -> Iterator[tuple[Frame, Compared, Truth]]:
        """Each frame with what was found in it and what is known of it."""
        pipeline = Pipeline(self.reference_map, self.settings)
        frames = self.recording.frames()
        try:
            for number, frame in enumerate(tqdm(frames, "comparing", self.recording.expected_frames, unit="frame", disable=None)):
                labels = self.masks / f"{frame.stamp_ns}.png"
                if number % self.every == 0 and labels.is_file():
                    yield self._one(frame, pipeline, read_labels(labels))
        finally:
            pipeline.close()

    def _one(self, frame: Frame, pipeline: Pipeline, labels: np.ndarray) -> tuple[Frame, Compared, Truth]:
        size = frame.image.shape[:2]
        if labels.shape != size:
            raise DatasetError(f"{self.masks / f'{frame.stamp_ns}.png'} is {labels.shape[1]}x{labels.shape[0]}, the frame {size[1]}x{size[0]}")
        start = time.perf_counter()
        found = pipeline.process(frame)
        milliseconds = (time.perf_counter() - start) * 1e3
        valid = np.ones(size, bool) if found.score_map is None else found.score_map.valid[0, 0].cpu().numpy()
        below = below_row(horizon_row(frame.camera, frame.map_T_camera), size)
        compared = Compared(found.mask, found.regions, anomaly_scores(found.score_map, size), found.alignment, milliseconds, found.score_map)
        return frame, compared, Truth(labels, valid, metrics.counted(valid, below))


def evaluate_frames(frames: SimulatedFrames, sweep: bool = False, out: Path | None = None) -> dict:
    """The figures of all frames together, or those at each of SWEPT thresholds. Raises DatasetError where there is no frame to score."""
    counts = {"frames": 0, "compared": 0}
    total = Tally()

    def cases() -> Iterator[tuple[Frame, Compared, Truth]]:
        for frame, found, truth in frames.compared():
            counts["frames"] += 1
            counts["compared"] += found.score_map is not None
            yield frame, found, truth

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    rows = swept(((found, truth) for _, found, truth in cases()), frames.settings.detect) if sweep else []
    for frame, found, truth in () if sweep else cases():
        total += tally(found, truth)
        if out is not None:
            write_image(out / f"{frame.stamp_ns}.png", drawn(frame.image, found, truth))
    if not counts["frames"]:
        raise DatasetError(f"no frame of {frames.recording.path} has its mask in {frames.masks}")
    return {**counts, "every": frames.every, **({"sweep": rows} if sweep else {"total": total.row(), "false_in_all": total.regions.false})}


def summary(result: dict) -> str:
    """What is printed."""
    row = result["total"]
    recall = f" ({row['tall_found'] / row['tall']:.2f})" if row["tall"] else ""
    figures = " ".join(f"{name} {'-' if row[key] is None else format(row[key], '.2f')}" for name, key in
                       (("F1", "f1"), ("strict", "strict_f1"), ("AP", "average_precision")))
    return (f"{result['frames']} frames, {result['compared']} compared, {row['ms']:.0f} ms each (median)\n"
            f"{figures}\n"
            f"anomalies over {metrics.TALL_PX} px high: {row['tall_found']} of {row['tall']}{recall}; of {metrics.LARGE_OBJECT_PX} px or more: "
            f"{row['large_found']} of {row['large']}, smaller: {row['small_found']} of {row['small']}\n"
            f"false regions: {result['false_in_all']}, {row['false_regions']:.2f} a frame; dynamic alarms {row['dynamic_alarms']:.2f} a frame")

"""The pairs that a patrol compares, as files: to score detection on them, or to train with."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from tqdm import tqdm

from umad_patrol.align.aligner import Aligner
from umad_patrol.comparer import choose_device
from umad_patrol.config import Settings
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.umad_data import read_labels
from umad_patrol.frames import Recording
from umad_patrol.geometry.camera import horizon_row
from umad_patrol.io.folders import new_folder
from umad_patrol.io.images import to_image, write_image
from umad_patrol.records import Alignment, Frame
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.retrieve import Retriever

MASKS = "masks"     # of a simulated patrol's truth: STAMP.png in UMAD's bits


def write_patrol_pairs(out: str | Path, recording: Recording, reference_map: ReferenceMap, settings: Settings, truth: str | Path | None = None,
                       every: int = 1) -> dict:
    """Write `out/STAMP/` for every so many-th frame of a patrol that is comparable with its nearest reference.

    A pair is reference.png as it was laid, query.png, valid.png, below_horizon.png and, where the folder `truth` of a simulated
    patrol is given, labels.png. Returns a summary. Written beside and renamed when whole. Raises DatasetError and BagError.
    """
    if every < 1:
        raise DatasetError(f"every = {every}: must be 1 or more")
    masks = None if truth is None else Path(truth) / MASKS
    if masks is not None and not masks.is_dir():
        raise DatasetError(f"{masks} is no folder; give the truth/ that `simulate` wrote")
    counts = {"frames": 0, "pairs": 0}
    aligner, retriever = Aligner(settings.align, choose_device(settings.device)), Retriever(reference_map, settings.retrieve)
    frames = recording.frames()
    with new_folder(out, DatasetError) as folder:
        for number, frame in enumerate(tqdm(frames, "pairs", recording.expected_frames, unit="frame", disable=None)):
            if number % every:
                continue
            counts["frames"] += 1
            labels = None if masks is None else masks / f"{frame.stamp_ns}.png"
            alignment = _laid(frame, aligner, retriever, reference_map)
            if alignment is not None and (labels is None or labels.is_file()):
                _write(folder / str(frame.stamp_ns), frame, alignment, labels)
                counts["pairs"] += 1
        if not counts["pairs"]:
            raise DatasetError(f"none of the {counts['frames']} frames of {recording.path} could be laid on a reference of the map"
                               + (f" and has its mask in {masks}" if masks is not None else ""))
    return {"out": str(out), **counts}


def _laid(frame: Frame, aligner: Aligner, retriever: Retriever, reference_map: ReferenceMap) -> Alignment | None:
    """The nearest reference on the frame; None where there is none, or it cannot be trusted."""
    matches = retriever.find(frame.map_T_camera, 1)
    if not matches:
        return None
    alignment = aligner.align(aligner.prepare(frame.image), reference_map.reference(matches[0].index), frame.camera, frame.map_T_camera)
    return alignment if alignment.comparable else None


def below_row(row: float, size: tuple[int, int]) -> np.ndarray:
    """What of a picture `(H, W)` lies below a row, `(H, W)` bool; all of it where the row is nowhere."""
    below = np.zeros(size, bool)
    below[max(0, math.ceil(row)) if math.isfinite(row) else 0:] = True
    return below


def _write(folder: Path, frame: Frame, alignment: Alignment, labels: Path | None) -> None:
    folder.mkdir()
    horizon = horizon_row(frame.camera, frame.map_T_camera)
    below = below_row(horizon, frame.image.shape[:2]).astype(np.uint8) * 255
    write_image(folder / "query.png", frame.image)
    write_image(folder / "reference.png", to_image(alignment.laid.picture))
    write_image(folder / "valid.png", alignment.laid.valid[0, 0].cpu().numpy().astype(np.uint8) * 255)
    write_image(folder / "below_horizon.png", below)
    if labels is not None:
        write_image(folder / "labels.png", read_labels(labels))

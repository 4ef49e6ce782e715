"""The stages from a decoded picture to regions, each by itself, and the whole way as the pipeline goes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.picture import Picture
from umad_patrol.align.warp import Laid
from umad_patrol.comparer import Comparer
from umad_patrol.config import Settings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.detect.change_net.closer import SIDE_PX, Window, look_closer
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ConfigError
from umad_patrol.evaluate.bench_pair import BenchPair
from umad_patrol.io.images import to_tensor
from umad_patrol.records import Alignment, ScoreMap

Call = Callable[[], object]


def single_stages(pair: BenchPair, settings: Settings, comparer: Comparer) -> dict[str, Call]:
    """A call a stage, from what the stages before it gave. Raises ConfigError if the pair cannot be compared at its size."""
    image, aligner, detector = pair.frame.image, comparer.aligner, comparer.detector
    picture = aligner.prepare(image)
    alignment = _aligned(pair, aligner, picture)
    looked_at = [name for name in vars(picture) if name not in ("image", "settings")]  # what alignment has asked of it
    tensor = to_tensor(image, comparer.device)
    query, laid = detector.prepare(tensor), detector.prepare(alignment.laid.picture)
    score_map = ScoreMap(detector.classes, detector.compare(query, laid, alignment.laid.valid), alignment.laid.valid)
    calls = {"align: prepare the query": lambda: _prepared(aligner.prepare(image), looked_at),
             "align: lay a reference": lambda: _align(pair, aligner, picture),
             "align: its picture": lambda: _laid(pair, alignment, comparer.device).picture,
             "align: where it is seen": lambda: _laid(pair, alignment, comparer.device).valid,
             "detect: picture to tensor": lambda: to_tensor(image, comparer.device),
             "detect: prepare a picture": lambda: detector.prepare(tensor)}
    if comparer.lays:
        prepared = comparer.keyframes.prepared(pair.reference)
        calls["detect: lay a keyframe's features"] = lambda: detector.lay(prepared, _laid(pair, alignment, comparer.device), query)
    windows = _windows(pair, settings.detect.closer_looks)
    if isinstance(detector, ChangeNetDetector) and windows:
        valid = alignment.laid.valid
        calls[f"detect: {len(windows)} closer looks"] = lambda: look_closer(detector.closer_engine, windows, lambda rows, columns: tensor[:, :, rows, columns],
                                                                            alignment.laid.part, valid)
    return calls | {"detect: compare": lambda: detector.compare(query, laid, alignment.laid.valid),
                    "regions": lambda: find_regions(score_map, settings.detect)}


def whole_ways(pair: BenchPair, settings: Settings, comparer: Comparer) -> dict[str, Call]:
    """Frame to regions, with one reference and with as many as the settings say; threads are the comparer's own affair.

    References are keyframes that were met before, or are kept with the map.
    """
    counts = sorted({1, settings.retrieve.references})
    return {f"frame to regions, {count} reference{'s' * (count > 1)}":
            lambda count=count: comparer.compare(pair.frame, [pair.reference] * count) for count in counts}


@torch.inference_mode()
def network_pictures(pair: BenchPair, settings: Settings, crop: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and warped reference, their lowest rows of the size `crop` (width, height), `(1, 3, h, w)` float RGB on the CPU."""
    aligner = Aligner(settings.align)
    alignment = _aligned(pair, aligner, aligner.prepare(pair.frame.image))
    width, height = crop
    return tuple(picture[:, :, -height:, :width].contiguous() for picture in (to_tensor(pair.frame.image), alignment.laid.picture))


def _aligned(pair: BenchPair, aligner: Aligner, picture: Picture) -> Alignment:
    alignment = _align(pair, aligner, picture)
    if not alignment.comparable:
        width, height = picture.size
        raise ConfigError(f"at {width}x{height} the simulated pair cannot be aligned ({alignment.reason}); give a larger --size")
    return alignment


def _laid(pair: BenchPair, alignment: Alignment, device: torch.device) -> Laid:
    """The reference where it lies, of which nothing is made yet."""
    return Laid(pair.reference.image, alignment.query_H_reference, pair.frame.image.shape[1::-1], device, alignment.lookup)


def _align(pair: BenchPair, aligner: Aligner, picture: Picture) -> Alignment:
    return aligner.align(picture, pair.reference, pair.frame.camera, pair.frame.map_T_camera)


def _windows(pair: BenchPair, most: int) -> list[Window]:
    """As many closer looks as there may be, wherever the picture has room for them."""
    height, width = pair.frame.image.shape[:2]
    corners = [(x, y) for y in range(0, height - SIDE_PX + 1, SIDE_PX) for x in range(0, width - SIDE_PX + 1, SIDE_PX)]
    return [Window(x, y, np.ones((SIDE_PX, SIDE_PX), bool)) for x, y in corners[:most]]


def _prepared(picture: Picture, looked_at: list[str]) -> Picture:
    for name in looked_at:
        getattr(picture, name)
    return picture

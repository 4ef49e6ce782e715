"""Pictures in, mask and regions out: references are laid on a frame and compared with it, without places or time."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch

from umad_patrol.align.aligner import Aligner
from umad_patrol.config import Settings
from umad_patrol.detect import Detector, Laying, make_detector
from umad_patrol.detect.outlines import Outlines
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ConfigError, ImageError
from umad_patrol.geometry.camera import horizon_row
from umad_patrol.io.images import to_tensor
from umad_patrol.records import Alignment, Camera, Frame, Reference, Region, ScoreMap
from umad_patrol.reference.encodings import Encodings
from umad_patrol.reference.map import ReferenceMap

BESIDE_PX = 32      # a reference is prepared from so far above: where a query looks from its own horizon down
HELD = 5            # references whose features are held, some 8 MB each at 1280x720: more than one frame is compared with
LEVEL = float(np.cos(np.radians(2.0)))  # ground that is tilted less is taken for level: a plane fitted to a cloud is no surer
LOWEST_TOP = 0.7    # of the picture's height: where the horizon lies lower all the same, something is wrong with the pose


def choose_device(name: str) -> torch.device:
    """The torch device for the `device` setting. Raises ConfigError where CUDA is asked for and absent."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda', but torch finds no CUDA device here; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


class Stopwatch:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class Comparison:
    """What comparing a query with its references gives; `score_map` is None if none of them was comparable.

    `reference` and `alignment` are the first that tell where the query was taken, else the first that is comparable.
    """

    alignment: Alignment
    reference: Reference
    score_map: ScoreMap | None
    mask: np.ndarray
    regions: tuple[Region, ...]


class Keyframes:
    """What a detector makes of references as they were taken: made when first asked for, or kept with the map; the latest are held.

    Safe to share between threads.
    """

    def __init__(self, detector: Laying, device: torch.device, above_horizon_px: int) -> None:
        self._detector, self._device, self._above_horizon_px = detector, device, above_horizon_px
        self._known: OrderedDict[Reference, Any] = OrderedDict()    # by identity; not as long as references live: alerts hold many
        self._lock = Lock()
        self._kept: Encodings | None = None
        self._hilly = False

    def use(self, kept: Encodings | None, hilly: bool = False) -> None:
        """Forget all; from now on take what is kept there. Where it is `hilly` references are prepared whole: they may be compared with others uphill."""
        with self._lock:
            self._known.clear()
        self._kept, self._hilly = kept, hilly

    def prepared(self, reference: Reference) -> Any:
        """What the detector makes of a reference: once."""
        with self._lock:
            found = self._known.get(reference)
        if found is None:
            kept = self._kept.read(reference.index, self.top(reference)) if self._kept is not None else None
            found = self._detector.unpacked(self.packed(reference) if kept is None else kept)
        with self._lock:
            self._known[reference] = found
            self._known.move_to_end(reference)
            while len(self._known) > HELD:
                self._known.popitem(last=False)
        return found

    def packed(self, reference: Reference) -> dict[str, torch.Tensor]:
        """What the detector makes of a reference, made now and packed: so it is the same whether it was kept or not."""
        return self._detector.packed(self._detector.prepare(to_tensor(reference.image, self._device), self.top(reference)))

    def top(self, reference: Reference) -> int:
        """The row of a reference from which queries can look at it."""
        if self._hilly:
            return 0
        return _top(_horizon(reference.camera, reference.map_T_camera, [reference]) - self._above_horizon_px - BESIDE_PX, reference.image)


class Comparer:
    """Align, detect, regions: pictures to mask, without places or time.

    With several references a pixel's score is the least of those that see it: what is new differs from all of
    them, what parallax or an occlusion edge feigns differs from some.
    """

    def __init__(self, settings: Settings, device: torch.device | None = None, detector: Detector | None = None,
                 reference_map: ReferenceMap | None = None):
        """With another `detector`, on `device`, than the one that the settings name, if there is one.

        References are keyframes of `reference_map`, if there is one: what it keeps of them is used.
        """
        self.device = device or choose_device(settings.device)
        self.aligner = Aligner(settings.align, self.device)
        self.detector = detector or make_detector(settings.detect, self.device, max(1, (os.cpu_count() or 1) // settings.retrieve.references))
        self._settings = settings
        self.lays = settings.detect.lay == "features" and isinstance(self.detector, Laying)
        self.keyframes = Keyframes(self.detector, self.device, settings.detect.above_horizon_px)
        self.use_map(reference_map)
        # Much of a comparison is single-threaded, so on a CPU the references are compared side by side.
        several = self.device.type == "cpu" and settings.retrieve.references > 1
        self._threads = ThreadPoolExecutor(settings.retrieve.references, "compare", torch.set_num_threads, (1,)) if several else None

    def compare(self, frame: Frame, references: list[Reference], watch: Stopwatch | None = None) -> Comparison:
        """Lay one or more references on a frame and compare them with it. Raises ImageError if the picture is none."""
        watch = watch or Stopwatch()
        size_of(frame.image)
        with watch.stage("features"):
            picture = self.aligner.prepare(frame.image)
        top = _horizon(frame.camera, frame.map_T_camera, references) - self._settings.detect.above_horizon_px
        return self.compare_laid(frame.image, references, lambda reference: self.aligner.align(
            picture, reference, frame.camera, frame.map_T_camera), watch, _top(top, frame.image))

    def compare_laid(self, image: np.ndarray, references: list[Reference], lay: Callable[[Reference], Alignment],
                     watch: Stopwatch | None = None, top: int = 0) -> Comparison:
        """Compare a BGR picture, from row `top` down, with references as `lay` says that they lie on it.

        Raises ImageError if the picture is none.
        """
        size_of(image)
        with one_thread():
            return self._compared(image, references, lay, watch or Stopwatch(), top)

    def _compared(self, image: np.ndarray, references: list[Reference], lay: Callable[[Reference], Alignment],
                  watch: Stopwatch, top: int) -> Comparison:
        query: Future = Future()    # references are laid on the picture while the detector prepares it
        pending = self._each(lambda reference: self._look(query, reference, lay(reference), top), references)
        with watch.stage("features"):
            _settle(query, lambda: self.detector.prepare(to_tensor(image, self.device), top))
        with watch.stage("compare"):
            looks = list(pending)
        usable = [look for look in looks if look.alignment.comparable]
        if not usable:
            return Comparison(looks[0].alignment, references[0], None, np.zeros(image.shape[:2], np.uint8), ())
        with watch.stage("regions"):
            outlines = Outlines(image, top, [(look.reference.image, look.alignment.laid) for look in usable])
            score_map = _fused(self.detector.classes, usable, outlines.shown)
            mask, regions = find_regions(score_map, self._settings.detect)
        told = next((look for look in usable if look.alignment.query_T_reference is not None), usable[0])
        return Comparison(told.alignment, told.reference, score_map, mask, regions)

    def retune(self, settings: Settings) -> None:
        """Cut regions by other settings from the next frame on; aligner and detector stay as they were made."""
        self._settings = settings

    def use_map(self, reference_map: ReferenceMap | None) -> None:
        """From now on references are keyframes of this map, or of none."""
        kept = Encodings(reference_map.path, reference_map.checksum, self.detector.checksum) if self.lays and reference_map is not None else None
        self.keyframes.use(kept, reference_map is not None and bool((reference_map.grounds[:, 2] < LEVEL).any()))

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown()

    def _each(self, look: Callable[[Reference], _Look], references: list[Reference]) -> Iterable[_Look]:
        return map(look, references) if self._threads is None or len(references) == 1 else self._threads.map(look, references)

    def _look(self, query: Future, reference: Reference, alignment: Alignment, top: int) -> _Look:
        if not alignment.comparable:
            return _Look(reference, alignment, None)
        if self.lays and alignment.laid.seen is not None:
            laid = self.detector.lay(self.keyframes.prepared(reference), alignment.laid, query.result())
        else:
            laid = self.detector.prepare(alignment.laid.picture, top)
        scores = self.detector.compare(query.result(), laid, alignment.laid.valid)
        return _Look(reference, alignment, scores)


@dataclass(frozen=True, eq=False)
class _Look:
    """One reference laid on the query and its scores, None if not comparable."""

    reference: Reference
    alignment: Alignment
    scores: Any


def _horizon(camera: Camera, map_T_camera: np.ndarray, references: list[Reference]) -> float:
    """The row of the horizon, of level ground or of the ground of references that goes uphill, whichever is higher."""
    tilted = [reference.ground[:3] for reference in references if reference.ground is not None and reference.ground[2] < LEVEL]
    return min(horizon_row(camera, map_T_camera), *(horizon_row(camera, map_T_camera, up) for up in tilted), np.inf)


def _top(row: float, image: np.ndarray) -> int:
    """The row from which a picture is compared, where poses say `row`."""
    return int(min(max(0.0, row), LOWEST_TOP * image.shape[0]))


def _settle(future: Future, work: Callable[[], Any]) -> None:
    """Let those who wait for `future` have what `work` gives, or what it raises."""
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
        raise


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch without threads of its own below this thread: they spin while OpenCV's wait for a core, and cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fused(classes: tuple[str, ...], looks: list[_Look], shown: Callable[[np.ndarray, int, int], float]) -> ScoreMap:
    scores, valid = looks[0].scores, looks[0].alignment.laid.valid
    for look in looks[1:]:
        new, seen = look.scores, look.alignment.laid.valid
        scores = torch.where(valid & seen, torch.minimum(scores, new), torch.where(valid, scores, new))
        valid = valid | seen
    return ScoreMap(classes, scores, valid, shown)


def size_of(image: np.ndarray) -> tuple[int, int]:
    """Height and width of a BGR picture. Raises ImageError if it is none."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 1:
        raise ImageError(f"a picture of shape {image.shape} and type {image.dtype} is no (H, W, 3) uint8 picture")
    return image.shape[0], image.shape[1]

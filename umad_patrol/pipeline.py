"""Frame and pose in, result out: the one composition that the node, the replay and a single pair all use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from umad_patrol.align.aligner import Aligner
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
from umad_patrol.config import Settings
from umad_patrol.detect import Detector, Laying, make_detector
from umad_patrol.detect.overlay import overlay
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import ConfigError, ImageError
from umad_patrol.geometry.camera import horizon_row
from umad_patrol.io.images import to_tensor
from umad_patrol.records import (COMPARED, NO_REFERENCE, NOT_COMPARABLE, Alert, Alignment, Frame, Match, Reference, Region,
                                 Result, ScoreMap)
from umad_patrol.reference.dismissed import add_dismissed, read_dismissed
from umad_patrol.reference.look import light
from umad_patrol.reference.encodings import Encodings
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.retrieve import Retriever


BESIDE_PX = 32      # a reference is prepared from so far above: where a query looks from its own horizon down
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
    """What comparing a query with its references gives; `score_map` is None if none of them was comparable."""

    alignment: Alignment
    reference: Reference
    score_map: ScoreMap | None
    mask: np.ndarray
    regions: tuple[Region, ...]


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
        self._prepared: WeakKeyDictionary[Reference, Any] = WeakKeyDictionary()     # lives as long as the map keeps the keyframe in memory
        self.use_map(reference_map)
        # Much of a comparison is single-threaded, so on a CPU the references are compared side by side.
        several = self.device.type == "cpu" and settings.retrieve.references > 1
        self._threads = ThreadPoolExecutor(settings.retrieve.references, "compare", torch.set_num_threads, (1,)) if several else None

    def compare(self, frame: Frame, references: list[Reference], watch: Stopwatch | None = None) -> Comparison:
        """Lay one or more references on a frame and compare them with it. Raises ImageError if the picture is none."""
        watch = watch or Stopwatch()
        _size(frame.image)
        with watch.stage("features"):
            picture = self.aligner.prepare(frame.image)
        top = horizon_row(frame.camera, frame.map_T_camera) - self._settings.detect.above_horizon_px
        return self.compare_laid(frame.image, references, lambda reference: self.aligner.align(
            picture, reference, frame.camera, frame.map_T_camera), watch, _top(top, frame.image))

    def compare_laid(self, image: np.ndarray, references: list[Reference], lay: Callable[[Reference], Alignment],
                     watch: Stopwatch | None = None, top: int = 0) -> Comparison:
        """Compare a BGR picture, from row `top` down, with references as `lay` says that they lie on it.

        Raises ImageError if the picture is none.
        """
        _size(image)
        with _one_thread():
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
            score_map = _fused(self.detector.classes, usable)
            mask, regions = find_regions(score_map, self._settings.detect)
        return Comparison(usable[0].alignment, usable[0].reference, score_map, mask, regions)

    def retune(self, settings: Settings) -> None:
        """Cut regions by other settings from the next frame on; aligner and detector stay as they were made."""
        self._settings = settings

    def use_map(self, reference_map: ReferenceMap | None) -> None:
        """From now on references are keyframes of this map, or of none."""
        self._prepared.clear()
        self._kept = Encodings(reference_map.path, reference_map.checksum, self.detector.checksum) if self.lays and reference_map is not None else None

    def prepared(self, reference: Reference) -> Any:
        """What the detector makes of a reference as it was taken: made once, or kept with the map."""
        found = self._prepared.get(reference)
        if found is None:
            kept = self._kept.read(reference.index, self.reference_top(reference)) if self._kept is not None else None
            found = self.detector.unpacked(kept) if kept is not None else self.prepare(reference)
            self._prepared[reference] = found
        return found

    def prepare(self, reference: Reference) -> Any:
        """What the detector makes of a reference as it was taken."""
        return self.detector.prepare(to_tensor(reference.image, self.device), self.reference_top(reference))

    def reference_top(self, reference: Reference) -> int:
        """The row of a reference from which queries can look at it."""
        top = horizon_row(reference.camera, reference.map_T_camera) - self._settings.detect.above_horizon_px - BESIDE_PX
        return _top(top, reference.image)

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
            laid = self.detector.lay(self.prepared(reference), alignment.laid, query.result())
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
def _one_thread() -> Iterator[None]:
    """Torch without threads of its own below this thread: they spin while OpenCV's wait for a core, and cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fused(classes: tuple[str, ...], looks: list[_Look]) -> ScoreMap:
    scores, valid = looks[0].scores, looks[0].alignment.laid.valid
    for look in looks[1:]:
        new, seen = look.scores, look.alignment.laid.valid
        scores = torch.where(valid & seen, torch.minimum(scores, new), torch.where(valid, scores, new))
        valid = valid | seen
    return ScoreMap(classes, scores, valid)


class Pipeline:
    """A patrol over one reference map: `process` every frame in the order of time, `close` at the end.

    `pause` and `resume` close and open the store and keep all else; nothing here is for several threads at once.
    """

    def __init__(self, reference_map: ReferenceMap, settings: Settings, store: AlertStore | None = None):
        self.map = reference_map
        self.settings = settings
        self.comparer = Comparer(settings, reference_map=reference_map)
        self._retriever = Retriever(reference_map, settings.retrieve)
        self._store = store
        self._watch = self._new_watch()

    @classmethod
    def open(cls, map_path: str | Path, settings: Settings, output: str | Path = "") -> Pipeline:
        """A pipeline over the map at `map_path`, keeping alerts in the folder `output` ("" keeps none).

        Raises MapError or StoreError.
        """
        reference_map = ReferenceMap.load(map_path)
        return cls(reference_map, settings, AlertStore(output) if output else None)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that are active now."""
        return self._watch.alerts

    @property
    def known_alerts(self) -> tuple[Alert, ...]:
        """All alerts of whatever state that are still followed."""
        return self._watch.tracker.alerts

    @property
    def model_checksum(self) -> str:
        """That of the detector's weights; empty where it has none."""
        return self.comparer.detector.checksum

    @property
    def trouble(self) -> str:
        """Why alerts cannot be written now; empty if they can."""
        return self._watch.trouble

    def process(self, frame: Frame) -> Result:
        """Say what is new in a frame. Raises ImageError or CameraError if there is nothing to look at."""
        watch = Stopwatch()
        with watch.stage("retrieve"):
            likeness = light(frame.image) if len(self.map.runs) > 1 else None
            matches = self._retriever.find(frame.map_T_camera, self.settings.retrieve.references, likeness)
        result = self._compared(frame, matches, watch) if matches else self._without_reference(frame)
        with watch.stage("alerts"):
            result = self._watch.observe(result, overlay)
        result.seconds.update(watch.seconds)
        return result

    def reset_time(self) -> None:
        """Forget what depends on the order of frames: the clock jumped or the recording began anew."""
        self._watch.reset_time()

    def warm_up(self) -> None:
        """Compare a keyframe with itself, in every thread, so that the first frame of the patrol takes no longer than the others."""
        reference = self.map.reference(0)
        self.comparer.compare(Frame(reference.stamp_ns, reference.image, reference.camera, reference.map_T_camera),
                              [reference] * self.settings.retrieve.references)

    def dismiss(self, alert_id: str) -> Alert | None:
        """Mark an alert as fine and remember that in the map; None if there is none. Raises MapError where the map cannot be written."""
        found = self._watch.dismiss(alert_id)
        if found is None:
            return None
        alert, remembered = found
        add_dismissed(self.map.path, remembered)
        return alert

    def clear_alerts(self) -> list[Alert]:
        """End every active alert. Returns them."""
        return self._watch.clear()

    def retune(self, settings: Settings) -> None:
        """Go by other settings of retrieval, regions and alerts from the next frame on."""
        self.settings = settings
        self.comparer.retune(settings)
        self._retriever = Retriever(self.map, settings.retrieve)
        self._watch.retune(settings)

    def reload(self, reference_map: ReferenceMap) -> None:
        """Go on with another map; alerts stay, what was no alert yet is forgotten. Raises StoreError or MapError."""
        self._watch.finish()
        self.map, self._retriever = reference_map, Retriever(reference_map, self.settings.retrieve)
        self.comparer.use_map(reference_map)
        self._watch = self._new_watch()

    def pause(self) -> None:
        """Write what is pending and close the store. Raises StoreError where that fails; the store is closed all the same."""
        try:
            self._watch.finish()
        finally:
            if self._store is not None:
                self._store.close()
            self._store = None

    def resume(self, store: AlertStore | None) -> None:
        """Go on with a store, perhaps another one. Raises StoreError or MapError."""
        self._store = store
        self._watch = self._new_watch()

    def close(self) -> None:
        """Write what is pending, close the store, end the threads."""
        try:
            self.pause()
        finally:
            self.comparer.close()

    def _new_watch(self) -> Watch:
        return Watch(self.settings, self._store, self.map.checksum, self.comparer.detector.checksum, self.map.cloud(),
                     read_dismissed(self.map.path))

    def _without_reference(self, frame: Frame) -> Result:
        near, limits = self._retriever.nearest(frame.map_T_camera), self.settings.retrieve
        reason = (f"no reference within {limits.max_distance_m:g} m and {limits.max_angle_deg:g} deg: the nearest keyframe is "
                  f"{near.distance_m:.2f} m and {near.angle_deg:.1f} deg away")
        return Result(frame, NO_REFERENCE, reason, np.zeros(_size(frame.image), np.uint8))

    def _compared(self, frame: Frame, matches: list[Match], watch: Stopwatch) -> Result:
        with watch.stage("reference"):
            references = [self.map.reference(match.index) for match in matches]
        found = self.comparer.compare(frame, references, watch)
        status = COMPARED if found.score_map is not None else NOT_COMPARABLE
        match = next(m for m in matches if m.index == found.reference.index)
        return Result(frame, status, found.alignment.reason, found.mask, match, found.reference, found.alignment,
                      found.score_map, found.regions)


def _size(image: np.ndarray) -> tuple[int, int]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 1:
        raise ImageError(f"a picture of shape {image.shape} and type {image.dtype} is no (H, W, 3) uint8 picture")
    return image.shape[0], image.shape[1]

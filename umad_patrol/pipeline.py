"""Frame and pose in, result out: the one composition that the node, the replay and a single pair all use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.watch import Watch
from umad_patrol.comparer import Comparer, Stopwatch, size_of
from umad_patrol.config import Settings, check_together
from umad_patrol.detect.overlay import overlay
from umad_patrol.errors import StoreError
from umad_patrol.geometry.camera import check_camera
from umad_patrol.records import COMPARED, NO_REFERENCE, NOT_COMPARABLE, Alert, Frame, Match, Result
from umad_patrol.reference.dismissed import add_dismissed, read_dismissed
from umad_patrol.reference.folder import MAP
from umad_patrol.reference.look import light
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.retrieve import Retriever


class Pipeline:
    """A patrol over one reference map: `process` every frame in the order of time, `close` at the end.

    `pause` and `resume` close and open the store and keep all else; nothing here is for several threads at once.
    """

    def __init__(self, reference_map: ReferenceMap, settings: Settings, output: str | Path = ""):
        """Alerts are kept in the folder `output` ("" keeps none), which is made once all else is ready. Raises ConfigError, DetectorError, MapError or StoreError."""
        check_together(settings)
        self.map = reference_map
        self.settings = settings
        self.comparer = Comparer(settings, reference_map=reference_map)
        self._retriever = Retriever(reference_map, settings.retrieve)
        self._store: AlertStore | None = None
        self._watch = self._new_watch(reference_map, output=output)

    @classmethod
    def open(cls, map_path: str | Path, settings: Settings, output: str | Path = "") -> Pipeline:
        """A pipeline over the map at `map_path`, keeping alerts in the folder `output` ("" keeps none).

        Raises MapError or StoreError.
        """
        return cls(ReferenceMap.load(map_path), settings, output)

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
        """Why alerts cannot be raised or written now; empty if they can."""
        return self._watch.trouble

    def process(self, frame: Frame) -> Result:
        """Say what is new in a frame. Raises ImageError, CameraError or LocalizationError if there is nothing to look at."""
        size_of(frame.image)
        check_camera(frame.camera, frame.image.shape)
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
        """Go on with another map; alerts stay, what was no alert yet is forgotten. Raises StoreError or MapError, and all is as before."""
        self._watch.finish()
        retriever, watch = Retriever(reference_map, self.settings.retrieve), self._new_watch(reference_map, self.known_alerts)
        self.map, self._retriever, self._watch = reference_map, retriever, watch
        self.comparer.use_map(reference_map)

    def pause(self) -> None:
        """Write what is pending and close the store. Raises StoreError where that fails; the store is closed all the same."""
        try:
            self._watch.finish()
        finally:
            if self._store is not None:
                self._store.close()
            self._store = None

    def resume(self, output: str | Path = "") -> None:
        """Go on with the store in a folder, perhaps another one, whose alerts are those known from now on; without one with those known. Raises StoreError or MapError."""
        self._watch = self._new_watch(self.map, self.known_alerts, output)

    def close(self) -> None:
        """Write what is pending, close the store, end the threads."""
        try:
            self.pause()
        finally:
            self.comparer.close()

    def _new_watch(self, of: ReferenceMap, known: tuple[Alert, ...] = (), output: str | Path = "") -> Watch:
        cloud, dismissed = of.cloud(), read_dismissed(of.path)
        if output:  # now that nothing of the map can be refused any more
            if (Path(output) / MAP).is_file():
                raise StoreError(f"{str(output)!r} is a reference map, which stays as it was taught; name another folder for alerts and results")
            self._store = AlertStore(output)
        return Watch(self.settings, self._store, of.checksum, self.comparer.detector.checksum, cloud, dismissed, known,
                     (of.poses[:, :3, 3], of.grounds))

    def _without_reference(self, frame: Frame) -> Result:
        near, limits = self._retriever.nearest(frame.map_T_camera), self.settings.retrieve
        reason = (f"no reference within {limits.max_distance_m:g} m and {limits.max_angle_deg:g} deg: the nearest keyframe is "
                  f"{near.distance_m:.2f} m and {near.angle_deg:.1f} deg away")
        return Result(frame, NO_REFERENCE, reason, np.zeros(size_of(frame.image), np.uint8))

    def _compared(self, frame: Frame, matches: list[Match], watch: Stopwatch) -> Result:
        with watch.stage("reference"):
            references = [self.map.reference(match.index) for match in matches]
        found = self.comparer.compare(frame, references, watch)
        status = COMPARED if found.score_map is not None else NOT_COMPARABLE
        match = next(m for m in matches if m.index == found.reference.index)
        return Result(frame, status, found.alignment.reason, found.mask, match, found.reference, found.alignment,
                      found.score_map, found.regions)

"""Place, track and keep: one call a frame that turns what was found in pictures into alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from umad_patrol.alerts.evidence import Overlay, read_facts, write_evidence
from umad_patrol.alerts.place import join_parts, place
from umad_patrol.alerts.store import AlertStore, Stretch
from umad_patrol.alerts.structure import Structure
from umad_patrol.alerts.track import ACTIVE, Tracker
from umad_patrol.config import Settings
from umad_patrol.geometry.plane import UP, through
from umad_patrol.records import COMPARED, Alert, Result, Sighting

BETTER = 1.5  # a view that shows a thing on so many times the pixels makes better evidence


class Watch:
    """What the pipeline asks, frame by frame, in the order of time.

    With a `store` the alerts of before go on; without one nothing is kept. `cloud` `(N, 3)` in `map` is what the map knows
    to stand there: a foot behind it is on no ground.
    """

    def __init__(self, settings: Settings, store: AlertStore | None, map_checksum: str = "", model_checksum: str = "",
                 cloud: np.ndarray | None = None):
        self._settings = settings
        self._store = store
        self._checksums = map_checksum, model_checksum
        self._structure = Structure(cloud) if settings.alerts.use_cloud and cloud is not None and len(cloud) else None
        self.tracker = Tracker(settings.alerts, store.new_id if store is not None else None)
        if store is not None:
            self.tracker.restore(store.alerts())
        self._pictures: dict[str, tuple[float, int]] = {}  # area in the pictures of an alert, and how often they were replaced
        self._way = Way(settings.alerts.coverage_step_m, store.add_coverage if store is not None else None)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that are active now."""
        return tuple(a for a in self.tracker.alerts if a.state == ACTIVE)

    def observe(self, result: Result, overlay: Overlay) -> Result:
        """The result with its sightings and alerts filled in; what is new is stored. Raises StoreError."""
        frame = result.frame
        self._way.add(frame.stamp_ns, frame.map_T_camera[:3, 3], result.status, result.reason, self._keep_all)
        if result.status != COMPARED:
            return dataclasses.replace(result, alerts=self.alerts)
        valid = _mask_of(result)
        sightings = self._place(result, valid)
        changed = self.tracker.update(frame.stamp_ns, frame.camera, frame.map_T_camera, sightings, valid, result.mask, self._structure)
        if self._store is not None:
            self._store.save(changed)
            changed = self._take_pictures(result, changed, overlay)
        return dataclasses.replace(result, sightings=tuple(sightings), alerts=self.alerts, changed_alerts=tuple(changed))

    def reset_time(self) -> None:
        """Forget what depends on the order of frames: the clock jumped or the recording began anew. Alerts stay."""
        self.finish()
        self.tracker.reset_time()

    def finish(self) -> None:
        """Write what is pending: the last piece of the way, and the latest of every alert."""
        self._way.finish(self._keep_all)

    def dismiss(self, alert_id: str) -> Alert | None:
        """Mark an alert as seen to. None if there is no such alert."""
        alert = self.tracker.dismiss(alert_id)
        if alert is not None and self._store is not None:
            self._store.save([alert])
        return alert

    def _place(self, result: Result, valid: np.ndarray | None) -> list[Sighting]:
        frame, settings = result.frame, self._settings
        ground = result.reference.ground if result.reference is not None else None
        if ground is None:  # the robot stands on level ground
            ground = through(frame.map_T_camera[:3, 3] - [0.0, 0.0, settings.teach.camera_height_m], UP)
        placed = (place(region, frame.camera, frame.map_T_camera, ground, settings.alerts, valid, self._structure)
                  for region in join_parts(result.regions))
        return [sighting for sighting in placed if sighting is not None]

    def _take_pictures(self, result: Result, changed: list[Alert], overlay: Overlay) -> list[Alert]:
        """Evidence for every active alert seen in this frame that has none yet, or a much worse one."""
        news = {alert.id: alert for alert in changed}
        for alert in self.alerts:
            sighting = self.tracker.sighting_of(alert.id)
            if sighting is None or not self._is_better(alert, sighting):
                continue
            folder = self._store.evidence_folder / alert.id
            write_evidence(folder, alert, sighting, result, overlay, *self._checksums)
            before = self._pictures.get(alert.id)
            self._pictures[alert.id] = sighting.region.area_px, before[1] + 1 if before else 0
            updated = self.tracker.attach_evidence(alert.id, str(folder.relative_to(self._store.folder)))
            self._store.save([updated])
            if alert.id in news:
                news[alert.id] = updated
        return list(news.values())

    def _is_better(self, alert: Alert, sighting: Sighting) -> bool:
        if alert.id not in self._pictures:
            if not alert.evidence:
                return True
            region = read_facts(self._store.folder / alert.evidence).get("region")  # pictures of before a restart
            self._pictures[alert.id] = float(region["area_px"]) if isinstance(region, dict) and "area_px" in region else 0.0, 0
        area, replaced = self._pictures[alert.id]
        return replaced < self._settings.alerts.evidence_updates and sighting.region.area_px > BETTER * area

    def _keep_all(self) -> None:
        if self._store is not None:
            self._store.save(self.alerts)


class Way:
    """Sums up how the comparing goes, a piece of `step_m` metres at a time, and hands each piece to `keep`."""

    def __init__(self, step_m: float, keep: Callable[[Stretch], None] | None):
        self._step_m, self._keep = step_m, keep
        self._piece: Stretch | None = None
        self._last: np.ndarray | None = None

    def add(self, stamp_ns: int, position: np.ndarray, status: str, reason: str, then: Callable[[], None]) -> None:
        """Count a frame; `then` is called when a piece is complete."""
        place = tuple(float(v) for v in position)
        gone = float(np.linalg.norm(position - self._last)) if self._last is not None else 0.0
        self._last = np.array(position)
        piece = self._piece
        if piece is not None and status == piece.status and np.linalg.norm(position - np.array(piece.position)) < self._step_m:
            self._piece = dataclasses.replace(piece, last_ns=stamp_ns, metres=piece.metres + gone, frames=piece.frames + 1, reason=reason)
            return
        self.finish(then)
        self._piece = Stretch(stamp_ns, stamp_ns, place, gone, 1, status, reason)

    def finish(self, then: Callable[[], None]) -> None:
        """Hand on the piece that is not complete yet."""
        if self._piece is not None:
            if self._keep is not None:
                self._keep(self._piece)
            then()
        self._piece = None


def _mask_of(result: Result) -> np.ndarray | None:
    """Where the frame was compared, `(H, W)` bool."""
    valid = result.score_map.valid if result.score_map is not None else result.alignment.valid if result.alignment is not None else None
    return None if valid is None else valid[0, 0].cpu().numpy()

"""Place, track and keep: one call a frame that turns what was found in pictures into alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from umad_patrol.alerts.evidence import Overlay
from umad_patrol.alerts.keeper import Keeper
from umad_patrol.alerts.look import look_of, scene_colour
from umad_patrol.alerts.pictures import Pictures
from umad_patrol.alerts.place import ground_ranges, join_parts, place
from umad_patrol.alerts.store import AlertStore
from umad_patrol.alerts.structure import Structure
from umad_patrol.alerts.track import Tracker
from umad_patrol.alerts.way import Way
from umad_patrol.alerts.whence import Whence
from umad_patrol.config import Settings
from umad_patrol.errors import ImageError, StoreError
from umad_patrol.geometry.camera import NOT_UPRIGHT, is_upright
from umad_patrol.geometry.plane import UP, through
from umad_patrol.records import ACTIVE, ANOMALY, COMPARED, DYNAMIC, Alert, Dismissed, Region, Result, Sighting

TILTED = (f"{NOT_UPRIGHT}, so no foot of a thing can be told and nothing becomes an alert: "
          "turn its pictures upright in the driver, calibration and transform with them")


class Watch:
    """What the pipeline asks, frame by frame, in the order of time.

    With a `store` the alerts of before go on; without one nothing is kept. `cloud` `(N, 3)` in `map` is what the map knows
    to stand there: a foot behind it is on no ground. `dismissed` never alarms; `known` are alerts to go on with where no store
    tells of them; `route` are the places and ground planes of the map's keyframes. A disk that refuses stops nothing: what
    could not be written is kept and tried again, and `trouble` says so.
    """

    def __init__(self, settings: Settings, store: AlertStore | None, map_checksum: str = "", model_checksum: str = "",
                 cloud: np.ndarray | None = None, dismissed: Iterable[Dismissed] = (), known: Iterable[Alert] = (),
                 route: tuple[np.ndarray, np.ndarray] | None = None):
        self._settings = settings
        self._keeper = Keeper(store) if store is not None else None
        self._pictures = Pictures(store, settings.alerts, (map_checksum, model_checksum)) if store is not None else None
        self._structure = Structure(cloud, *(route or ())) if settings.alerts.use_cloud and cloud is not None and len(cloud) else None
        self.tracker = Tracker(settings.alerts, store.new_id if store is not None else None)
        self.tracker.restore(store.alerts() if store is not None else known)
        self.tracker.leave_alone(dismissed)
        self._whence = Whence()
        self._tilted = ""
        self._way = Way(settings.alerts.coverage_step_m, self._keeper.add_coverage if self._keeper is not None else None)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that are active now."""
        return tuple(a for a in self.tracker.alerts if a.state == ACTIVE)

    @property
    def trouble(self) -> str:
        """Why alerts cannot be raised, or they or their evidence not be written now; empty if all is well."""
        return (self._keeper.trouble if self._keeper is not None else "") or self._tilted

    def observe(self, result: Result, overlay: Overlay) -> Result:
        """The result with its sightings and alerts filled in; what is new is stored before it is told."""
        frame = result.frame
        self._way.add(frame.stamp_ns, frame.map_T_camera[:3, 3], result.status, result.reason, self._keep_all)
        self._tilted = "" if is_upright(frame.map_T_camera) else TILTED
        if result.status != COMPARED:
            return dataclasses.replace(result, alerts=self.alerts)
        there = self._whence.corrected(result)
        map_T_camera, valid, ground = there.frame.map_T_camera, _mask_of(result), self._ground(there)
        sightings = self._place(there, valid, ground)
        changed = self.tracker.update(frame.stamp_ns, frame.camera, map_T_camera, sightings, valid, _taken(result), self._structure, ground,
                                      _fronts(there, ground))
        if self._keeper is not None:
            self._keeper.keep(changed)
            changed = self._take_pictures(there, changed, overlay)
        return dataclasses.replace(result, sightings=tuple(sightings), alerts=self.alerts, changed_alerts=tuple(changed))

    def reset_time(self) -> None:
        """Forget what depends on the order of frames: the clock jumped or the recording began anew. Alerts stay."""
        try:
            self.finish()
        finally:
            self._way.interrupt()
            self._whence.forget()
            self.tracker.reset_time()

    def finish(self) -> None:
        """Write what is pending: the last piece of the way, and the latest of every alert. Raises StoreError where that fails."""
        self._way.finish(self._keep_all)
        if self._keeper is not None:
            self._keeper.flush()

    def retune(self, settings: Settings) -> None:
        """Go by other settings from the next frame on."""
        self._settings = settings
        self.tracker.retune(settings.alerts)
        if self._pictures is not None:
            self._pictures.settings = settings.alerts

    def dismiss(self, alert_id: str) -> tuple[Alert, Dismissed] | None:
        """Mark an alert as seen to. Returns it and what to remember of it, or None if there is no such alert."""
        before = next((a for a in self.tracker.alerts if a.id == alert_id), None)
        if before is None:
            return None
        seen, picture = self._pictures.look_and_picture(before) if self._pictures is not None else ((), b"")
        look = self.tracker.look_of(alert_id) or seen
        alert = self.tracker.dismiss(alert_id, look)
        if self._keeper is not None:
            self._keeper.keep([alert])
        return alert, Dismissed(alert.id, alert.class_name, alert.position, alert.size_m, look, alert.last_seen_ns, picture)

    def clear(self) -> list[Alert]:
        """End every active alert. Returns them."""
        ended = self.tracker.clear()
        if self._keeper is not None:
            self._keeper.keep(ended)
        return ended

    def _ground(self, result: Result) -> np.ndarray:
        """The plane on which things are placed; where the reference knows of none the robot stands on level ground."""
        known = result.reference.ground if result.reference is not None else None
        return through(result.frame.map_T_camera[:3, 3] - [0.0, 0.0, self._settings.teach.camera_height_m], UP) if known is None else known

    def _place(self, result: Result, valid: np.ndarray | None, ground: np.ndarray) -> list[Sighting]:
        frame, settings = result.frame, self._settings
        if self._tilted:
            return []

        def placed(region: Region) -> Sighting | None:
            return place(region, frame.camera, frame.map_T_camera, ground, settings.alerts, valid, self._structure)

        def apart(upper: Region, lower: Region) -> bool:
            behind = placed(upper)
            return behind is not None and self.tracker.stands_behind(
                behind, float(ground_ranges((lower,), frame.camera, frame.map_T_camera, ground)[0]), frame.camera, frame.map_T_camera)

        scene = scene_colour(frame.image)
        return [dataclasses.replace(sighting, look=look_of(frame.image, result.mask, sighting.region, scene))
                for region in join_parts((region for region in result.regions if region.class_name == ANOMALY), apart)
                if (sighting := placed(region)) is not None]

    def _take_pictures(self, result: Result, changed: list[Alert], overlay: Overlay) -> list[Alert]:
        """Evidence for every active alert seen in this frame that has none yet, or a much worse one."""
        news = {alert.id: alert for alert in changed}
        for alert, sighting in self.tracker.seen():
            if not self._keeper.ready or not self._pictures.wanted(alert, sighting):
                continue
            try:
                updated = self.tracker.attach_evidence(alert.id, self._pictures.take(alert, sighting, result, overlay))
                self._keeper.keep([updated])
                self._pictures.make_room(alert.id, self._without_evidence)
            except (StoreError, ImageError) as error:
                self._keeper.failed(StoreError(str(error)))
                continue
            if alert.id in news:
                news[alert.id] = updated
        return list(news.values())

    def _without_evidence(self, alert: Alert) -> None:
        self.tracker.attach_evidence(alert.id, "")
        self._keeper.store.save([dataclasses.replace(alert, evidence="")])

    def _keep_all(self) -> None:
        if self._keeper is not None:
            self._keeper.keep(self.alerts)


def _taken(result: Result) -> np.ndarray:
    """Where something is new, or somebody passes who may hide what is behind, `(H, W)` uint8."""
    passing = [region.box for region in result.regions if region.class_name == DYNAMIC]
    mask = result.mask.copy() if passing else result.mask
    for x, y, width, height in passing:
        mask[y:y + height, x:x + width] = 255
    return mask


def _fronts(result: Result, ground: np.ndarray) -> np.ndarray:
    """What is new or passes, as `View` has it."""
    regions = [region for region in result.regions if region.class_name in (ANOMALY, DYNAMIC)]
    boxes = np.array([region.box for region in regions], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return np.column_stack([boxes, ground_ranges(regions, result.frame.camera, result.frame.map_T_camera, ground),
                            [region.class_name == DYNAMIC for region in regions]])


def _mask_of(result: Result) -> np.ndarray | None:
    """Where the frame was compared, `(H, W)` bool."""
    laid = result.alignment.laid if result.alignment is not None else None
    valid = result.score_map.valid if result.score_map is not None else laid.valid if laid is not None else None
    return None if valid is None else valid[0, 0].cpu().numpy()

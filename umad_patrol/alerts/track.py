"""Sightings to things, things to alerts: what is seen often enough, in one place, standing still, is reported once."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterable

import numpy as np

from umad_patrol.alerts.glimpses import Glimpses, behind_over_part
from umad_patrol.alerts.hypotheses import GATE
from umad_patrol.alerts.look import another_size, unlike
from umad_patrol.alerts.structure import Structure
from umad_patrol.alerts.thing import Spot, Thing
from umad_patrol.alerts.view import CLEAN, HIDDEN, TAKEN, Box, View
from umad_patrol.config import AlertSettings
from umad_patrol.geometry.plane import height
from umad_patrol.records import ACTIVE, ANOMALY, CLEARED, DISMISSED, Alert, Camera, Dismissed, Region, Sighting

WALK_MPS = 0.8         # sigma of how fast something may move between two frames before more is known
REMEMBERED_SIGMA_M = 0.15  # how well the place of an alert of before is known
MOST_CLEARED = 500     # alerts that are over and still followed: the newest; those before begin as new ones
LEVEL_M = 1.5          # two places farther apart in height are on two storeys
TOLD_M = 0.15          # an alert that moves less is not reported again
CLEAN_S = 0.5          # so long its place must be seen clean before an alert clears, however many pictures that are
BEHIND = 2.0           # log likelihood by which something is rather behind another thing than its upper part

log = logging.getLogger(__name__)


class Tracker:
    """Follows things in the map over comparable frames and decides which are alerts.

    `new_id` names a new alert; without it they are A0001, A0002, ...
    """

    def __init__(self, settings: AlertSettings, new_id: Callable[[], str] | None = None):
        self._settings = settings
        self._new_id = new_id or self._next_id
        self._things: list[Thing] = []
        self._glimpses = Glimpses(settings)
        self._frame = 0
        self._count = 0

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Every alert, of whatever state, in the order of their ids."""
        return tuple(t.alert for t in sorted((t for t in self._things if t.alert is not None and t.in_store), key=_by_id))

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Go on with alerts of before: the same things seen again are the same alerts."""
        for alert in alerts:
            thing = Thing(self._settings)
            thing.remember(alert, REMEMBERED_SIGMA_M, 0.5 * self._settings.max_range_m)
            self._things.append(thing)
            digits = "".join(c for c in alert.id if c.isdigit())
            self._count = max(self._count, int(digits or 0))
        self._forget_oldest()

    def leave_alone(self, dismissed: Iterable[Dismissed]) -> None:
        """Never raise an alert for these again: what was dismissed on earlier patrols, whatever the store of this one holds."""
        for item in dismissed:
            known = self._of(item.alert)  # in this very store: then it only lacks its look
            if (known is not None and known.alert.state == DISMISSED and _on_one_storey(known.ground_z, item.position[2])
                    and np.linalg.norm(known.centre - item.position[:2]) < self._settings.gate_m):
                known.known_as = item.look, item.size_m
                continue
            thing = Thing(self._settings)
            alert = Alert(item.alert, DISMISSED, item.class_name or ANOMALY, 1.0, item.position, item.size_m, item.stamp_ns, item.stamp_ns, 0)
            thing.remember(alert, REMEMBERED_SIGMA_M, 0.5 * self._settings.max_range_m)
            thing.known_as, thing.in_store = (item.look, item.size_m), False
            self._things.append(thing)

    def retune(self, settings: AlertSettings) -> None:
        """Judge by other settings from now on."""
        self._settings = settings
        self._glimpses.settings = settings
        for thing in self._things:
            thing.settings = settings

    def reset_time(self) -> None:
        """Forget what is no alert yet, and the sightings of those that are: stamps begin anew."""
        self._things = [t for t in self._things if t.alert is not None]
        self._glimpses = Glimpses(self._settings)
        for thing in self._things:
            thing.forget_sightings()

    def dismiss(self, alert_id: str, look: tuple[float, ...] = ()) -> Alert | None:
        """Mark an alert as seen to: it stays where it is and is not raised again. None if there is no such alert.

        `look` is what it looked like before these sightings, where they do not tell.
        """
        thing = self._of(alert_id)
        if thing is None:
            return None
        thing.known_as = (thing.look or look), thing.size_m
        thing.alert = dataclasses.replace(thing.alert, state=DISMISSED)
        return thing.alert

    def clear(self) -> list[Alert]:
        """End every active alert; a thing that is still there is a new alert only when it was sighted anew. Returns them."""
        ended = [thing for thing in self._things if thing.alert is not None and thing.alert.state == ACTIVE]
        for thing in ended:
            thing.alert = dataclasses.replace(thing.alert, state=CLEARED)
            thing.forget_sightings()
        return [thing.alert for thing in ended]

    def attach_evidence(self, alert_id: str, folder: str) -> Alert | None:
        """Note where the evidence of an alert lies."""
        thing = self._of(alert_id)
        if thing is None:
            return None
        thing.alert = dataclasses.replace(thing.alert, evidence=folder)
        return thing.alert

    def look_of(self, alert_id: str) -> tuple[float, ...]:
        """What an alert looks like by the sightings of this run; () if that is not known."""
        thing = self._of(alert_id)
        return () if thing is None else thing.look

    def update(self, stamp_ns: int, camera: Camera, map_T_camera: np.ndarray, sightings: Iterable[Sighting],
               valid: np.ndarray | None = None, mask: np.ndarray | None = None, structure: Structure | None = None,
               ground: np.ndarray | None = None, fronts: np.ndarray | None = None) -> list[Alert]:
        """Take in one comparable frame. Returns the alerts that opened, moved or cleared.

        `valid` `(H, W)` bool is where the frame was compared (None: everywhere), `mask` `(H, W)` what is new in it or passes, `fronts`
        its regions. Places that are not about as high as the plane `ground` `(4,)` are on another storey, and not seen.
        """
        self._frame += 1
        view = View(camera, map_T_camera, valid, mask, structure, fronts)
        spots = [Spot.of(s, stamp_ns, self._frame, camera, map_T_camera, self._settings, view.covers(_edges(s.region), s.range_m, passing=True))
                 for s in sightings]
        seen = self._associate(spots)
        changed = [alert for thing in seen if (alert := self._judge(thing)) is not None]
        known = [_edges(t.last.sighting.region) for t in seen if t.spots and t.alert is not None and t.alert.state != CLEARED]
        for thing in self._things:
            if thing.last_frame != self._frame and (thing.spots or thing.alert.state == ACTIVE):
                self._look(thing, view, changed, ground, stamp_ns, known)
        self._prune(stamp_ns)
        return changed

    def seen(self) -> list[tuple[Alert, Sighting]]:
        """The active alerts that the frame just taken in shows, in the order of their ids, each with its sighting."""
        now = [t for t in self._things if t.last_frame == self._frame and t.alert is not None and t.in_store and t.alert.state == ACTIVE]
        return [(t.alert, t.last.sighting) for t in sorted(now, key=_by_id)]

    def stands_behind(self, sighting: Sighting, nearer_m: float, camera: Camera, map_T_camera: np.ndarray) -> bool:
        """Whether a sighting is of something that stands there, and no upper part of what stands right before it, `nearer_m` away.

        Taken to stand on the ground, a part would come towards the camera as that moves; a thing stays. Where an alert of before or what was dismissed is known to
        stand it is a part only if that speaks for it.
        """
        if not nearer_m < sighting.range_m:
            return False
        here, ratio = Spot.of(sighting, 0, self._frame + 1, camera, map_T_camera, self._settings), sighting.range_m / max(nearer_m, 1e-3)
        before = self._glimpses.add(here)
        return bool(before and behind_over_part(before, here, ratio) > BEHIND) or self._stands_there(here, ratio)

    def _stands_there(self, here: Spot, ratio: float) -> bool:
        """Whether a sighting, `ratio` times as far as what stands before it, is rather of the thing that is followed there."""
        (x, y, z), gate = here.sighting.position, self._settings.gate_m
        near = [t for t in self._things if abs(t.centre[0] - x) < gate and abs(t.centre[1] - y) < gate and (t.spots or t.is_expected) and not t.moves
                and _on_one_storey(t.ground_z, z)]
        if not near:
            return False
        thing = min(near, key=lambda t: np.hypot(t.centre[0] - x, t.centre[1] - y))
        expected = thing.is_expected and _distance(here.place - thing.centre, thing.covariance + here.covariance) is not None
        return behind_over_part(thing.spots, here, ratio) > (0.0 if expected else BEHIND) if thing.spots else expected

    def _of(self, alert_id: str) -> Thing | None:
        return next((t for t in self._things if t.alert is not None and t.in_store and t.alert.id == alert_id), None)

    def _associate(self, spots: list[Spot]) -> list[Thing]:
        """Give each sighting to the thing it fits best, one to one; what fits none begins a new thing."""
        pairs, where = [], np.array([(*t.centre, *(t.last.place if t.spots else t.centre), t.ground_z) for t in self._things]).reshape(-1, 5) if spots else None
        for i, spot in enumerate(spots):
            for thing in self._near(spot, where):
                cost = self._cost(thing, spot)
                if cost is not None:
                    pairs.append((cost, i, thing))
        seen: list[Thing] = []
        taken: set[int] = set()
        for _, i, thing in sorted(pairs, key=lambda pair: pair[0]):
            if i not in taken and thing not in seen:
                thing.add(spots[i])
                seen.append(thing)
                taken.add(i)
        for i, spot in enumerate(spots):
            if i not in taken and not any(np.linalg.norm(t.centre - spot.place) < self._settings.gate_m for t in seen):
                self._things.append(Thing(self._settings))
                self._things[-1].add(spot)
                seen.append(self._things[-1])
        return seen

    def _near(self, spot: Spot, where: np.ndarray) -> list[Thing]:
        """The things that a sighting may be of; `where` `(N, 5)` has the place of each, that of its last sighting, and how high its ground lies."""
        reach = 3 * (self._settings.gate_m + np.sqrt(np.trace(spot.covariance))) + 2 * WALK_MPS
        beside = np.abs(where[:, :4].reshape(-1, 2, 2) - spot.place).max(axis=2).min(axis=1)
        return [self._things[i] for i in np.flatnonzero((beside < reach) & _on_one_storey(where[:, 4], spot.sighting.position[2]))]

    def _cost(self, thing: Thing, spot: Spot) -> float | None:
        """How badly a sighting fits a thing that stands, or one that moves; None if it fits neither."""
        gate = (self._settings.gate_m / 3) ** 2 * np.eye(2)
        costs = [_distance(spot.place - thing.centre, thing.covariance + spot.covariance + gate)]
        if thing.alert is None and thing.spots and (thing.moves or len(thing.spots) < self._settings.sightings):
            late = (spot.stamp_ns - thing.last.stamp_ns) * 1e-9
            if 0 <= late <= self._settings.forget_s:
                ahead = thing.last.place + (late * thing.velocity if thing.moves else 0.0)
                stray = gate + (WALK_MPS * late) ** 2 * np.eye(2)
                costs.append(_distance(spot.place - ahead, thing.last.covariance + spot.covariance + stray))
        costs = [cost for cost in costs if cost is not None]
        return min(costs) if costs else None

    def _judge(self, thing: Thing) -> Alert | None:
        """Open or go on with the alert of a thing that was just seen. Returns it if there is something to tell."""
        if thing.alert is not None and thing.alert.state == DISMISSED:
            if not thing.is_another():
                return None
            self._things.append(thing.split_off())
            return self._judge(self._things[-1])
        if thing.alert is None or thing.alert.state == CLEARED:
            if thing.doubt(self._frame):
                return None
            if thing.alert is None and (other := self._same_thing(thing)) is not None:
                self._things.remove(thing)
                log.debug("another part of %s at %s", other.alert.id, thing.centre)
                return None
            return self._tell(thing, thing.alert.id if thing.alert else self._new_id())
        moved = np.linalg.norm(thing.centre - np.array(thing.told[:2]))
        alert = self._tell(thing, thing.alert.id, told=moved > TOLD_M)
        return alert if moved > TOLD_M else None

    def _same_thing(self, thing: Thing) -> Thing | None:
        for other in self._things:
            if (other is not thing and other.alert is not None and other.alert.state != CLEARED and _on_one_storey(other.ground_z, thing.ground_z)
                    and not _another(other, thing)):
                reach = self._settings.gate_m + min(max(other.size_m[0], thing.size_m[0]) / 2, self._settings.gate_m)
                if np.linalg.norm(other.centre - thing.centre) < reach:
                    return other
        return None

    def _tell(self, thing: Thing, alert_id: str, told: bool = True) -> Alert:
        before, last = thing.alert, thing.last
        thing.alert = Alert(
            alert_id, ACTIVE, thing.class_name, thing.score, (float(thing.centre[0]), float(thing.centre[1]), thing.ground_z),
            thing.size_m, before.first_seen_ns if before else thing.spots[0].stamp_ns, last.stamp_ns,
            thing.earlier + len(thing.spots), before.evidence if before else "")
        if told:
            thing.told = thing.alert.position
        return thing.alert

    def _look(self, thing: Thing, view: View, changed: list[Alert], ground: np.ndarray | None, stamp_ns: int, known: list[Box]) -> None:
        """Count a view of the place of a thing that was not sighted in this frame; in the boxes `known` other things were that are known to stand there."""
        foot = np.array([thing.centre[0], thing.centre[1], thing.ground_z])
        if ground is not None and not _on_one_storey(height(ground, foot[None])[0], 0.0):
            return
        state = view.state(foot, thing.size_m, thing.remembered_range_m, known)
        if state == TAKEN:
            thing.clean_in_a_row = 0
        if state == HIDDEN:
            thing.hide(self._frame)
        if state != CLEAN:
            return
        if thing.clean_in_a_row == 0:
            thing.clean_since_ns = stamp_ns
        thing.clean += 1
        thing.clean_in_a_row += 1
        active = thing.alert is not None and thing.alert.state == ACTIVE
        lasted = (stamp_ns - thing.clean_since_ns) * 1e-9 >= CLEAN_S
        if active and lasted and thing.clean_in_a_row >= self._settings.clear_frames:
            thing.alert = dataclasses.replace(thing.alert, state=CLEARED)
            thing.forget_sightings()
            changed.append(thing.alert)

    def _prune(self, stamp_ns: int) -> None:
        """Drop what was not seen for a while; alerts stay, but a cleared one needs its sightings close together again."""
        for thing in self._things:
            if thing.alert is not None and thing.alert.state == CLEARED and thing.spots and thing.last.frame <= thing.since(self._frame):
                thing.forget_sightings()
        keep = [t for t in self._things if t.alert is not None or t.last.frame > t.since(self._frame)
                and (not t.moves or (stamp_ns - t.last.stamp_ns) * 1e-9 <= self._settings.forget_s or self._frame in t.hidden)]
        open_ = [t for t in keep if t.alert is None]
        if len(open_) > self._settings.max_tracks:
            weakest = {id(t) for t in sorted(open_, key=lambda t: (t.last.frame, len(t.spots)))[:len(open_) - self._settings.max_tracks]}
            keep = [t for t in keep if id(t) not in weakest]
        self._things = keep
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        cleared = [t for t in self._things if t.alert is not None and t.alert.state == CLEARED]
        if len(cleared) > MOST_CLEARED:
            oldest = {id(t) for t in sorted(cleared, key=lambda t: t.alert.last_seen_ns)[:len(cleared) - MOST_CLEARED]}
            self._things = [t for t in self._things if id(t) not in oldest]

    def _next_id(self) -> str:
        self._count += 1
        return f"A{self._count:04d}"


def _by_id(thing: Thing) -> tuple[int, str]:
    return len(thing.alert.id), thing.alert.id


def _another(dismissed: Thing, thing: Thing) -> bool:
    """Whether `thing` is surely not what was dismissed beside it."""
    if dismissed.alert.state != DISMISSED or dismissed.known_as is None:
        return False
    look, size_m = dismissed.known_as
    return unlike(look, thing.look) or another_size(size_m, thing.size_m)


def _distance(difference: np.ndarray, covariance: np.ndarray) -> float | None:
    """Squared distance in sigma plus the log of the spread, so that a tighter fit wins; None beyond the gate."""
    (a, b), (_, d) = covariance.tolist()
    x, y = difference.tolist()
    determinant = a * d - b * b
    squared = (d * x * x - 2 * b * x * y + a * y * y) / determinant
    return squared + math.log(determinant) if squared < GATE else None


def _edges(region: Region) -> Box:
    x, y, width, height = region.box
    return x, y, x + width, y + height


def _on_one_storey(z: float, other_z: float) -> bool:
    return abs(z - other_z) < LEVEL_M

"""One thing that is followed over frames: its sightings, and what speaks against an alert."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from umad_patrol.alerts.hypotheses import GATE, fuse, sighting_covariance, standing_over_flat, velocity
from umad_patrol.alerts.look import another_size, middle_look, unlike
from umad_patrol.config import AlertSettings
from umad_patrol.records import ANOMALY, CLEARED, Alert, Camera, Sighting

KEPT = 60     # sightings a thing keeps at most
RECENT = 20   # of which the last are never thinned out
MOTION_S = 1.2  # how it moves is told by the sightings of so long, 10 at least: 10 pictures of a quick camera span too little time to tell
FLOOR_M = 0.03


@dataclass(frozen=True, eq=False)
class Spot:
    """A sighting with when it was, how well it is known where, `(2,)` from where, and whether somebody nearer covered it."""

    stamp_ns: int
    frame: int
    sighting: Sighting
    place: np.ndarray
    covariance: np.ndarray
    eye: np.ndarray
    on_somebody: bool = False

    @classmethod
    def of(cls, sighting: Sighting, stamp_ns: int, frame: int, camera: Camera, map_T_camera: np.ndarray,
           settings: AlertSettings, on_somebody: bool = False) -> Spot:
        """The spot of a sighting that a camera at `map_T_camera` had in comparable frame number `frame`."""
        place, eye = np.array(sighting.position), map_T_camera[:3, 3]
        away = (place - eye)[:2] / max(float(np.linalg.norm((place - eye)[:2])), 1e-9)
        covariance = sighting_covariance(sighting.range_m, away, min(sighting.width_m, settings.max_size_m), float(camera.K[1, 1]),
                                         sighting.eye_height_m, settings.foot_sigma_px, settings.pose_sigma_m)
        return cls(stamp_ns, frame, sighting, place[:2], covariance, eye[:2], on_somebody)


@dataclass(eq=False)
class Thing:
    """The sightings that are taken for one thing, and the alert that it has become, if any."""

    settings: AlertSettings
    spots: list[Spot] = field(default_factory=list)
    alert: Alert | None = None
    earlier: int = 0            # sightings that are no longer kept, of this run or before a restart
    thinned: int = 0            # of these since it is followed
    clean: int = 0              # views of its place without it, since it is followed
    clean_in_a_row: int = 0
    clean_since_ns: int = 0     # when the first of these was
    hidden: list[int] = field(default_factory=list)     # the latest frames in which something nearer hid its place
    remembered_range_m: float = 0.0
    told: tuple[float, float, float] | None = None  # the place that was last reported
    prior: tuple[np.ndarray, np.ndarray] | None = None  # place and covariance as known before the sightings kept
    centre: np.ndarray = field(default_factory=lambda: np.zeros(2))
    covariance: np.ndarray = field(default_factory=lambda: np.eye(2))
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    velocity_covariance: np.ndarray = field(default_factory=lambda: np.eye(2) * 100.0)
    squared: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ground_z: float = 0.0
    size_m: tuple[float, float] = (0.0, 0.0)  # width and height as the nearest third of the sightings show them
    moves: bool = False                       # whether it is known to move
    known_as: tuple[tuple[float, ...], tuple[float, float]] | None = None  # look and size of what was dismissed here
    in_store: bool = True                     # whether its alert is one of this patrol's store; the map's dismissed things are not

    def add(self, spot: Spot) -> None:
        """Take another sighting in and estimate anew."""
        self.spots.append(spot)
        self.clean_in_a_row = 0
        self.remembered_range_m = max(self.remembered_range_m, spot.sighting.range_m)
        if len(self.spots) > KEPT:
            old = self.spots[:-RECENT]
            gone = len(old) - len(old[::2])
            self.earlier, self.thinned = self.earlier + gone, self.thinned + gone
            self.spots = old[::2] + self.spots[-RECENT:]
        self._estimate()

    def hide(self, frame: int) -> None:
        """Note that something nearer hid its place in this frame."""
        self.hidden = [f for f in self.hidden if f > frame - 2 * self.settings.window] + [frame]

    def since(self, frame: int) -> int:
        """The frame after which sightings count now: `window` before the present one, and as many more, at most that again, as hid its place."""
        hidden = sum(f > frame - 2 * self.settings.window for f in self.hidden)
        return frame - self.settings.window - min(hidden, self.settings.window)

    def remember(self, alert: Alert, sigma_m: float, range_m: float) -> None:
        """Become the thing behind an alert of before; its place is known to `sigma_m`."""
        self.alert, self.told, self.earlier = alert, alert.position, alert.sightings
        self.remembered_range_m = range_m
        self.centre, self.covariance = np.array(alert.position[:2]), sigma_m ** 2 * np.eye(2)
        self.prior = self.centre, self.covariance
        self.ground_z, self.size_m = alert.position[2], alert.size_m

    def forget_sightings(self) -> None:
        """Start afresh after the thing was taken away: only new sightings can bring the alert back."""
        self.earlier += len(self.spots)
        self.prior = self.centre, self.covariance
        self.spots, self.hidden, self.thinned, self.clean, self.clean_in_a_row = [], [], 0, 0, 0
        self.squared, self.moves = np.zeros(0), False

    def is_another(self) -> bool:
        """Whether what is seen here now is surely not the thing that was dismissed here."""
        if self.known_as is None or len(self.spots) < self.settings.sightings:
            return False
        look, size_m = self.known_as
        return unlike(look, self.look) or another_size(size_m, self.size_m)

    def split_off(self) -> Thing:
        """A new thing with the sightings of this one, which forgets them."""
        other = Thing(self.settings)
        for spot in self.spots:
            other.add(spot)
        self.forget_sightings()
        return other

    @property
    def look(self) -> tuple[float, ...]:
        """What it looks like, by its sightings; () if that is not known."""
        return middle_look(s.sighting.look for s in self.spots)

    @property
    def last(self) -> Spot:
        return self.spots[-1]

    @property
    def last_frame(self) -> int:
        """The frame that saw it last; 0 if none did since it is followed."""
        return self.spots[-1].frame if self.spots else 0

    @property
    def is_expected(self) -> bool:
        """Whether it is known from before to stand in its place: as an alert that was not cleared, or dismissed."""
        return self.prior is not None and self.alert is not None and self.alert.state != CLEARED

    @property
    def class_name(self) -> str:
        """The class that most of the score was given to."""
        votes: dict[str, float] = {}
        for spot in self.spots:
            region = spot.sighting.region
            votes[region.class_name] = votes.get(region.class_name, 0.0) + region.score
        return max(votes, key=votes.get) if votes else self.alert.class_name

    @property
    def score(self) -> float:
        """Mean score of the sightings that agree."""
        scores = [s.sighting.region.score for s, d in zip(self.spots, self.squared) if d < GATE]
        return float(np.mean(scores)) if scores else max(s.sighting.region.score for s in self.spots)

    def doubt(self, frame: int) -> str:
        """What still speaks against an alert, in a few words; empty if nothing does. `frame` is the present one."""
        settings = self.settings
        agreeing = [s for s, d in zip(self.spots, self.squared) if d < GATE]
        since = self.since(frame)
        recent = [s for s in self.spots if s.frame > since]
        hits = sum(s.frame > since for s in agreeing)
        if self.class_name != ANOMALY:
            return f"is {self.class_name}"
        if hits < settings.sightings:
            return f"seen {hits} of {settings.sightings} times"
        if hits < 0.6 * len(recent) or len(agreeing) < 0.5 * len(self.spots):
            return "sightings disagree"
        if 2 * sum(s.on_somebody for s in agreeing) > len(agreeing):
            return "is seen on somebody who stands before it"
        seen = len(self.spots) + self.thinned
        if seen / (seen + self.clean) < settings.min_rate:
            return "seen too seldom"
        if self.score < settings.min_score:
            return f"score {self.score:.2f} only"
        return self._size_doubt() or self._motion_doubt() or self._shape_doubt(agreeing)

    def _size_doubt(self) -> str:
        width, height = self.size_m
        if max(width, height) > self.settings.max_size_m:
            return f"too large: {width:.1f} x {height:.1f} m"
        if height < self.settings.min_height_m:
            return f"too low: {height:.2f} m"
        return ""

    def _motion_doubt(self) -> str:
        fastest = float(np.linalg.norm(self.velocity)) + 1.5 * float(np.sqrt(np.linalg.eigvalsh(self.velocity_covariance)[-1]))
        if fastest > self.settings.max_speed_mps:
            return f"may move at {fastest:.2f} m/s"
        spread = float(np.sqrt(np.median(self.squared[-RECENT:]) / np.log(4)))  # log 4: median of chi-squared with 2 d.o.f.
        if spread > self.settings.max_spread:
            return f"place wanders by {spread:.1f} sigma"
        lasted = (self.last.stamp_ns - self.spots[0].stamp_ns) * 1e-9
        if self.size_m[1] > self.settings.tall_m and lasted < self.settings.tall_s:
            return f"tall and standing for {lasted:.1f} s only"
        return ""

    def _shape_doubt(self, agreeing: list[Spot]) -> str:
        settings = self.settings
        evidence = standing_over_flat(np.array([s.sighting.range_m for s in agreeing]), np.array([s.sighting.height_m for s in agreeing]),
                                      np.array([s.sighting.width_m for s in agreeing]), np.array([s.sighting.eye_height_m for s in agreeing]),
                                      np.array([s.sighting.region.box[3] for s in agreeing], float), settings.edge_sigma_px)
        often = len(agreeing) + self.earlier >= settings.weak_sightings
        if evidence >= settings.standing_evidence or (often and evidence >= settings.weak_evidence):
            return ""
        return f"{'flat' if evidence < 0 else 'perhaps flat'}: evidence of standing {evidence:.1f}"

    def _estimate(self) -> None:
        places = np.array([s.place for s in self.spots])
        covariances = np.array([s.covariance for s in self.spots])
        if self.prior is None:
            self.centre, covariance, self.squared = fuse(places, covariances)
        else:
            known, sure = self.prior
            self.centre, covariance, squared = fuse(np.vstack([known, places]), np.concatenate([sure[None], covariances]))
            self.squared = squared[1:]
        self.covariance = covariance + FLOOR_M ** 2 * np.eye(2)
        self.ground_z = float(np.median([s.sighting.position[2] for s in self.spots]))
        near = sorted(self.spots, key=lambda s: s.sighting.range_m)[:max(1, len(self.spots) // 3)]
        width, height = np.median([(s.sighting.width_m, s.sighting.height_m) for s in near], axis=0)
        self.size_m = float(width), float(height)
        since_ns = self.last.stamp_ns - MOTION_S * 1e9
        last = self.spots[-max(RECENT // 2, sum(s.stamp_ns > since_ns for s in self.spots)):]
        if len(last) >= 2:
            seconds = np.array([(s.stamp_ns - last[0].stamp_ns) * 1e-9 for s in last])
            self.velocity, self.velocity_covariance = velocity(seconds, places[-len(last):], covariances[-len(last):])
            self.moves = len(last) >= 3 and self._is_moving()

    def _is_moving(self) -> bool:
        speed = float(np.linalg.norm(self.velocity))
        heading = self.velocity / max(speed, 1e-9)
        return speed > max(self.settings.max_speed_mps / 2, 3 * float(np.sqrt(heading @ self.velocity_covariance @ heading)))

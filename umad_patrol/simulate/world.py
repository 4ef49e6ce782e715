"""The whole simulated world: a street, what was added to it since the teach run, and who passes by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from umad_patrol.errors import SimulationError
from umad_patrol.io import umad_bits
from umad_patrol.simulate import furniture
from umad_patrol.simulate.actors import Actor
from umad_patrol.simulate.assets import Shelf
from umad_patrol.simulate.drive import Drive, make_drive
from umad_patrol.simulate.light import Light, make_light
from umad_patrol.simulate.materials import Palette, Picture
from umad_patrol.simulate.mesh import Mesh, merge
from umad_patrol.simulate.route import Route, make_route
from umad_patrol.simulate.stage import Stage
from umad_patrol.simulate.street import ROAD_Z, Street
from umad_patrol.simulate.things import KINDS

TEACH, PATROL = "teach", "patrol"
MIN_LENGTH_M, MAX_LENGTH_M, SPACING_M, LEAD_M = 12.0, 2000.0, 3.2, 4.7
VIEW_RAD = np.radians(31.0)  # a little less than half of what the camera sees across
ASIDE_M, MOST_ASIDE_M = 0.06, 1.5  # how far (rms) the patrol drives from the taught line
START_NS = {TEACH: 1_750_000_000_000_000_000, PATROL: 1_750_095_000_000_000_000}


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that is labelled: `bit` as UMAD has it, `position` of the middle of its base, `size` (w, d, h) of its box."""

    id: int
    kind: str
    bit: int
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    mesh: Mesh


@dataclass(frozen=True, eq=False)
class World:
    """What there is. `moved` holds pairs: the thing where it was, the thing where it is."""

    seed: int
    route: Route
    street: Mesh
    anomalies: tuple[Thing, ...]
    moved: tuple[tuple[Thing, Thing], ...]
    actors: tuple[Actor, ...]
    lights: dict[str, Light]
    drives: dict[str, Drive]
    grounds: dict[int, Picture] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    @cached_property
    def palette(self) -> Palette:
        """The materials, each made when it is first looked at."""
        return Palette(self.seed, self.grounds, self.pictures) if self.grounds or self.pictures else _own_palette(self.seed)

    def standing(self, run: str) -> Mesh:
        """Everything that does not move during this run."""
        if run == TEACH:
            return merge([self.street] + [old.mesh for old, _ in self.moved])
        return merge([self.street] + [new.mesh for _, new in self.moved] + [a.mesh for a in self.anomalies])

    def passing(self, run: str) -> list[tuple[Actor, int]]:
        """Who is about in this run, with the number that labels them."""
        first = len(self.anomalies) + 2 * len(self.moved) + 1
        return [(a, first + i) for i, a in enumerate(self.actors)] if run == PATROL else []

    def bits(self) -> np.ndarray:
        """The label bit of every thing by its number; 0 is the street."""
        table = np.zeros(1 + len(self.anomalies) + 2 * len(self.moved) + len(self.actors), np.uint8)
        for thing in self.anomalies + tuple(new for _, new in self.moved):
            table[thing.id] = thing.bit
        for actor, number in self.passing(PATROL):
            table[number] = umad_bits.PERSON_IN_QUERY if actor.kind == "person" else umad_bits.VEHICLE_IN_QUERY
        return table


def make_world(seed: int = 0, anomalies: int = 10, length_m: float = 68.0, assets: str | Path | None = None, aside_m: float = ASIDE_M) -> World:
    """The world of this seed; `assets` is a folder of models and pictures (see `assets.py`) that are used as well.

    Raises SimulationError if so many anomalies cannot stand apart on so short a route, or an asset cannot be read.
    """
    check_length(length_m)
    if not 0 <= aside_m <= MOST_ASIDE_M:
        raise SimulationError(f"a patrol {aside_m} m beside the taught line cannot be made; --aside takes 0 to {MOST_ASIDE_M:g} m")
    most = int((length_m - LEAD_M - 3.0) / SPACING_M) + 1
    if not 0 <= anomalies <= most:
        raise SimulationError(
            f"{anomalies} anomalies do not fit, {SPACING_M} m apart, on {length_m:g} m; ask for 0 to {most} or a longer route"
        )
    rng = np.random.default_rng([seed, 1])
    route = make_route(rng, length_m)
    street = Street(route, rng)
    shelf, extra = (None if assets is None else Shelf(assets)), np.random.default_rng([seed, 4])
    fixed = merge([street.ground(), street.houses(), street.fixtures(), *_furniture(shelf, street, extra)])
    planter = Planter(street, fixed, np.random.default_rng([seed, 2]), shelf)
    planted = planter.anomalies(anomalies)
    moved = planter.moved(len(planted) + 1)
    azimuth = rng.uniform(-np.pi, np.pi)
    lights = {TEACH: make_light(rng, azimuth), PATROL: make_light(rng, azimuth + rng.choice([-1, 1]) * rng.uniform(0.6, 1.8))}
    drives = {TEACH: make_drive(route, rng, 0.02, START_NS[TEACH]), PATROL: make_drive(route, rng, aside_m, START_NS[PATROL])}
    actors = _actors(drives[PATROL], np.random.default_rng([seed, 3]))
    grounds = {}
    if shelf is not None:
        actors, grounds = _dressed(actors, shelf, extra), shelf.grounds(extra)
    return World(seed, route, fixed, planted, moved, actors, lights, drives, grounds, tuple(shelf.pictures) if shelf else ())


def check_length(length_m: float) -> None:
    """Raises SimulationError if no route can be so long."""
    if not MIN_LENGTH_M <= length_m <= MAX_LENGTH_M:
        raise SimulationError(f"a route of {length_m} m cannot be made; --length takes {MIN_LENGTH_M:g} to {MAX_LENGTH_M:g} m")


@lru_cache(maxsize=1)
def _own_palette(seed: int) -> Palette:
    return Palette(seed)


class Planter:
    """Finds free places that the camera sees from the route."""

    def __init__(self, street: Street, fixed: Mesh, rng: np.random.Generator, shelf: Shelf | None = None) -> None:
        self.street, self.rng, self.shelf, self.taken, self.stage = street, rng, shelf, [], Stage(fixed)

    def anomalies(self, count: int) -> tuple[Thing, ...]:
        """`count` things of all kinds by turns, spread over the route."""
        last = self.street.route.length_m - 3.0
        slots = LEAD_M + (np.arange(count) + 0.5) * (last - LEAD_M) / max(count, 1)
        room = max(0.0, 0.5 * ((last - LEAD_M) / max(count, 1) - 3.0))
        kinds = np.concatenate([self.rng.permutation(list(KINDS)) for _ in range(-(-count // len(KINDS)))] or [[]])[:count]
        found = []
        for i, (s, kind) in enumerate(zip(slots, kinds)):
            kind, mesh = self._left_behind(str(kind), i)
            low, high = mesh.bounds()
            large = high[2] > 0.4
            for _ in range(200):
                d = self._aside(large and self.rng.random() < 0.35)
                place = s + self.rng.uniform(-room, room)
                thing = self._thing(i + 1, kind, umad_bits.ANOMALY, mesh, place, d, self.rng.uniform(-np.pi, np.pi))
                if self._free(thing, 3.0) and self._seen(thing, place):
                    break
            else:
                raise SimulationError(
                    f"no place for a {kind} at {s:.1f} m of the route; take another --seed or fewer --anomalies"
                )
            found.append(thing)
            self.taken.append(thing.position[:2])
        return tuple(found)

    def moved(self, first: int) -> tuple[tuple[Thing, Thing], ...]:
        """A bin and a bench that stand 1.7 to 2.8 m along the route from where they stood; one for which there is no place is left out."""
        pairs, number = [], first
        for kind, share in (("bin", self.rng.uniform(0.15, 0.4)), ("bench", self.rng.uniform(0.65, 0.9))):
            mesh = furniture.bin_(self.rng) if kind == "bin" else furniture.bench(self.rng)
            turn = 0.0 if self.street.route.side > 0 else np.pi
            for attempt in range(400):  # near where it should be; then anywhere
                spread = 5.0 if attempt < 100 else 0.5 * self.street.route.length_m
                s, d = share * self.street.route.length_m + self.rng.uniform(-spread, spread), self.rng.uniform(2.4, 2.7)
                step = self.rng.choice([-1.0, 1.0]) * self.rng.uniform(1.7, 2.8)
                if not LEAD_M < min(s, s + step) < max(s, s + step) < self.street.route.length_m - 1.5:
                    continue
                old, new = (self._thing(number + i, kind, umad_bits.MOVED_IN_QUERY, mesh, s + i * step, d, turn) for i in (0, 1))
                if self._seen(old, s) and self._seen(new, s + step) and self._free(old, 2.4) and self._free(new, 2.4):
                    pairs.append((old, new))
                    self.taken += [old.position[:2], new.position[:2]]
                    number += 2
                    break
        return tuple(pairs)

    def _left_behind(self, kind: str, number: int) -> tuple[str, Mesh]:
        """A thing of this kind; every other one comes from the shelf where there is one."""
        mesh = KINDS[kind](self.rng)
        found = self.shelf.take("anomaly", self.rng, (0.1, 1.2), 0.9) if self.shelf and number % 2 else None
        return found or (kind, mesh)

    def _aside(self, yard: bool) -> float:
        """How far beside the robot's line: on the pavement, or in a front yard; people walk between the two."""
        if yard:
            return float(self.rng.uniform(2.5, 3.6))
        return float(self.rng.choice([-1.0, 1.0]) * self.rng.uniform(0.62, 1.12))

    def _thing(self, number: int, kind: str, bit: int, mesh: Mesh, s: float, d: float, turn: float) -> Thing:
        placed = self.street.stand(mesh, s, d, 0.0, turn).labelled(number)
        low, high = placed.bounds()
        low, high = low.astype(float), high.astype(float)
        size = mesh.bounds()[1] - mesh.bounds()[0]
        return Thing(
            number,
            kind,
            bit,
            (float(0.5 * (low[0] + high[0])), float(0.5 * (low[1] + high[1])), 0.0),
            tuple(float(x) for x in size),
            placed,
        )

    def _free(self, thing: Thing, apart_m: float) -> bool:
        return all(np.hypot(thing.position[0] - x, thing.position[1] - y) > apart_m for x, y in self.taken)

    def _seen(self, thing: Thing, s: float) -> bool:
        """Whether the camera, from two places before it, looks at the thing and four in five rays reach its box."""
        low, high = thing.mesh.bounds()
        grid = np.stack(np.meshgrid(*[np.linspace(a, b, 4) for a, b in zip(low, high)], indexing="ij"), -1).reshape(-1, 3)
        grid[:, 2] = np.maximum(grid[:, 2], 0.03)
        aside = float(np.hypot(*(np.array(thing.position[:2]) - self.street.route.point(s, 0.0))))
        for back in (max(2.6, 2.1 * aside), max(4.0, 2.8 * aside)):
            eye, heading = self.street.point(s - back, 0.0, 0.7), float(self.street.route.heading(s - back))
            toward = grid - eye
            length = np.linalg.norm(toward, axis=1)
            turn = np.arctan2(toward[:, 1], toward[:, 0]) - heading
            inside = np.abs((turn + np.pi) % (2 * np.pi) - np.pi) < VIEW_RAD
            reached = self.stage.cast(eye, (toward / length[:, None]).T)["distance"] > length - 0.02
            if s - back < 0.4 or np.mean(inside & reached) < 0.8:
                return False
        return True


def _furniture(shelf: Shelf | None, street: Street, rng: np.random.Generator) -> list[Mesh]:
    """Some models of street furniture in the front yards."""
    if shelf is None:
        return []
    taken = [shelf.take("furniture", rng, (0.3, 3.0), 2.2) for _ in range(int(street.route.length_m / 9))]
    return [
        street.stand(found[1], rng.uniform(4.0, street.route.length_m), rng.uniform(3.9, 4.6), turn=rng.uniform(-np.pi, np.pi))
        for found in taken
        if found
    ]


def _dressed(actors: tuple[Actor, ...], shelf: Shelf, rng: np.random.Generator) -> tuple[Actor, ...]:
    """Every other person and car gets a model's shape."""
    found = []
    for i, actor in enumerate(actors):
        kind, height, reach = ("people", (1.4, 2.1), 1.2) if actor.kind == "person" else ("vehicle", (1.1, 2.2), 5.5)
        model = shelf.take(kind, rng, height, reach) if i % 2 == 0 and actor.kind != "cyclist" else None
        if model is not None:
            size = np.ptp(model[1].vertices, axis=0)
            turn = np.pi / 2 if actor.kind == "person" or size[1] > size[0] else 0.0  # models look along -y
            actor = replace(actor, model=model[1].placed(np.zeros(3), turn))
        found.append(actor)
    return tuple(found)


def _actors(drive: Drive, rng: np.random.Generator) -> tuple[Actor, ...]:
    """People and vehicles timed to meet the robot somewhere along the route; all of them keep moving."""
    found, duration = [], drive.duration_s

    def meet(kind: str, share: float, speed: float, d: float, z: float = 0.0, sway: float = 0.0) -> None:
        time_s = share * duration
        s0 = drive.speed_mps * time_s + 4.0 - speed * time_s
        found.append(Actor(f"{kind}-{len(found) + 1}", kind, int(rng.integers(1 << 30)), float(s0), d, speed, z, sway))

    for share, d in zip((0.16, 0.38, 0.6, 0.84), rng.permutation([1.62, 1.7, -1.42, -1.46])):
        meet("person", share + rng.uniform(-0.04, 0.04), -rng.uniform(1.15, 1.5), float(d), 0.0, 0.06)
    meet("person", rng.uniform(0.3, 0.7), rng.uniform(1.25, 1.45), float(rng.uniform(1.6, 1.7)), 0.0, 0.05)
    meet("person", rng.uniform(0.2, 0.8), -rng.uniform(1.1, 1.4), -10.9)
    meet("car", rng.uniform(0.15, 0.4), rng.uniform(6.5, 9.0), -3.75, ROAD_Z)
    meet("car", rng.uniform(0.5, 0.9), -rng.uniform(6.5, 9.0), -5.75, ROAD_Z)
    meet("cyclist", rng.uniform(0.3, 0.8), rng.uniform(3.6, 4.6), -2.8, ROAD_Z)
    return tuple(found)

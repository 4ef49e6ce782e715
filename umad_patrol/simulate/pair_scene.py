"""Pairs from the simulated street: two pictures from known poses, and where the same places are seen in both, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from umad_patrol.evaluate.pair_poses import PairPoses, Sweep
from umad_patrol.geometry.camera import project, rays
from umad_patrol.records import Camera
from umad_patrol.reference.cloud import CloudGrid
from umad_patrol.simulate.drive import Rig, make_rig
from umad_patrol.simulate.light import photograph
from umad_patrol.simulate.pair_light import LIGHTS, WET, make_lights, wetted
from umad_patrol.simulate.pair_sweep import believed, make_sweep, turn
from umad_patrol.simulate.render import Moment, Renderer
from umad_patrol.simulate.world import PATROL, TEACH, make_world

PER_WORLD, ROUTE_M, ANOMALIES = 10, 40.0, 6
POINTS, CELLS = 200, (36, 20)            # points a pair at most; the grid over which they are spread
ON_GROUND_M, STANDS_M, FAR_M = 0.005, 0.15, 10.0
GROUND = np.array([0.0, 0.0, 1.0, 0.0])  # pavement and yards; the road lies lower
_CLOUD_RAYS, _CLOUD_RANGE_M, _CLOUD_VOXEL_M, _CLOUD_SIGMA_M = 15_000, 40.0, 0.1, 0.01


@dataclass(frozen=True, eq=False)
class MadePair:
    """A pair with its truth: pictures `(H, W, 3)` uint8 BGR, correspondences `(N, 4)` xr yr xq yq, some of them by `layers`."""

    reference: np.ndarray
    query: np.ndarray
    camera: Camera
    points: np.ndarray
    poses: PairPoses
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    cloud: np.ndarray | None = None


def simulated_pairs(seed: int, count: int, size: tuple[int, int]) -> Iterator[MadePair]:
    """`count` pairs in the order of their numbers, ten from each world; sizes are (width, height)."""
    sweeps, rig = make_sweep(count, LIGHTS, np.random.default_rng([seed, 40])), make_rig(size)
    for first in range(0, count, PER_WORLD):
        number = seed * 1000 + first // PER_WORLD
        studio = PairStudio(number, rig)
        for i, sweep in enumerate(sweeps[first:first + PER_WORLD], first):
            yield studio.take(sweep, np.random.default_rng([seed, 41, i]))


class PairStudio:
    """Takes pairs in one world: the reference while nothing is amiss, the query on patrol, with people and planted things about."""

    def __init__(self, seed: int, rig: Rig, route_m: float = ROUTE_M, anomalies: int = ANOMALIES) -> None:
        self.world, self.rig, self.place = make_world(seed, anomalies, route_m), rig, f"world-{seed}"
        self._renderers = {run: Renderer(self.world, run) for run in (TEACH, PATROL)}

    def take(self, sweep: Sweep, rng: np.random.Generator) -> MadePair:
        """A pair somewhere along the route."""
        camera, time_s = self.rig.camera, float(rng.uniform(0.05, 0.85)) * self.world.drives[TEACH].duration_s
        map_T_reference = self.world.drives[TEACH].pose(time_s) @ self.rig.body_T_camera
        map_T_query = moved(map_T_reference, self.rig.body_T_camera, sweep, rng)
        lights = make_lights(sweep.light, rng)
        reference, query = (self._picture(run, T, light, time_s, run == PATROL and sweep.light == WET, rng)
                            for run, T, light in ((TEACH, map_T_reference, lights[0]), (PATROL, map_T_query, lights[1])))
        moments = [self._renderers[run].at(time_s) for run in (TEACH, PATROL)]
        points, places = correspondences(*moments, map_T_reference, map_T_query, camera, rng)
        poses = PairPoses(map_T_reference, believed(map_T_query, sweep, rng), map_T_query, GROUND, self.place, sweep)
        return MadePair(reference, query, camera, points, poses, layers(points, places, map_T_reference[:3, 3]),
                        self._cloud(moments[0], map_T_reference, rng))

    def _picture(self, run: str, map_T_camera: np.ndarray, light, time_s: float, rain: bool, rng: np.random.Generator) -> np.ndarray:
        view = self._renderers[run].view(map_T_camera, self.rig.camera, light, time_s)
        radiance = wetted(view, map_T_camera, self.rig.camera, light, self.world.palette.clouds, rng) if rain else view.radiance
        return photograph(radiance, light, rng)

    def _cloud(self, moment: Moment, map_T_camera: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What a LiDAR that came along the route has seen around, `(M, 3)` in `map`."""
        grid, ahead = CloudGrid(_CLOUD_VOXEL_M), map_T_camera[:3, 2] * (1, 1, 0)
        for step_m in (-2.0, 1.5, 5.0):
            origin = map_T_camera[:3, 3] + step_m * ahead
            direction = rng.standard_normal((3, _CLOUD_RAYS)) * [[1.0], [1.0], [0.35]]
            direction /= np.linalg.norm(direction, axis=0)
            distance = moment.stage.cast(origin.astype(np.float32), direction.astype(np.float32))["distance"]
            seen = distance < _CLOUD_RANGE_M
            measured = distance[seen] + rng.normal(0, _CLOUD_SIGMA_M, int(seen.sum()))
            grid.add((origin[:, None] + measured * direction[:, seen]).T)
        return grid.points()


def moved(map_T_reference: np.ndarray, body_T_camera: np.ndarray, sweep: Sweep, rng: np.random.Generator) -> np.ndarray:
    """The query's `map_T_camera`: beside the reference's centre by the offset, to either side, and turned about its own."""
    map_R_body = map_T_reference[:3, :3] @ body_T_camera[:3, :3].T
    T = map_T_reference.copy()
    T[:3, 3] += rng.choice([-1.0, 1.0]) * sweep.offset_m * map_R_body[:, 1]
    T[:3, :3] = map_R_body @ turn(sweep.rotation_deg, rng) @ body_T_camera[:3, :3]
    return T


def correspondences(reference: Moment, query: Moment, map_T_reference: np.ndarray, map_T_query: np.ndarray, camera: Camera,
                    rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places of the street seen in both pictures: `(N, 4)` pixels xr yr xq yq and `(N, 6)` place and normal in `map`.

    A ray through the reference's pixel gives the place, another from the query's camera says whether it is hidden there.
    Nothing that moves, was moved or was added is among them, nor is the sky.
    """
    pixels = _spread(camera, rng)
    places, normals, street = _hit(reference, map_T_reference[:3, 3], rays(camera, pixels) @ map_T_reference[:3, :3].T)
    pixels, places, normals = pixels[street], places[street], normals[street]
    seen = project((places - map_T_query[:3, 3]) @ map_T_query[:3, :3], camera)
    inside = np.isfinite(seen).all(1) & (seen >= 0).all(1) & (seen <= (camera.width - 1, camera.height - 1)).all(1)
    pixels, places, normals, seen = (a[inside] for a in (pixels, places, normals, seen))
    again, _, street = _hit(query, map_T_query[:3, 3], places - map_T_query[:3, 3])
    off = np.linalg.norm(again - places, axis=1)
    open_ = street & (off < 0.005 + 0.001 * np.linalg.norm(places - map_T_query[:3, 3], axis=1))
    some = np.sort(rng.permutation(np.flatnonzero(open_))[:POINTS])
    return np.hstack([pixels, seen])[some], np.hstack([places, normals])[some]


def layers(points: np.ndarray, places: np.ndarray, eye: np.ndarray) -> dict[str, np.ndarray]:
    """The points on the ground plane, and those on what stands: far (10 m from `eye` or more) and near. Road and kerbs are in none."""
    height, range_m = places[:, 2], np.linalg.norm(places[:, :3] - eye, axis=1)
    ground = (np.abs(height) < ON_GROUND_M) & (np.abs(places[:, 5]) > 0.99)
    stands = height > STANDS_M
    return {"ground": points[ground], "far": points[stands & (range_m >= FAR_M)], "near": points[stands & (range_m < FAR_M)]}


def _spread(camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """A random place in every cell of the picture, `(N, 2)`, in whole thousandths of a pixel."""
    columns, rows = CELLS
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
    return np.round((grid + rng.random(grid.shape)) / CELLS * (camera.width - 1, camera.height - 1), 3)


def _hit(moment: Moment, origin: np.ndarray, toward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays along `toward` `(N, 3)` first hit: places and normals `(N, 3)`, and whether that is the street itself `(N,)`."""
    direction = toward / np.linalg.norm(toward, axis=1, keepdims=True)
    answer = moment.stage.cast(origin.astype(np.float32), np.ascontiguousarray(direction.T, np.float32))
    hit = np.isfinite(answer["distance"])
    distance = np.where(hit, answer["distance"], 0.0).astype(np.float64)
    street = hit & (moment.surface.thing.take(answer["triangle"]) == 0)
    return origin + distance[:, None] * direction, answer["normal"].T, street

"""Pictures of the world: rays through the pixels, surfaces lit by sun and sky, shadows, labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.records import Camera
from umad_patrol.simulate.contact import Contact
from umad_patrol.simulate.light import Light
from umad_patrol.simulate.mesh import merge
from umad_patrol.simulate.shade import Foot, Hits, Shader, Surface, dot
from umad_patrol.simulate.stage import Stage
from umad_patrol.simulate.world import World

SUBPIXELS = np.array([(-0.33, -0.2), (0.33, 0.2)], np.float32)  # places in the pixel of the extra rays along outlines
BATCH = 120_000  # rays at once: more fall out of the cache
FEET = {"person": (0.3, 0.25), "cyclist": (0.8, 0.2), "car": (2.2, 1.0)}  # half length and width in metres of what stands on the ground
ROOM = 60_000  # triangles of people and vehicles that fit beside the street's
SIGHT_M = 55.0  # people and vehicles farther from the robot are left out


@dataclass(frozen=True, eq=False)
class View:
    """One rendered frame: linear light `(H, W, 3)` float32 RGB, and for each pixel the number of the thing there, the distance
    along the ray in metres (infinite: sky), and whether it looks above the horizon."""

    radiance: np.ndarray
    thing: np.ndarray
    distance: np.ndarray
    above: np.ndarray


class Renderer:
    """Renders one run of a world; `threads` is what ray casting may use."""

    def __init__(self, world: World, run: str, threads: int = 1) -> None:
        self.world, self.run = world, run
        standing = world.standing(run)
        self._stage, self._surface = Stage(standing, threads), Surface.of(standing)
        self._roomy = self._surface.with_room(ROOM)
        line = world.route.point(np.linspace(0.0, world.route.length_m, 100), 0.0)
        self._shader = Shader(world.palette, Contact(standing, line))

    def at(self, time_s: float) -> tuple[Stage, Surface, list[Foot]]:
        """What rays can hit, with everybody where they are at `time_s`, what those triangles look like, who touches the ground."""
        robot = self.world.drives[self.run].pose(time_s)[:2, 3]
        near = [(actor, number) for actor, number in self.world.passing(self.run, time_s)
                if np.hypot(*(actor.place(self.world.route, time_s)[0][:2] - robot)) < SIGHT_M]
        if not near:
            return self._stage, self._surface, []
        meshes = [actor.mesh(self.world.route, time_s).labelled(number) for actor, number in near]
        feet = [Foot(*place[:2], yaw, FEET[actor.kind]) for actor, _ in near for place, yaw in (actor.place(self.world.route, time_s),)]
        return self._stage.with_moving(meshes), self._roomy.followed_by(merge(meshes), len(self._surface.material)), feet

    def view(self, map_T_camera: np.ndarray, camera: Camera, light: Light, time_s: float) -> View:
        """What a camera sees from there at that time."""
        stage, surface, feet = self.at(time_s)
        grid, shape = _pixel_grid(camera), (camera.height, camera.width)

        def trace(pixels: np.ndarray) -> tuple[Hits, np.ndarray]:
            return self._trace(stage, surface, pixels, map_T_camera, camera, light, feet)

        parts = [trace(grid[:, i:i + BATCH]) for i in range(0, grid.shape[1], BATCH)]
        radiance = np.concatenate([color for _, color in parts], axis=1)
        distance, key = (np.concatenate([getattr(hits, name) for hits, _ in parts]).reshape(shape) for name in ("distance", "key"))
        triangle = np.concatenate([hits.triangle for hits, _ in parts])
        above = np.concatenate([hits.direction[2] >= 0 for hits, _ in parts]).reshape(shape)
        thing = np.where(np.isfinite(distance.ravel()), surface.thing[triangle], 0).reshape(shape)
        edges = _outlines(radiance[1].reshape(shape), key)
        if len(edges):
            extra = (grid[:, edges, None] + SUBPIXELS.T[:, None]).reshape(2, -1)
            colors = np.concatenate([trace(extra[:, i:i + BATCH])[1] for i in range(0, extra.shape[1], BATCH)], axis=1)
            total = _squeeze(radiance[:, edges]) + _squeeze(colors).reshape(3, len(edges), len(SUBPIXELS)).sum(2)
            radiance[:, edges] = _unsqueeze(total / np.float32(1 + len(SUBPIXELS)))
        return View(np.ascontiguousarray(radiance.T).reshape(*shape, 3), thing, distance, above)

    def _trace(self, stage: Stage, surface: Surface, pixels: np.ndarray, map_T_camera: np.ndarray, camera: Camera,
               light: Light, feet: list[Foot]) -> tuple[Hits, np.ndarray]:
        direction, shrink = rays_through(pixels, camera, map_T_camera)
        origin = map_T_camera[:3, 3].astype(np.float32)
        hits = Hits.of(stage.cast(origin, direction), origin, direction, shrink / np.float32(camera.K[0, 0]))
        lit = np.zeros(pixels.shape[1], np.float32)
        facing = dot(hits.normal, light.to_sun)
        some = np.flatnonzero(hits.hit & ((facing > 0) | surface.through[hits.triangle]))
        start = hits.point[:, some] + np.float32(3e-3) * (hits.normal[:, some] + light.to_sun[:, None])
        lit[some] = ~stage.hidden(start, light.to_sun)
        return hits, self._shader.radiance(hits, surface, light, lit, feet)


def rays_through(pixels: np.ndarray, camera: Camera, map_T_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions `(3, N)` float32 in the map of the rays through pixels `(2, N)`, and the z of each in the camera `(N,)`."""
    x = (pixels[0] - np.float32(camera.K[0, 2])) / np.float32(camera.K[0, 0])
    y = (pixels[1] - np.float32(camera.K[1, 2])) / np.float32(camera.K[1, 1])
    z = 1.0 / np.sqrt(x * x + y * y + 1)
    R = map_T_camera[:3, :3].astype(np.float32)
    return np.stack([(R[i, 0] * x + R[i, 1] * y + R[i, 2]) * z for i in range(3)]), z


def _pixel_grid(camera: Camera) -> np.ndarray:
    x, y = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    return np.stack([x.ravel(), y.ravel()])


def _outlines(green: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Numbers of the pixels where another surface begins and the light jumps: those show steps."""
    luma = np.sqrt(np.minimum(green, 2.0))
    jump = np.zeros(key.shape, bool)
    for a, b in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        step = (key[a] != key[b]) & (np.abs(luma[a] - luma[b]) > 0.08)
        jump[a] |= step
        jump[b] |= step
    return np.flatnonzero(jump)


def _squeeze(radiance: np.ndarray) -> np.ndarray:
    """Very bright light counts less in an average, as it saturates the sensor."""
    return radiance / (1.0 + radiance)


def _unsqueeze(value: np.ndarray) -> np.ndarray:
    return value / np.maximum(1.0 - value, 0.05)

"""Pictures of the world: rays through the pixels, surfaces lit by sun and sky, shadows, labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.io.open3d import open3d
from umad_patrol.records import Camera
from umad_patrol.simulate.light import Light
from umad_patrol.simulate.mesh import Mesh, merge
from umad_patrol.simulate.shade import Hits, Shader, Surface

SUBPIXELS = ((-0.25, -0.25), (0.25, 0.25), (0.25, -0.25))  # offsets in pixels of the extra rays along outlines


@dataclass(frozen=True, eq=False)
class View:
    """One rendered frame: linear light `(H, W, 3)` float32 RGB, the thing at each pixel `(H, W)`, its distance along the ray."""

    radiance: np.ndarray
    thing: np.ndarray
    distance: np.ndarray
    above: np.ndarray


class Renderer:
    """Renders one run of a world; `threads` is what ray casting may use."""

    def __init__(self, world, run: str, threads: int = 1) -> None:
        self.world, self.run, self.threads = world, run, threads
        self.o3d = open3d()
        self.standing = world.standing(run)
        self.shader = Shader(world.palette)
        self.empty = (self._scene(self.standing), Surface.of(self.standing))

    def view(self, map_T_camera: np.ndarray, camera: Camera, light: Light, time_s: float) -> View:
        """What a camera sees from there at that time."""
        scene, surface = self.at(time_s)
        grid = _pixel_grid(camera)
        hits, radiance = self._trace(scene, surface, grid, map_T_camera, camera, light)
        shape = (camera.height, camera.width)
        thing = np.where(hits.hit, surface.thing[hits.triangle], 0).reshape(shape)
        edges = _outlines(radiance.reshape(*shape, 3), hits, shape)
        if len(edges):
            total = radiance[edges]
            total = _squeeze(total)
            for dx, dy in SUBPIXELS:
                _, extra = self._trace(scene, surface, grid[edges] + np.float32([dx, dy]), map_T_camera, camera, light)
                total += _squeeze(extra)
            radiance[edges] = _unsqueeze(total / (1 + len(SUBPIXELS)))
        return View(radiance.reshape(*shape, 3), thing, hits.distance.reshape(shape), (hits.direction[:, 2] >= 0).reshape(shape))

    def at(self, time_s: float) -> tuple[object, Surface]:
        """The scene and its surface with everybody where they are at `time_s`."""
        moving = [actor.mesh(self.world.route, time_s).labelled(number) for actor, number in self.world.passing(self.run, time_s)
                  if _near(actor, self.world, self.run, time_s)]
        if not moving:
            return self.empty
        everything = merge([self.standing] + moving)
        return self._scene(everything), self.empty[1].extended(merge(moving))

    def cast(self, scene: object, rays: np.ndarray) -> dict:
        """Open3D's answer for rays `(N, 6)` float32."""
        return scene.cast_rays(self.o3d.core.Tensor(rays), nthreads=self.threads)

    def _scene(self, mesh: Mesh) -> object:
        scene = self.o3d.t.geometry.RaycastingScene(nthreads=self.threads)
        scene.add_triangles(self.o3d.core.Tensor(mesh.vertices), self.o3d.core.Tensor(mesh.faces.astype(np.uint32)))
        return scene

    def _trace(self, scene: object, surface: Surface, pixels: np.ndarray, map_T_camera: np.ndarray, camera: Camera,
               light: Light) -> tuple[Hits, np.ndarray]:
        direction, slant = rays_through(pixels, camera, map_T_camera)
        origin = map_T_camera[:3, 3].astype(np.float32)
        rays = np.concatenate([np.broadcast_to(origin, direction.shape), direction], axis=1)
        answer = self.cast(scene, rays)
        hits = Hits.of(answer, origin, direction, slant / np.float32(camera.K[0, 0]))
        lit = np.zeros(len(pixels), np.float32)
        facing = np.flatnonzero(hits.hit & (hits.normal @ light.to_sun > 0) | hits.hit & (surface.through[np.where(hits.hit, hits.triangle, 0)]))
        start = hits.point[facing] + 2e-3 * hits.normal[facing] + np.float32(1e-3) * light.to_sun
        rays = np.concatenate([start, np.broadcast_to(light.to_sun, start.shape)], axis=1).astype(np.float32)
        lit[facing] = ~scene.test_occlusions(self.o3d.core.Tensor(rays), nthreads=self.threads).numpy()
        return hits, self.shader.radiance(hits, surface, light, lit)


def rays_through(pixels: np.ndarray, camera: Camera, map_T_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions `(N, 3)` float32 in the map of the rays through pixels `(N, 2)`, and the length of each at z = 1."""
    x = (pixels[:, 0] - np.float32(camera.K[0, 2])) / np.float32(camera.K[0, 0])
    y = (pixels[:, 1] - np.float32(camera.K[1, 2])) / np.float32(camera.K[1, 1])
    slant = np.sqrt(x * x + y * y + 1)
    R = map_T_camera[:3, :3].astype(np.float32)
    rows = [(R[i, 0] * x + R[i, 1] * y + R[i, 2]) / slant for i in range(3)]
    return np.stack(rows, axis=1), 1.0 / slant


def _near(actor, world, run: str, time_s: float) -> bool:
    """Whether somebody is within 60 m of the robot; others are left out."""
    place, _ = actor.place(world.route, time_s)
    robot = world.drives[run].pose(time_s)[:3, 3]
    return bool(np.hypot(*(place - robot)[:2]) < 60.0)


def _pixel_grid(camera: Camera) -> np.ndarray:
    x, y = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _outlines(radiance: np.ndarray, hits: Hits, shape: tuple[int, int]) -> np.ndarray:
    """Numbers of the pixels where a surface ends or a shadow begins and the light jumps: those show steps."""
    luma = np.sqrt(np.minimum(radiance @ np.array([0.3, 0.6, 0.1], np.float32), 2.0))
    key = hits.key.reshape(shape)
    jump = np.zeros(shape, bool)
    for axis in (0, 1):
        a, b = (np.s_[:-1, :], np.s_[1:, :]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        step = (key[a] != key[b]) & (np.abs(luma[a] - luma[b]) > 0.05)
        jump[a] |= step
        jump[b] |= step
    return np.flatnonzero(jump)


def _squeeze(radiance: np.ndarray) -> np.ndarray:
    """Very bright light counts less in an average, as it saturates the sensor."""
    return radiance / (1.0 + radiance)


def _unsqueeze(value: np.ndarray) -> np.ndarray:
    return value / np.maximum(1.0 - value, 0.05)


"""Pictures of the world: rays through the pixels, surfaces lit by sun and sky, shadows, labels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.records import Camera
from umad_patrol.simulate.contact import Contact
from umad_patrol.simulate.light import Light
from umad_patrol.simulate.mesh import merge
from umad_patrol.simulate.shade import Foot, Hits, Shader, Surface, dot
from umad_patrol.simulate.stage import Stage
from umad_patrol.simulate.world import World

SUBPIXELS = np.array([(-0.33, -0.2), (0.33, 0.2)], np.float32)  # places in the pixel of the extra rays along outlines
BATCH = 250_000  # rays shaded at once: more fall out of the cache
ROOM = 60_000  # triangles of people and vehicles that fit beside the street's
PENUMBRA_PX = 2.0
SIGHT_M = 55.0  # people and vehicles farther from the robot are left out
FEET = {
    "person": (0.3, 0.25),
    "cyclist": (0.8, 0.2),
    "car": (2.2, 1.0),
}  # half length and width in metres of what stands on the ground


@dataclass(frozen=True, eq=False)
class View:
    """One rendered frame: linear light `(H, W, 3)` float32 RGB, and for each pixel the number of the thing there, the distance
    along the ray in metres (infinite: sky), and whether it looks above the horizon."""

    radiance: np.ndarray
    thing: np.ndarray
    distance: np.ndarray
    above: np.ndarray


@dataclass(frozen=True, eq=False)
class Moment:
    """What rays can hit at one instant, what those triangles look like, who touches the ground, in which light."""

    stage: Stage
    surface: Surface
    feet: list[Foot]
    light: Light


class Renderer:
    """Renders one run of a world."""

    def __init__(self, world: World, run: str) -> None:
        self.world, self.run = world, run
        standing = world.standing(run)
        self._stage, self._surface = Stage(standing), Surface.of(standing)
        self._roomy = self._surface.with_room(ROOM)
        line = world.route.point(np.linspace(0.0, world.route.length_m, 100), 0.0)
        self._shader = Shader(world.palette, Contact(standing, line))

    def at(self, time_s: float, light: Light | None = None) -> Moment:
        """Everybody where they are at `time_s`. Good until the next call."""
        light = light or self.world.lights[self.run]
        robot, near = self.world.drives[self.run].pose(time_s)[:2, 3], []
        for actor, number in self.world.passing(self.run):
            place, yaw = actor.place(self.world.route, time_s)
            if np.hypot(*(place[:2] - robot)) < SIGHT_M:
                near.append((actor.mesh(self.world.route, time_s).labelled(number), Foot(*place[:2], yaw, FEET[actor.kind])))
        if not near:
            return Moment(self._stage, self._surface, [], light)
        meshes = [mesh for mesh, _ in near]
        surface = self._roomy.followed_by(merge(meshes), len(self._surface.material))
        return Moment(self._stage.with_moving(meshes), surface, [foot for _, foot in near], light)

    def view(self, map_T_camera: np.ndarray, camera: Camera, light: Light, time_s: float) -> View:
        """What a camera sees from there at that time."""
        moment, shape = self.at(time_s, light), (camera.height, camera.width)
        grid, origin = _pixel_grid(camera), map_T_camera[:3, 3].astype(np.float32)
        direction, shrink = rays_through(grid, camera, map_T_camera)
        answer, alike = _cast_grid(moment.stage, origin, direction, shape)
        hits = Hits.of(answer, origin, direction, shrink / np.float32(camera.K[0, 0]))
        lit = _softened(_lit_grid(moment, hits, alike), hits.hit & (hits.normal[2] > 0.9), shape)
        radiance = np.concatenate(
            [
                self._shader.radiance(hits.part(i, i + BATCH), moment.surface, light, lit[i : i + BATCH], moment.feet)
                for i in range(0, len(lit), BATCH)
            ],
            axis=1,
        )
        edges = _outlines(radiance[1].reshape(shape), hits.key.reshape(shape))
        if len(edges):
            places = (grid[:, edges, None] + SUBPIXELS.T[:, None]).reshape(2, -1)
            extra = np.concatenate(
                [self._trace(moment, places[:, i : i + BATCH], map_T_camera, camera) for i in range(0, places.shape[1], BATCH)],
                axis=1,
            )
            total = _squeeze(radiance[:, edges]) + _squeeze(extra).reshape(3, len(edges), len(SUBPIXELS)).sum(2)
            radiance[:, edges] = _unsqueeze(total / np.float32(1 + len(SUBPIXELS)))
        thing = np.where(hits.hit, moment.surface.thing.take(hits.triangle), 0).reshape(shape)
        return View(
            np.ascontiguousarray(radiance.T).reshape(*shape, 3),
            thing,
            hits.distance.reshape(shape),
            (direction[2] >= 0).reshape(shape),
        )

    def _trace(self, moment: Moment, pixels: np.ndarray, map_T_camera: np.ndarray, camera: Camera) -> np.ndarray:
        """Linear RGB `(3, N)` through places `(2, N)` in the picture, each with a ray of its own."""
        direction, shrink = rays_through(pixels, camera, map_T_camera)
        origin = map_T_camera[:3, 3].astype(np.float32)
        hits = Hits.of(moment.stage.cast(origin, direction), origin, direction, shrink / np.float32(camera.K[0, 0]))
        lit = np.zeros(pixels.shape[1], np.float32)
        _light_up(lit, moment, hits, _sunward(moment, hits))
        return self._shader.radiance(hits, moment.surface, moment.light, lit, moment.feet)


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


def _cast_grid(
    stage: Stage, origin: np.ndarray, direction: np.ndarray, shape: tuple[int, int]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """As `stage.cast` for all pixels of a picture, and where `(H, W)` a pixel lies between four that hit one triangle.

    Every other pixel of every other row is cast first. Where four neighbours of these hit the same triangle, the pixels
    between do too (a triangle is convex), unless something thinner than two pixels stands between: their hits follow
    from the plane. The others are cast as well.
    """
    planes = direction.reshape(3, *shape)
    coarse = stage.cast(origin, np.ascontiguousarray(planes[:, ::2, ::2]).reshape(3, -1))
    small = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    alike = _doubled(_square_alike(np.where(np.isfinite(coarse["distance"]), coarse["triangle"], -1).reshape(small)), shape)
    triangle, normal = _doubled(coarse["triangle"].reshape(small), shape), _doubled(coarse["normal"].reshape(3, *small), shape)
    with np.errstate(invalid="ignore", divide="ignore"):  # the sky has no plane
        ahead = coarse["distance"] * dot(
            coarse["normal"], planes[:, ::2, ::2].reshape(3, -1)
        )  # the plane's distance from the eye
        distance = _doubled(ahead.reshape(small), shape) / dot(normal, planes)
    distance[~np.isfinite(distance)] = np.inf
    distance[::2, ::2] = coarse["distance"].reshape(small)
    alike[::2, ::2] = True
    answer = {"distance": distance.ravel(), "triangle": triangle.ravel(), "normal": normal.reshape(3, -1)}
    rest = np.flatnonzero(~alike)
    if len(rest):
        for name, values in stage.cast(origin, direction.take(rest, axis=1)).items():
            answer[name][..., rest] = values
    return answer, alike


def _lit_grid(moment: Moment, hits: Hits, alike: np.ndarray) -> np.ndarray:
    """How much of the sun each pixel's place sees, tried coarsely first as in `_cast_grid`."""
    shape = alike.shape
    small = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    numbers = np.arange(alike.size).reshape(shape)
    sunward = _sunward(moment, hits)
    lit = np.zeros(alike.size, np.float32)
    first = numbers[::2, ::2].ravel()
    _light_up(lit, moment, hits, first[sunward[first]])
    same = alike & _doubled(_square_alike(lit[first].reshape(small)), shape)
    lit = np.where(same, _doubled(lit[first].reshape(small), shape), lit.reshape(shape)).ravel() * sunward
    same[::2, ::2] = True
    _light_up(lit, moment, hits, np.flatnonzero(sunward & ~same.ravel()))
    return lit


def _softened(lit: np.ndarray, flat: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Shadows on flat ground get the soft border that the sun's width gives them, by and large."""
    ground = flat.reshape(shape).astype(np.float32)
    weight = cv2.GaussianBlur(ground, (0, 0), PENUMBRA_PX)
    soft = cv2.GaussianBlur(ground * lit.reshape(shape), (0, 0), PENUMBRA_PX) / np.maximum(weight, np.float32(1e-6))
    return np.where(flat, np.minimum(soft.ravel(), np.float32(1.0)), lit)


def _sunward(moment: Moment, hits: Hits) -> np.ndarray:
    """Whether a place can see the sun as far as its own surface goes."""
    return hits.hit & ((dot(hits.normal, moment.light.to_sun) > 0) | moment.surface.through.take(hits.triangle))


def _light_up(lit: np.ndarray, moment: Moment, hits: Hits, some: np.ndarray) -> None:
    """Fill in, for these numbers or where this is true, whether the sun is hidden."""
    some = np.flatnonzero(some) if some.dtype == bool else some
    to_sun = moment.light.to_sun
    start = hits.point.take(some, axis=1) + np.float32(3e-3) * (hits.normal.take(some, axis=1) + to_sun[:, None])
    lit[some] = ~moment.stage.hidden(start, to_sun)


def _square_alike(values: np.ndarray) -> np.ndarray:
    """Where a value and its neighbours to the right, below and across are all the same; false in the last row and column."""
    same = np.zeros(values.shape, bool)
    a = values[:-1, :-1]
    same[:-1, :-1] = (a == values[:-1, 1:]) & (a == values[1:, :-1]) & (a == values[1:, 1:])
    return same


def _doubled(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Each value twice in both directions, cut to `shape`."""
    return np.repeat(np.repeat(values, 2, axis=-1), 2, axis=-2)[..., : shape[0], : shape[1]]


def _outlines(green: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Numbers of the pixels where another surface begins and the light jumps: those show steps."""
    luma = np.sqrt(np.minimum(green, 2.0))
    jump = np.zeros(key.shape, bool)
    for a, b in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        step = (key[a] != key[b]) & (np.abs(luma[a] - luma[b]) > 0.09)
        jump[a] |= step
        jump[b] |= step
    return np.flatnonzero(jump)


def _squeeze(radiance: np.ndarray) -> np.ndarray:
    """Very bright light counts less in an average, as it saturates the sensor."""
    return radiance / (1.0 + radiance)


def _unsqueeze(value: np.ndarray) -> np.ndarray:
    return value / np.maximum(1.0 - value, 0.05)

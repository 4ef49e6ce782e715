"""Ray casting against what stands and who passes by: two scenes, as rebuilding one with everything for each frame is slow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.io.open3d import open3d
from umad_patrol.simulate.mesh import Mesh, merge

THREADS = 1     # of a process: whole frames are spread over processes instead


@dataclass(frozen=True, eq=False)
class Ball:
    """A sphere round somebody who moves; rays that miss it are not tried against them."""

    centre: np.ndarray
    radius: float

    @classmethod
    def of(cls, mesh: Mesh) -> Ball:
        """Round a mesh."""
        low, high = mesh.bounds()
        return cls(0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low)) + 0.02)


class Stage:
    """What rays can hit at one instant. Triangles are numbered through: those that stand first, then the moving ones."""

    def __init__(self, standing: Mesh) -> None:
        self.triangles, self._scene = len(standing.faces), make_scene(standing)
        self._moving, self._balls = None, []

    def with_moving(self, meshes: list[Mesh]) -> Stage:
        """The same stage with others on it."""
        stage = object.__new__(Stage)
        stage.triangles, stage._scene = self.triangles, self._scene
        stage._balls = [Ball.of(mesh) for mesh in meshes]
        stage._moving = make_scene(merge(meshes)) if meshes else None
        return stage

    def cast(self, origin: np.ndarray, direction: np.ndarray) -> dict[str, np.ndarray]:
        """Nearest hits of rays from one `origin` `(3,)` along unit `direction` `(3, N)`: distance and triangle
        `(N,)`, normal `(3, N)`."""
        answer = _answer(self._scene, rays(origin, direction), 0)
        if self._moving is None:
            return answer
        near = np.zeros(direction.shape[1], bool)
        for ball in self._balls:
            toward = ball.centre - origin
            away = float(np.linalg.norm(toward))
            least = np.sqrt(max(away**2 - ball.radius**2, 0.0))
            near |= _along(direction, toward) > np.float32(least if away > ball.radius else -away)
        some = np.flatnonzero(near)
        if len(some):
            other = _answer(self._moving, rays(origin, direction.take(some, axis=1)), self.triangles)
            closer = other["distance"] < answer["distance"][some]
            for name, values in answer.items():
                values[..., some[closer]] = other[name][..., closer]
        return answer

    def hidden(self, start: np.ndarray, to_sun: np.ndarray) -> np.ndarray:
        """Whether anything lies between each of `start` `(3, N)` and the sun, `(N,)` bool."""
        dark = _occluded(self._scene, rays(start, to_sun))
        if self._moving is None or not len(dark):
            return dark
        across = np.cross(to_sun, [0.0, 0.0, 1.0])
        across /= max(float(np.linalg.norm(across)), 1e-6)
        other = np.cross(to_sun, across)
        a, b = _along(start, across), _along(start, other)
        near = np.zeros(len(dark), bool)
        for ball in self._balls:
            off = (a - np.float32(ball.centre @ across)) ** 2 + (b - np.float32(ball.centre @ other)) ** 2
            near |= off < np.float32(ball.radius**2)
        some = np.flatnonzero(near & ~dark)
        if len(some):
            dark[some] = _occluded(self._moving, rays(start.take(some, axis=1), to_sun))
        return dark


def make_scene(mesh: Mesh) -> object:
    """Open3D's scene of a mesh."""
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene(nthreads=THREADS)
    scene.add_triangles(o3d.core.Tensor(mesh.vertices), o3d.core.Tensor(mesh.faces.astype(np.uint32)))
    return scene


def rays(origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """`(N, 6)` float32 as Open3D takes them, from `(3, N)` origins and directions, of which one may be `(3,)`."""
    beams = np.empty((origin.shape[-1] if origin.ndim == 2 else direction.shape[-1], 6), np.float32)
    for i in range(3):
        beams[:, i], beams[:, 3 + i] = origin[i], direction[i]
    return beams


def _along(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Scalar products of `(3, N)` with `(3,)`."""
    x, y, z = axis.astype(np.float32)
    return vectors[0] * x + vectors[1] * y + vectors[2] * z


def _answer(scene: object, beams: np.ndarray, first: int) -> dict[str, np.ndarray]:
    found = scene.cast_rays(open3d().core.Tensor(beams), nthreads=THREADS)
    distance = found["t_hit"].numpy()
    triangle = np.where(np.isfinite(distance), found["primitive_ids"].numpy().astype(np.int64) + first, 0)
    return {"distance": distance, "triangle": triangle, "normal": np.ascontiguousarray(found["primitive_normals"].numpy().T)}


def _occluded(scene: object, beams: np.ndarray) -> np.ndarray:
    return scene.test_occlusions(open3d().core.Tensor(beams), nthreads=THREADS).numpy()

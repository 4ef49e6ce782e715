"""Triangles with what the renderer wants to know of each, and the primitives that everything is built of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Mesh:
    """`vertices` `(V, 3)` float32 metres, `faces` `(F, 3)` int; for each face `uv` `(F, 3, 2)` metres on the surface,
    `color` `(F, 3)` linear RGB, `normals` `(F, 3, 3)` at its corners (zeros: flat), `material` `(F,)` and `thing` `(F,)` ids.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    color: np.ndarray
    normals: np.ndarray
    material: np.ndarray
    thing: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """The corners' places `(F, 3, 3)`."""
        return self.vertices[self.faces]

    def placed(self, position: np.ndarray, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Mesh:
        """Turned (roll about x, then pitch about y, then yaw about z, radians) and moved."""
        R = rotation(yaw, pitch, roll)
        vertices = (self.vertices @ R.T + np.asarray(position, np.float64)).astype(np.float32)
        return replace(self, vertices=vertices, normals=(self.normals @ R.T).astype(np.float32))

    def scaled(self, factors: tuple[float, float, float] | float) -> Mesh:
        """Stretched about the origin; corner normals follow."""
        f = np.broadcast_to(np.asarray(factors, np.float32), (3,))
        normals = self.normals / f
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return replace(self, vertices=self.vertices * f, normals=(normals / np.maximum(length, 1e-9)).astype(np.float32))

    def labelled(self, thing: int) -> Mesh:
        """All faces belong to this thing."""
        return replace(self, thing=np.full(len(self.faces), thing, np.int32))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of the box around it."""
        return self.vertices.min(0), self.vertices.max(0)


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll) `(3, 3)`; positive pitch tilts x down."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    return (
        np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    )


def make(
    vertices: np.ndarray,
    faces: np.ndarray,
    color: np.ndarray,
    material: int,
    uv: np.ndarray | None = None,
    normals: np.ndarray | None = None,
) -> Mesh:
    """A mesh; `color` is one `(3,)` or one a face; without `uv` the surface is laid out along the nearest axis."""
    vertices, faces = np.asarray(vertices, np.float32), np.asarray(faces, np.int64).reshape(-1, 3)
    corners = vertices[faces]
    if uv is None:
        uv = _axis_uv(corners)
    if normals is None:
        normals = np.zeros((len(faces), 3, 3))
    color = np.broadcast_to(np.asarray(color, np.float32), (len(faces), 3))
    return Mesh(
        vertices,
        faces,
        np.asarray(uv, np.float32),
        color.copy(),
        np.asarray(normals, np.float32),
        np.full(len(faces), material, np.int16),
        np.zeros(len(faces), np.int32),
    )


def merge(parts: list[Mesh]) -> Mesh:
    """All parts as one mesh."""
    offsets = np.cumsum([0] + [len(p.vertices) for p in parts[:-1]])
    faces = np.concatenate([p.faces + o for p, o in zip(parts, offsets)])
    rest = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("vertices", "uv", "color", "normals", "material", "thing")}
    return Mesh(faces=faces, **rest)


def quad(corners: np.ndarray, color: np.ndarray, material: int, uv: np.ndarray | None = None) -> Mesh:
    """Four corners `(4, 3)` in a circle; `uv` `(4, 2)`."""
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return make(corners, faces, color, material, None if uv is None else np.asarray(uv)[faces])


def box(size: tuple[float, float, float], color: np.ndarray, material: int, taper: float = 1.0) -> Mesh:
    """A box standing on z = 0, centred in x and y; its top is `taper` times its base."""
    w, d, h = size
    base = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [w / 2, d / 2]
    vertices = np.vstack([np.c_[base, np.zeros(4)], np.c_[base * taper, np.full(4, h)]])
    faces = [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7]]
    for i in range(4):
        j = (i + 1) % 4
        faces += [[i, j, j + 4], [i, j + 4, i + 4]]
    return make(vertices, np.array(faces), color, material)


def soft_box(size: tuple[float, float, float], color: np.ndarray, material: int, bulge: float = 4.0, steps: int = 10) -> Mesh:
    """A rounded box standing on z = 0 (superellipsoid of exponent `bulge`): bags, cushions, bodies of things."""
    phi = np.linspace(-np.pi / 2, np.pi / 2, steps + 1)
    theta = np.linspace(-np.pi, np.pi, 2 * steps + 1)
    e = 2.0 / bulge
    c, s = (lambda a: np.sign(np.cos(a)) * np.abs(np.cos(a)) ** e), (lambda a: np.sign(np.sin(a)) * np.abs(np.sin(a)) ** e)
    p, t = np.meshgrid(phi, theta, indexing="ij")
    points = np.stack([c(p) * c(t), c(p) * s(t), s(p)], -1) * np.array(size) / 2 + [0, 0, size[2] / 2]
    return _grid(points, color, material)


def lathe(profile: list[tuple[float, float]], colors: list[np.ndarray] | np.ndarray, material: int, segments: int = 20) -> Mesh:
    """The `profile` of (radius, z) turned about z; `colors` is one for all or one for each ring between two points."""
    r, z = np.array(profile, np.float64).T
    angle = np.linspace(-np.pi, np.pi, segments + 1)
    points = np.stack(
        [r[:, None] * np.cos(angle), r[:, None] * np.sin(angle), np.broadcast_to(z[:, None], (len(r), segments + 1))], -1
    )
    ring = np.atleast_2d(np.asarray(colors, np.float32))
    ring = np.repeat(np.broadcast_to(ring, (len(r) - 1, 3)), 2 * segments, axis=0)
    return _grid(points, ring, material, sharp_rows=True)


def capsule(
    start: np.ndarray, end: np.ndarray, radii: tuple[float, float], color: np.ndarray, material: int, segments: int = 10
) -> Mesh:
    """A limb from `start` to `end` with round ends of these radii."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = end - start
    length = max(float(np.linalg.norm(axis)), 1e-6)
    half = np.linspace(0, np.pi / 2, 4)
    profile = [(radii[0] * np.sin(a), -radii[0] * np.cos(a)) for a in half]
    profile += [(radii[1] * np.cos(a), length + radii[1] * np.sin(a)) for a in half]
    body = lathe(profile, color, material, segments)
    z = axis / length
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z], axis=1)
    return replace(
        body, vertices=(body.vertices @ R.T + start).astype(np.float32), normals=(body.normals @ R.T).astype(np.float32)
    )


def leaves(points: np.ndarray, size: float, color: np.ndarray, material: int, rng: np.random.Generator) -> Mesh:
    """A randomly turned triangle of about `size` metres at each of `points` `(N, 3)`: foliage and grass."""
    n = len(points)
    a = rng.standard_normal((n, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.standard_normal((n, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    scale = size * rng.uniform(0.6, 1.4, (n, 1))
    vertices = np.stack(
        [points + a * scale, points - 0.5 * a * scale + 0.7 * b * scale, points - 0.5 * a * scale - 0.7 * b * scale], 1
    )
    return make(vertices.reshape(-1, 3), np.arange(3 * n), color, material)


def _grid(points: np.ndarray, color: np.ndarray, material: int, sharp_rows: bool = False) -> Mesh:
    """Faces over a grid of points `(R, C, 3)` whose columns go round; smooth, but for creases between rows if `sharp_rows`."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel())
    faces = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1).reshape(-1, 3)
    flat = points.reshape(-1, 3)
    across = np.roll(points[:, :-1], -1, 1) - np.roll(points[:, :-1], 1, 1)
    across = np.concatenate([across, across[:, :1]], 1)
    if sharp_rows:
        along = np.repeat(np.diff(points, axis=0), 2, axis=0).reshape(rows - 1, 2, columns, 3)
        mean = 0.5 * (across[:-1] + across[1:])
        normal = np.cross(np.stack([mean, mean], 1), along)
        corner = normal.reshape(2 * (rows - 1), columns, 3)
        low, high = corner[0::2], corner[1::2]
        normals = np.stack(
            [np.stack([low[:, :-1], low[:, 1:], high[:, 1:]], 2), np.stack([low[:, :-1], high[:, 1:], high[:, :-1]], 2)], 2
        )
        normals = normals.reshape(-1, 3, 3)
    else:
        along = np.gradient(points, axis=0)
        normals = np.cross(across, along).reshape(-1, 3)[faces]
    normals = normals / np.maximum(
        np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30
    )  # tiny at the poles, yet of some direction
    corners = flat[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-10
    color = np.broadcast_to(np.asarray(color, np.float32), (len(faces), 3))
    return make(flat, faces[keep], color[keep], material, normals=normals[keep])


def _axis_uv(corners: np.ndarray) -> np.ndarray:
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    drop = np.argmax(normal, axis=1)
    keep = np.array([[1, 2], [0, 2], [0, 1]])[drop]
    return np.take_along_axis(corners, np.repeat(keep[:, None, :], 3, axis=1), axis=2)

"""Light that leaves a surface towards the camera: its picture, sun, sky, haze.

Vectors are kept as three planes `(3, N)`: arithmetic on long rows is several times faster than on triples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from umad_patrol.simulate import materials
from umad_patrol.simulate.contact import Contact
from umad_patrol.simulate.light import Light
from umad_patrol.simulate.materials import Material, Palette
from umad_patrol.simulate.mesh import Mesh
from umad_patrol.simulate.texture import linear_light

HAZE_M = 450.0
U, V, ALONG, COLOR, WEIGHTS = slice(0, 4), slice(4, 8), slice(8, 11), slice(11, 14), slice(14, 22)  # rows of Surface.table


@dataclass(frozen=True, eq=False)
class Surface:
    """What shading looks up of each triangle.

    `table` `(22, F)` holds u and v as linear functions of the place in the map (x, y, z and a constant), the direction of u,
    the colour, and the weights of the second and third corner, linear in the place too. Corner `normals` `(9, F)` count
    where `smooth`.
    """

    table: np.ndarray
    normals: np.ndarray
    smooth: np.ndarray
    material: np.ndarray
    thing: np.ndarray
    through: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        """From a mesh."""
        corners = mesh.corners.astype(np.float64)
        first, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        d1, d2 = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
        a, b = _dual(e1, e2)
        weights = [np.c_[g, -np.einsum("ij,ij->i", g, first)] for g in (a, b)]
        uv = [d1[:, i : i + 1] * weights[0] + d2[:, i : i + 1] * weights[1] for i in (0, 1)]
        for i in (0, 1):
            uv[i][:, 3] += mesh.uv[:, 0, i]
        along = uv[0][:, :3] / np.maximum(np.linalg.norm(uv[0][:, :3], axis=1, keepdims=True), 1e-9)
        table = np.concatenate([*uv, along, mesh.color, *weights], axis=1).astype(np.float32).T
        smooth = np.abs(mesh.normals).sum((1, 2)) > 0.5
        return cls(
            np.ascontiguousarray(table),
            np.ascontiguousarray(mesh.normals.reshape(-1, 9).T),
            smooth,
            mesh.material,
            mesh.thing,
            mesh.material == materials.LEAF,
        )

    def with_room(self, faces: int) -> Surface:
        """A copy in arrays that have room for so many more triangles (`followed_by`)."""
        return replace(
            self, **{name: np.concatenate([a, np.zeros((*a.shape[:-1], faces), a.dtype)], axis=-1) for name, a in self._arrays()}
        )

    def followed_by(self, mesh: Mesh, start: int) -> Surface:
        """The triangles before `start` followed by those of `mesh`, written into this surface's own room: the answer is good
        until the next call. Copying the whole street for each frame would take as long as casting its rays."""
        other, end = Surface.of(mesh), start + len(mesh.faces)
        if end > len(self.material):
            return replace(
                self, **{name: np.concatenate([a[..., :start], getattr(other, name)], axis=-1) for name, a in self._arrays()}
            )
        for name, array in self._arrays():
            array[..., start:end] = getattr(other, name)
        return self

    def _arrays(self) -> list[tuple[str, np.ndarray]]:
        return [(name, getattr(self, name)) for name in self.__dataclass_fields__]


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays met something: `hit` `(N,)`, triangle, `point`, `normal` towards the eye and `direction` `(3, N)`,
    distance; `spread` is how wide a pixel is at 1 m, `key` changes wherever another surface begins."""

    hit: np.ndarray
    triangle: np.ndarray
    point: np.ndarray
    normal: np.ndarray
    direction: np.ndarray
    distance: np.ndarray
    spread: np.ndarray
    key: np.ndarray

    @classmethod
    def of(cls, answer: dict[str, np.ndarray], origin: np.ndarray, direction: np.ndarray, spread: np.ndarray) -> Hits:
        """From what Stage.cast says of rays from `origin` `(3,)` along unit `direction` `(3, N)`."""
        distance, normal = answer["distance"], answer["normal"]
        hit = np.isfinite(distance)
        normal = normal * np.where(dot(normal, direction) > 0, np.float32(-1), np.float32(1))
        point = np.where(hit, distance, np.float32(0)) * direction + np.asarray(origin, np.float32)[:, None]
        level = np.rint(dot(normal, point) * np.float32(20)).astype(np.int32)
        facing = np.rint(normal[0] * 4).astype(np.int32) * 8 + np.rint(normal[1] * 4).astype(np.int32)
        return cls(hit, answer["triangle"], point, normal, direction, distance, spread, np.where(hit, level * 64 + facing, -1))

    def part(self, start: int, end: int) -> Hits:
        """Those from number `start` to before `end`."""
        return replace(self, **{name: getattr(self, name)[..., start:end] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Foot:
    """Where somebody who moves stands: place, heading, half length and half width of what touches the ground, metres."""

    x: float
    y: float
    yaw: float
    half: tuple[float, float]

    def open_sky(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The share of the sky that the ground round it sees."""
        c, s = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        along, across = (c * dx + s * dy) / np.float32(self.half[0]), (c * dy - s * dx) / np.float32(self.half[1])
        square = along * along + across * across
        return 1 - np.float32(0.65) / (1 + square * square)


class Shader:
    """Shades hits with the materials of a palette."""

    def __init__(self, palette: Palette, contact: Contact) -> None:
        self.palette, self.contact = palette, contact

    def radiance(self, hits: Hits, surface: Surface, light: Light, lit: np.ndarray, feet: list[Foot]) -> np.ndarray:
        """Linear RGB `(3, N)` float32; `lit` [0, 1] `(N,)` is how much of the sun each place sees, `feet` who darkens ground."""
        out = np.empty((3, len(hits.hit)), np.float32)
        sky = np.flatnonzero(~hits.hit)
        _put(out, sky, light.sky_seen(hits.direction.take(sky, axis=1), self.palette.clouds))
        material = surface.material.take(hits.triangle)
        material[sky] = -1
        for number in np.flatnonzero(np.bincount(material + 1))[1 if len(sky) else 0 :] - 1:
            where = np.flatnonzero(material == number)
            _put(out, where, self._surface(self.palette[int(number)], where, hits, surface, light, lit.take(where), feet))
        return out

    def _surface(
        self, kind: Material, where: np.ndarray, hits: Hits, surface: Surface, light: Light, lit: np.ndarray, feet: list[Foot]
    ) -> np.ndarray:
        triangle = hits.triangle.take(where)
        direction, normal = hits.direction.take(where, axis=1), hits.normal.take(where, axis=1)
        point, rows = hits.point.take(where, axis=1), surface.table[: WEIGHTS.start].take(triangle, axis=1)
        u, v = _linear(rows[U], point), _linear(rows[V], point)
        distance = hits.distance.take(where)
        fu, fv = _footprint(hits.spread.take(where) * distance, dot(normal, direction), dot(rows[ALONG], direction))
        dither = _hash(where)
        fine = self._fine(u, v, fu, fv, dither)
        change = 1.0 + kind.rough * fine[0]
        if kind.blotchy >= 0.1:
            part = np.float32(0.083)
            coarse = self.palette.detail.sample(part * u, part * v, part * fu, part * fv, dither)[:, 2]
            change += np.float32(2.0 * kind.blotchy) * (coarse * np.float32(1 / 128) - np.float32(1))
        albedo = rows[COLOR] * np.maximum(change, np.float32(0.1))
        if kind.texture is not None:
            albedo *= linear_light(kind.texture.sample(u, v, fu, fv, dither))
        curved = np.flatnonzero(surface.smooth.take(triangle))
        if len(curved):
            normal[:, curved] = _smoothed(
                surface, triangle.take(curved), point.take(curved, axis=1), direction.take(curved, axis=1)
            )
        relief = np.float32(0.5 * kind.rough) if kind.relief else np.float32(0)
        open_sky = self._open_sky(kind.relief, normal, point, feet)
        return _lit(kind, albedo, normal, direction, distance, open_sky, lit, light, fine, relief)

    def _fine(self, u: np.ndarray, v: np.ndarray, fu: np.ndarray, fv: np.ndarray, dither: np.ndarray) -> np.ndarray:
        """Two fields of the detail `(2, N)` round 0; where a pixel covers too much to show any they are 0."""
        near = np.flatnonzero(np.minimum(fu, fv) < 0.02)
        bytes_ = self.palette.detail.sample(*(a.take(near) for a in (u, v, fu, fv, dither)))
        fine = np.zeros((2, len(u)), np.float32)
        for c in (0, 1):
            fine[c, near] = bytes_[:, c] * np.float32(1 / 128) - np.float32(1)
        return fine

    def _open_sky(self, ground: bool, normal: np.ndarray, point: np.ndarray, feet: list[Foot]) -> np.ndarray:
        """The share of the sky above a place that nothing near hides, by rule of thumb."""
        if not ground:
            return np.where(normal[2] > 0.8, np.float32(1.0), 0.55 + 0.45 * np.clip(point[2] * np.float32(1 / 0.6), 0, 1))
        share = self.contact.open_sky(point[0], point[1])
        for foot in feet:
            share *= foot.open_sky(point[0], point[1])
        return share


def _put(planes: np.ndarray, where: np.ndarray, values: np.ndarray) -> None:
    """Write values `(3, M)` to columns of planes `(3, N)`; row by row is the quick way."""
    for plane, row in zip(planes, values):
        plane[where] = row


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products `(N,)` of vectors in planes `(3, N)`; either may be one vector `(3,)`."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _footprint(width: np.ndarray, cosine: np.ndarray, toward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many metres of the surface a pixel `width` metres wide covers along u and along v.

    The pixel's disc falls on the surface as an ellipse, 1/cosine longer along the view; `toward` is the view's share along u.
    """
    square = np.maximum(cosine * cosine, np.float32(4e-4))
    toward = toward * toward
    return width * np.sqrt(1 + toward / square), width * np.sqrt(1 + np.maximum(1 - square - toward, 0) / square)


def _lit(
    kind: Material,
    albedo: np.ndarray,
    normal: np.ndarray,
    direction: np.ndarray,
    distance: np.ndarray,
    open_sky: np.ndarray,
    lit: np.ndarray,
    light: Light,
    fine: np.ndarray,
    relief: np.float32,
) -> np.ndarray:
    """Sun and sky on a surface, what it mirrors of them, and the haze before it."""
    facing = dot(normal, light.to_sun)
    if relief:  # the detail's two fields tilt the surface a little
        facing += relief * (light.to_sun[0] * fine[1] + light.to_sun[1] * (fine[0] - fine[1]))
    if kind.through > 0:
        facing = np.abs(facing) * np.where(facing < 0, np.float32(0.6), np.float32(1.0)) * (1 - kind.through) + kind.through
    sun = np.maximum(facing, 0) * lit
    up = 0.5 + 0.5 * normal[2]
    bounce = np.float32(0.22) * (light.sky * 0.6 + light.sun * (max(0.0, float(light.to_sun[2])) * 0.35))
    open_sky = up * open_sky
    fade = np.exp(distance * np.float32(-1.0 / HAZE_M))
    mirrored, highlight = _gloss(kind, normal, direction, light) if kind.gloss > 0 else (None, None)
    out = np.empty_like(albedo)
    for c in range(3):
        value = albedo[c] * (sun * light.sun[c] + open_sky * light.sky[c] + (1 - up) * bounce[c])
        if mirrored is not None:
            value += mirrored * (1.4 * light.sky[c]) + highlight * lit * light.sun[c]
        out[c] = value * fade + (1 - fade) * (1.1 * light.sky[c])
    return out


def _gloss(kind: Material, normal: np.ndarray, direction: np.ndarray, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """How much of the sky and of the sun is mirrored (Schlick's Fresnel, Phong's highlight)."""
    cosine = dot(direction, normal)
    mirror = direction - 2 * cosine * normal
    grazing = (1 - np.clip(-cosine, 0, 1)) ** 5
    share = kind.gloss + (1 - kind.gloss) * min(1.0, 4 * kind.gloss) * grazing
    shine = np.clip(dot(mirror, light.to_sun), 0, 1) ** np.float32(kind.sharpness)
    return share * np.clip(mirror[2] * 2 + 0.3, 0.05, 1.0), np.float32(kind.gloss * (2 + kind.sharpness) / 12.0) * shine


def _smoothed(surface: Surface, triangle: np.ndarray, point: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Normals `(3, N)` between those of the corners."""
    rows, normals = surface.table[WEIGHTS].take(triangle, axis=1), surface.normals.take(triangle, axis=1)
    b1, b2 = _linear(rows[:4], point), _linear(rows[4:], point)
    n = normals[0:3] * (1 - b1 - b2) + normals[3:6] * b1 + normals[6:9] * b2
    n /= np.maximum(np.sqrt(dot(n, n)), np.float32(1e-9))
    return np.where(dot(n, direction) > 0.3, -n, n)  # turned where seen from inside


def _linear(rows: np.ndarray, point: np.ndarray) -> np.ndarray:
    """A linear function (x, y, z, constant) `(4, N)` at places `(3, N)`."""
    return dot(rows, point) + rows[3]


def _dual(e1: np.ndarray, e2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in the plane of both sides that give the weights of the corners: a.e1 = 1, a.e2 = 0 and the other way round."""
    s11, s12, s22 = (np.einsum("ij,ij->i", p, q) for p, q in ((e1, e1), (e1, e2), (e2, e2)))
    det = np.maximum(s11 * s22 - s12 * s12, 1e-18)[:, None]
    return (s22[:, None] * e1 - s12[:, None] * e2) / det, (s11[:, None] * e2 - s12[:, None] * e1) / det


def _hash(number: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each pixel that looks random and is always the same."""
    x = (number.astype(np.uint32) * np.uint32(2654435761)) ^ np.uint32(0x9E3779B9)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(2246822519)
    return ((x ^ (x >> np.uint32(13))) & np.uint32(0xFFFF)).astype(np.float32) / np.float32(65536.0)

"""Light that leaves a surface towards the camera: its picture, sun, sky, haze."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from umad_patrol.simulate import materials
from umad_patrol.simulate.light import Light
from umad_patrol.simulate.materials import Palette
from umad_patrol.simulate.mesh import Mesh
from umad_patrol.simulate.texture import LINEAR

HAZE_M = 450.0


@dataclass(frozen=True, eq=False)
class Surface:
    """What shading looks up of each triangle: uv of the first corner and its change along both sides, the direction of u,
    corner normals, colour, material, thing."""

    uv: np.ndarray
    along: np.ndarray
    color: np.ndarray
    normals: np.ndarray
    smooth: np.ndarray
    material: np.ndarray
    thing: np.ndarray
    through: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        """From a mesh."""
        corners = mesh.corners
        e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        d1, d2 = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
        det = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
        u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * np.sign(det)[:, None]
        u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-9)
        smooth = np.abs(mesh.normals).sum((1, 2)) > 0.5
        return cls(np.stack([mesh.uv[:, 0], d1, d2], 1), u.astype(np.float32), mesh.color, mesh.normals, smooth, mesh.material, mesh.thing,
                   mesh.material == materials.LEAF)

    def extended(self, mesh: Mesh) -> Surface:
        """With the triangles of another mesh behind its own."""
        other = Surface.of(mesh)
        return replace(self, **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays met something: `hit` `(N,)`, triangle, barycentric place, point, normal towards the eye, distance;
    `spread` is how wide a pixel is at 1 m, `key` changes wherever another surface begins."""

    hit: np.ndarray
    triangle: np.ndarray
    bary: np.ndarray
    point: np.ndarray
    normal: np.ndarray
    direction: np.ndarray
    distance: np.ndarray
    spread: np.ndarray
    key: np.ndarray

    @classmethod
    def of(cls, answer: dict, origin: np.ndarray, direction: np.ndarray, spread: np.ndarray) -> Hits:
        """From Open3D's answer to rays from `origin` `(3,)` along unit `direction` `(N, 3)`."""
        distance = answer["t_hit"].numpy()
        hit = np.isfinite(distance)
        triangle = np.where(hit, answer["primitive_ids"].numpy(), 0).astype(np.int64)
        normal = answer["primitive_normals"].numpy()
        length = np.sqrt(np.einsum("ij,ij->i", normal, normal))
        turn = np.where(np.einsum("ij,ij->i", normal, direction) > 0, -1.0, 1.0) / np.maximum(length, 1e-12)
        normal = normal * turn.astype(np.float32)[:, None]
        point = origin + np.where(hit, distance, 0)[:, None] * direction
        level = np.round(np.einsum("ij,ij->i", normal, point) * 20).astype(np.int64)
        key = np.where(hit, level * 64 + np.round(normal[:, 0] * 4).astype(np.int64) * 8 + np.round(normal[:, 1] * 4).astype(np.int64), -1)
        return cls(hit, triangle, answer["primitive_uvs"].numpy(), point, normal, direction, distance, spread, key)


class Shader:
    """Shades hits with the materials of a palette."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette

    def radiance(self, hits: Hits, surface: Surface, light: Light, lit: np.ndarray) -> np.ndarray:
        """Linear RGB `(N, 3)` float32; `lit` [0, 1] `(N,)` is how much of the sun each place sees."""
        out = np.empty((len(hits.hit), 3), np.float32)
        sky = np.flatnonzero(~hits.hit)
        out[sky] = light.sky_seen(hits.direction[sky], self.palette.clouds)
        material = np.where(hits.hit, surface.material[hits.triangle], -1)
        for number in np.unique(material):
            if number >= 0:
                where = np.flatnonzero(material == number)
                out[where] = self._surface(int(number), where, hits, surface, light, lit)
        return out

    def _surface(self, number: int, where: np.ndarray, hits: Hits, surface: Surface, light: Light, lit: np.ndarray) -> np.ndarray:
        kind, triangle, direction = self.palette.materials[number], hits.triangle[where], hits.direction[where]
        normal, bary, distance = hits.normal[where], hits.bary[where], hits.distance[where]
        corners = surface.uv[triangle]
        uv = corners[:, 0] + bary[:, :1] * corners[:, 1] + bary[:, 1:] * corners[:, 2]
        cosine = np.maximum(np.abs(np.einsum("ij,ij->i", normal, direction)), 0.02)
        width = hits.spread[where] * distance
        toward = np.einsum("ij,ij->i", surface.along[triangle], direction)
        stretch = 1.0 / (cosine * cosine)
        fu = width * np.sqrt(1.0 + stretch * toward * toward)
        fv = width * np.sqrt(1.0 + stretch * np.maximum(1.0 - cosine * cosine - toward * toward, 0.0))
        dither = _hash(where)
        albedo = surface.color[triangle]
        if kind.texture is not None:
            albedo = albedo * LINEAR[kind.texture.sample(uv[:, 0], uv[:, 1], fu, fv, dither)]
        fine = self.palette.detail.sample(uv[:, 0], uv[:, 1], fu, fv, dither).astype(np.float32) / 128.0 - 1.0
        coarse = self.palette.detail.sample(0.083 * uv[:, 0] + 0.3, 0.083 * uv[:, 1], 0.083 * fu, 0.083 * fv, dither)[:, 2].astype(np.float32) / 128.0 - 1.0
        albedo = albedo * np.maximum(1.0 + kind.rough * fine[:, 0] + 2.0 * kind.blotchy * coarse, 0.1)[:, None]
        curved = surface.smooth[triangle]
        if curved.any():
            normal = normal.copy()
            normal[curved] = _smoothed(surface.normals[triangle[curved]], bary[curved], direction[curved])
        if kind.texture is not None and kind.rough > 0.2:  # relief: the detail's two further fields tilt the surface
            normal = normal + (0.5 * kind.rough) * np.stack([fine[:, 1], fine[:, 0] - fine[:, 2], np.zeros_like(dither)], 1)
        return self._lit(kind, albedo, normal, direction, distance, hits.point[where], lit[where], light)

    def _lit(self, kind, albedo, normal, direction, distance, point, lit, light: Light) -> np.ndarray:
        facing = np.einsum("ij,j->i", normal, light.to_sun)
        if kind.through > 0:
            facing = np.abs(facing) * np.where(facing < 0, 0.6, 1.0) * (1 - kind.through) + kind.through
        sun = (np.maximum(facing, 0.0) * lit)[:, None] * light.sun
        up = 0.5 + 0.5 * normal[:, 2]
        bounce = np.float32(0.22) * (light.sky * 0.6 + light.sun * max(0.0, float(light.to_sun[2])) * 0.35)
        near_ground = 0.62 + 0.38 * np.clip(point[:, 2] / 0.6, 0.0, 1.0)
        near_ground = np.where(normal[:, 2] > 0.8, 1.0, near_ground)
        ambient = (up * near_ground)[:, None] * light.sky + (1.0 - up)[:, None] * bounce
        out = albedo * (sun + ambient)
        if kind.gloss > 0.0:
            mirror = direction - 2.0 * np.einsum("ij,ij->i", direction, normal)[:, None] * normal
            shine = np.clip(np.einsum("ij,j->i", mirror, light.to_sun), 0, 1) ** kind.sharpness
            grazing = (1.0 - np.clip(-np.einsum("ij,ij->i", direction, normal), 0, 1)) ** 5
            share = kind.gloss + (1 - kind.gloss) * grazing * min(1.0, 4 * kind.gloss)
            sky = np.clip(mirror[:, 2] * 2 + 0.3, 0.05, 1.0)[:, None] * light.sky * 1.4
            out += share[:, None] * sky + (kind.gloss * (2 + kind.sharpness) / 12.0 * shine * lit)[:, None] * light.sun
        fade = np.exp(-distance / HAZE_M)[:, None]
        return out * fade + (1 - fade) * light.sky * 1.1


def _smoothed(normals: np.ndarray, bary: np.ndarray, direction: np.ndarray) -> np.ndarray:
    n = normals[:, 0] * (1 - bary[:, :1] - bary[:, 1:]) + normals[:, 1] * bary[:, :1] + normals[:, 2] * bary[:, 1:]
    n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-9)
    away = np.einsum("ij,ij->i", n, direction) > 0.3  # seen from inside
    return np.where(away[:, None], -n, n)


def _hash(number: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each pixel that looks random and is always the same."""
    x = (number.astype(np.uint32) * np.uint32(2654435761)) ^ np.uint32(0x9E3779B9)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(2246822519)
    return ((x ^ (x >> np.uint32(13))) & np.uint32(0xFFFF)).astype(np.float32) / np.float32(65536.0)

"""The light of both pictures of a simulated pair, and rain on the ground."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from umad_patrol.records import Camera
from umad_patrol.simulate.light import Light, make_light
from umad_patrol.simulate.noise import octaves
from umad_patrol.simulate.render import View, rays_through
from umad_patrol.simulate.texture import Texture

SAME, HOUR, SUNSET, WET = "same", "other hour", "noon-sunset", "wet-dry"
LIGHTS = (SAME, HOUR, SUNSET, WET)
_GROUND_M = 0.02                 # what lies no higher than this gets wet
_PUDDLES_M, _CELL_M = 12.8, 0.05  # the pattern of puddles repeats after so much, its grain


def make_lights(kind: str, rng: np.random.Generator) -> tuple[Light, Light]:
    """The light of the reference and of the query."""
    azimuth = float(rng.uniform(-np.pi, np.pi))
    first, later = make_light(rng, azimuth), azimuth + float(rng.choice([-1, 1]) * rng.uniform(0.6, 1.8))
    if kind == SAME:
        return first, first
    if kind == HOUR:
        return first, make_light(rng, later)
    if kind == SUNSET:
        noon = replace(first, elevation_rad=np.radians(rng.uniform(58, 66)), cover=0.15, gains=(1.0, 1.0, 1.02), exposure=0.1)
        low = Light(later, float(np.radians(rng.uniform(5, 10))), 0.2, (1.2, 1.0, 0.7), float(rng.uniform(-0.8, -0.3)), first.drift + 300.0)
        return (noon, low) if rng.random() < 0.5 else (low, noon)
    return first, replace(make_light(rng, later), cover=0.95, gains=(0.95, 1.0, 1.08), exposure=float(rng.uniform(-0.5, 0.0)))


def wetted(view: View, map_T_camera: np.ndarray, camera: Camera, light: Light, clouds: Texture, rng: np.random.Generator) -> np.ndarray:
    """The picture's light `(H, W, 3)` after rain: the ground darker in soft-edged patches that mirror the sky at low angles."""
    shape = view.distance.shape
    x, y = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    direction, _ = rays_through(np.stack([x.ravel(), y.ravel()]), camera, map_T_camera)
    some = np.flatnonzero(np.isfinite(view.distance.ravel()))
    place = map_T_camera[:3, 3].astype(np.float32)[:, None] + view.distance.ravel()[some] * direction[:, some]
    low = place[2] < _GROUND_M
    some, place, direction = some[low], place[:, low], direction[:, some[low]]
    wet = _wetness(place, rng)
    mirrored = direction * np.array([[1], [1], [-1]], np.float32)
    share = wet * (0.03 + 0.97 * (1 - np.clip(mirrored[2], 0, 1)) ** 5)
    radiance = view.radiance.reshape(-1, 3).copy()
    radiance[some] = radiance[some] * (1 - 0.6 * wet)[:, None] + (0.7 * share * light.sky_seen(mirrored, clouds)).T
    return radiance.reshape(*shape, 3)


def _wetness(place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How wet, 0.35 to 1, the ground is at map places `(3, N)`."""
    cells = round(_PUDDLES_M / _CELL_M)
    pattern = np.clip(0.75 + 0.5 * octaves((cells, cells), 64, 4, rng), 0.35, 1.0).astype(np.float32)
    row, column = (np.floor(place[i] / _CELL_M).astype(np.int64) % cells for i in (1, 0))
    return cv2.GaussianBlur(np.tile(pattern, (3, 3)), (0, 0), 1.0)[cells:2 * cells, cells:2 * cells][row, column]

"""What the LiDAR sees: a scan that never repeats its pattern, with noise, as a cloud in its own frame."""

from __future__ import annotations

import numpy as np

from umad_patrol.simulate.render import Renderer
from umad_patrol.simulate.shade import COLOR

PLASTIC = (0.7548776662466927, 0.5698402909980532)  # the two-dimensional golden ratio: fills a plane evenly (Roberts 2018)
POINTS, RANGE_M, SIGMA_M = 6000, 40.0, 0.02   # of a scan


def scan(renderer: Renderer, map_T_lidar: np.ndarray, time_s: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Points `(N, 4)` float32 (x, y, z, intensity) all round, from 30 degrees below to 35 above the horizon."""
    i = np.arange(POINTS, dtype=np.float64) + POINTS * number
    azimuth = 2 * np.pi * np.mod(i * PLASTIC[0], 1.0)
    elevation = np.arcsin(
        np.sin(np.radians(-30)) + np.mod(i * PLASTIC[1], 1.0) * (np.sin(np.radians(35)) - np.sin(np.radians(-30)))
    )
    direction = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    ray = np.einsum("ij,nj->ni", map_T_lidar[:3, :3], direction)
    moment = renderer.at(time_s)
    answer = moment.stage.cast(map_T_lidar[:3, 3], ray.T.astype(np.float32))
    distance = answer["distance"].astype(np.float64)
    noise = rng.normal(0.0, SIGMA_M, POINTS)
    seen = (distance < RANGE_M) & (distance > 0.3) & (rng.random(POINTS) < 0.97)
    color = moment.surface.table[COLOR, answer["triangle"][seen]].mean(0)
    cloud = direction[seen] * (distance + noise)[seen, None]
    return np.c_[cloud, np.clip(120.0 * color, 1, 255)].astype(np.float32)

"""What is varied from pair to pair, evenly, and the poses that come of it."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.evaluate.pair_poses import Sweep

OFFSETS_M = (0.0, 0.03, 0.1, 0.2, 0.3, 0.5)
ROTATIONS_DEG = (0.0, 1.0, 2.0, 4.0, 8.0)
NOISES = ((0.0, 0.0), (0.01, 0.1), (0.03, 0.3))  # sigma of each axis of a believed pose: metres, degrees


def make_sweep(count: int, lights: tuple[str, ...], rng: np.random.Generator, offsets_m: tuple[float, ...] = OFFSETS_M,
               rotations_deg: tuple[float, ...] = ROTATIONS_DEG) -> list[Sweep]:
    """`count` settings in which every value of each quantity comes equally often, give or take one, in random company."""
    offset, rotation, noise, light = (_column(values, count, rng) for values in (offsets_m, rotations_deg, NOISES, lights))
    return [Sweep(float(o), float(r), float(n[0]), float(n[1]), str(kind)) for o, r, n, kind in zip(offset, rotation, noise, light)]


def turn(rotation_deg: float, rng: np.random.Generator) -> np.ndarray:
    """A rotation `(3, 3)` by just so many degrees in a frame with z up: mostly yaw to either side, some roll and pitch."""
    axis = np.array([rng.uniform(-0.25, 0.25), rng.uniform(-0.35, 0.35), rng.choice([-1.0, 1.0])])
    return cv2.Rodrigues(np.radians(rotation_deg) * axis / np.linalg.norm(axis))[0]


def believed(map_T_camera: np.ndarray, sweep: Sweep, rng: np.random.Generator) -> np.ndarray:
    """The pose as a localization with the sweep's noise has it, normal on each axis."""
    shift, angles = rng.standard_normal(3) * sweep.noise_m, rng.standard_normal(3) * np.radians(sweep.noise_deg)
    T = map_T_camera.copy()
    T[:3, :3] = cv2.Rodrigues(angles)[0] @ T[:3, :3]
    T[:3, 3] += shift
    return T


def _column(values: tuple, count: int, rng: np.random.Generator) -> list:
    return [values[i] for _ in range(-(-count // len(values))) for i in rng.permutation(len(values))][:count]

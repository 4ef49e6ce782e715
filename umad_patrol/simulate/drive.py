"""How the robot drives: its exact pose at any instant, when it takes pictures, what its localization says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.records import Camera
from umad_patrol.simulate.mesh import rotation
from umad_patrol.simulate.route import Route

OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # columns: the optical axes in a frame x forward, z up
CAMERA_M, PITCH_DEG = 0.7, 2.0   # height of the camera, and by how much it looks down
SPEED_MPS = 0.8
LOCALIZATION_HZ = 10.0


@dataclass(frozen=True, eq=False)
class Rig:
    """The sensors on the robot: camera, and where camera and LiDAR sit on the body (at ground level, x forward, z up)."""

    camera: Camera
    body_T_camera: np.ndarray
    body_T_lidar: np.ndarray


def make_rig(size: tuple[int, int] = (1280, 720)) -> Rig:
    """A camera of 70 degrees across, pitched down a little, and a LiDAR above it; `size` is (width, height)."""
    width, height = size
    focal = 910.0 * width / 1280.0
    K = np.array([[focal, 0, 0.5 * (width - 1) + 0.0035 * width], [0, focal, 0.5 * (height - 1) - 0.006 * height], [0, 0, 1]])
    body_T_camera, body_T_lidar = np.eye(4), np.eye(4)
    body_T_camera[:3, :3] = rotation(0.0, np.radians(PITCH_DEG)) @ OPTICAL
    body_T_camera[:3, 3] = (0.25, 0.0, CAMERA_M)
    body_T_lidar[:3, 3] = (0.1, 0.0, CAMERA_M + 0.2)
    return Rig(Camera(width, height, K, "none", (), "camera_color_optical_frame"), body_T_camera, body_T_lidar)


@dataclass(frozen=True, eq=False)
class Drive:
    """One run along the route. `waves` are (wavelength in m, phase, sideways in m, pitch in rad, roll in rad) a row."""

    route: Route
    speed_mps: float
    waves: np.ndarray
    start_ns: int

    @property
    def duration_s(self) -> float:
        """How long the run takes."""
        return self.route.length_m / self.speed_mps

    def pose(self, time_s: float) -> np.ndarray:
        """The exact `map_T_body` `(4, 4)` at `time_s` after the start."""
        s = self.speed_mps * time_s
        turn = 2 * np.pi * s / self.waves[:, 0] + self.waves[:, 1]
        aside, slope = self.waves[:, 2] @ np.sin(turn), self.waves[:, 2] @ (np.cos(turn) * 2 * np.pi / self.waves[:, 0])
        pitch, roll = self.waves[:, 3] @ np.sin(5.0 * turn + 1.0), self.waves[:, 4] @ np.sin(4.0 * turn + 2.0)
        T = np.eye(4)
        T[:3, :3] = rotation(float(self.route.heading(s)) + np.arctan(slope), pitch, roll)
        T[:2, 3] = self.route.point(s, aside)
        T[2, 3] = 0.003 * np.sin(7.0 * turn[0])
        return T

    def frame_times(self, frames: int, rng: np.random.Generator, phase: float) -> np.ndarray:
        """`(frames,)` seconds at which pictures are taken: regular but for a jitter of 2 ms (sigma), 0.1 to 0.9 of a step late as `phase` goes from 0 to 1."""
        step = self.duration_s / frames
        return (np.arange(frames) + 0.1 + 0.8 * phase) * step + np.clip(rng.normal(0, 0.002, frames), -0.2 * step, 0.2 * step)

    def stamp_ns(self, time_s: float) -> int:
        """Nanoseconds since the epoch."""
        return self.start_ns + int(round(time_s * 1e9))

    def localization(self, rng: np.random.Generator) -> list[tuple[int, np.ndarray]]:
        """What the robot's localization says: (stamp, `map_T_body`), about 1 cm and 0.1 degrees off, partly slowly varying."""
        times = np.arange(-0.45, self.duration_s + 0.5, 1.0 / LOCALIZATION_HZ) + 0.0137
        times = times + np.clip(rng.normal(0, 0.0015, len(times)), -0.004, 0.004)
        slow = [(rng.uniform(6.0, 25.0), rng.uniform(0, 6.3, 6)) for _ in range(3)]
        sigma = np.r_[np.full(3, 0.01), np.radians([0.08, 0.08, 0.1])]
        found = []
        for t in times:
            error = sum(np.sin(2 * np.pi * t / period + phase) for period, phase in slow) / np.sqrt(len(slow) / 2.0)
            error = sigma * (0.56 * error + 0.35 * rng.standard_normal(6))
            noise = np.eye(4)
            noise[:3, :3], noise[:3, 3] = rotation(error[5], error[4], error[3]), error[:3]
            found.append((self.stamp_ns(t), self.pose(t) @ noise))
        return found


def make_drive(route: Route, rng: np.random.Generator, sideways_m: float, start_ns: int) -> Drive:
    """A run that keeps about `sideways_m` (rms) to the line, with the small sways and nods of a wheeled robot."""
    lengths = np.array([47.0, 23.0, 11.0]) * rng.uniform(0.85, 1.15, 3)
    share = np.array([0.75, 0.55, 0.25]) * np.sqrt(2.0)
    waves = np.c_[
        lengths, rng.uniform(0, 2 * np.pi, 3), sideways_m * share, np.radians([0.12, 0.18, 0.14]), np.radians([0.1, 0.14, 0.1])
    ]
    return Drive(route, SPEED_MPS, waves, start_ns)

"""A patrol by pure geometry: boxes and patches on the ground as an ideal detector, with noise, would report them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from umad_patrol.alerts.place import join_parts, place
from umad_patrol.alerts.track import Tracker
from umad_patrol.config import AlertSettings
from umad_patrol.geometry.camera import project
from umad_patrol.geometry.se3 import inverse
from umad_patrol.records import Camera, Region

GROUND = np.array([0.0, 0.0, 1.0, 0.0])
CAMERA = Camera(1280, 720, np.array([[910.0, 0, 639.5], [0, 910.0, 359.5], [0, 0, 1]]))


def pose(x: float, y: float = 0.0, yaw: float = 0.0, pitch: float = 0.0, height: float = 0.7) -> np.ndarray:
    """`map_T_camera` of a camera at (x, y, height) that looks along yaw, tilted down by pitch (radians)."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    T = np.eye(4)
    T[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    T[:3, 3] = x, y, height
    return T


def box_region(centre, size, map_T_camera, camera=CAMERA, noise=(0.0, 0.0, 0.0), name="anomaly", score=0.8) -> Region | None:
    """The region of an upright block of (width, depth, height) whose base is centred at `centre` (x, y); None if unseen.

    `noise` moves its left/right edges, its top and its foot by so many pixels.
    """
    w, d, h = size
    corners = np.array([(centre[0] + sx * d / 2, centre[1] + sy * w / 2, z) for sx in (-1, 1) for sy in (-1, 1) for z in (0, h)])
    T = inverse(map_T_camera)
    in_camera = corners @ T[:3, :3].T + T[:3, 3]
    if in_camera[:, 2].min() < 0.3:
        return None
    pixels = project(in_camera, camera)
    left, right = pixels[:, 0].min() + noise[0], pixels[:, 0].max() + noise[0]
    top, bottom = pixels[:, 1].min() + noise[1], pixels[:, 1].max() + noise[2]
    left, right = np.clip([left, right], 0, camera.width - 1)
    top, bottom = np.clip([top, bottom], 0, camera.height - 1)
    box = (int(round(left)), int(round(top)), max(int(round(right - left)), 1), max(int(round(bottom - top)), 1))
    if right - left < 2 or box[2] * box[3] < 12:
        return None
    return Region(name, score, box[2] * box[3], box, (float(left + right) / 2, float(bottom)))


def tilt(slope: float) -> np.ndarray:
    """`(4, 4)`: a world that goes uphill along x by `slope` from the origin on, as it lies level."""
    a, T = np.arctan(slope), np.eye(4)
    T[:3, :3] = [[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]]
    return T


@dataclass
class Patrol:
    """Drives past things and feeds a tracker. `things` are functions of (seconds, map_T_camera, rng) that give regions."""

    tracker: Tracker
    things: list = field(default_factory=list)
    seed: int = 0
    valid: np.ndarray | None = None
    ground: np.ndarray = field(default_factory=lambda: GROUND)
    opened: list = field(default_factory=list)
    changed: list = field(default_factory=list)

    def drive(self, poses, dt: float = 0.3, start: float = 0.0, settings: AlertSettings | None = None) -> Patrol:
        rng = np.random.default_rng(self.seed)
        settings = settings or AlertSettings()
        active = {a.id for a in self.tracker.alerts if a.state == "active"}
        for i, T in enumerate(poses):
            seconds = start + i * dt
            regions = [r for thing in self.things for r in thing(seconds, T, rng)]
            mask = np.zeros((CAMERA.height, CAMERA.width), bool)
            for r in regions:
                mask[r.box[1]:r.box[1] + r.box[3], r.box[0]:r.box[0] + r.box[2]] = True
            measured = T.copy()
            measured[:3, 3] += rng.normal(0, 0.02, 3) * [1, 1, 0.2]
            found = [place(r, CAMERA, measured, self.ground, settings) for r in join_parts(tuple(regions))]
            changed = self.tracker.update(int(seconds * 1e9), CAMERA, measured, [s for s in found if s], self.valid, mask)
            self.changed += changed
            self.opened += [a for a in changed if a.state == "active" and a.id not in active]
            active = {a.id for a in self.tracker.alerts if a.state == "active"}
        return self


def standing(centre, size, detect: float = 0.85, sigma: float = 1.5, **more):
    """A thing that stands, seen in a share `detect` of the frames with edges off by `sigma` pixels."""
    return lambda seconds, T, rng: _seen(centre, size, T, rng, detect, sigma, **more)


def walking(start, velocity, size=(0.5, 0.35, 1.7), detect: float = 0.85, sigma: float = 2.0, **more):
    """A person who walks from `start` (x, y) at `velocity` (x, y) in m/s; the stride moves the feet."""
    def thing(seconds, T, rng):
        centre = np.array(start) + seconds * np.array(velocity) + 0.1 * np.sin(6 * seconds) * np.array(velocity)
        return _seen(centre, size, T, rng, detect, sigma, **more)
    return thing


def patch(centre, size, detect: float = 0.85, sigma: float = 1.5):
    """A flat mark of (width, length) on the ground."""
    return lambda seconds, T, rng: _seen(centre, (size[0], size[1], 0.0), T, rng, detect, sigma)


def flicker(rate: float):
    """False regions anywhere below the horizon, `rate` a frame on average."""
    def thing(seconds, T, rng):
        regions = []
        for _ in range(rng.poisson(rate)):
            w, h = rng.integers(8, 80), rng.integers(8, 60)
            x, foot = rng.integers(10, 1270 - w), rng.integers(410, 700)
            regions.append(Region("anomaly", 0.6, int(w * h), (int(x), int(foot - h), int(w), int(h)), (x + w / 2, float(foot))))
        return regions
    return thing


def ahead(start: float = 0.0, stop: float = 8.5, speed: float = 1.0, dt: float = 0.3, pitch: float = 0.0) -> list[np.ndarray]:
    """Poses along x from `start` to `stop` metres."""
    return [pose(x, 0.02 * np.sin(x), 0.01 * np.sin(2 * x), pitch) for x in np.arange(start, stop, speed * dt)]


def _seen(centre, size, T, rng, detect, sigma, **more):
    noise = rng.normal(0, sigma, 3)
    if rng.random() > detect:
        return []
    region = box_region(centre, size, T, noise=np.clip(noise, -2 * sigma, 2 * sigma), **more)
    return [region] if region is not None else []

"""A street of two planes, ground and a wall across the way, seen by a camera at any pose: every correspondence is known."""

import cv2
import numpy as np
from align_scene import make_texture

from umad_patrol.records import Camera, Reference

CAMERA = Camera(640, 400, np.array([[455.0, 0, 319.5], [0, 455, 180.0], [0, 0, 1]]))
GROUND = np.array([0.0, 0, 1, 0])
WALL_M = 14.0
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
GRAIN = 70.0  # texture pixels a metre


def pose(x=0.0, y=0.0, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, height=0.7):
    """map_T_camera of a camera that looks along the map's x axis."""
    T = np.eye(4)
    about = [cv2.Rodrigues(np.deg2rad(angle) * np.array(axis, float))[0]
             for angle, axis in ((yaw_deg, (0, 0, 1)), (pitch_deg, (0, 1, 0)), (roll_deg, (1, 0, 0)))]
    T[:3, :3] = about[0] @ about[1] @ about[2] @ OPTICAL
    T[:3, 3] = x, y, height
    return T


def hits(pixels, T):
    """Where rays through pixels `(N, 2)` meet the street, `(N, 3)`, and whether that is the ground."""
    rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(CAMERA.K).T @ T[:3, :3].T
    with np.errstate(divide="ignore"):
        down, ahead = -T[2, 3] / rays[:, 2], (WALL_M - T[0, 3]) / rays[:, 0]
    ground = (down > 0) & (down < ahead)
    return T[:3, 3] + np.where(ground, down, ahead)[:, None] * rays, ground


def project(points, T):
    """Pixels `(N, 2)` of points in the map."""
    seen = (points - T[:3, 3]) @ T[:3, :3] @ CAMERA.K.T
    return seen[:, :2] / seen[:, 2:]


def photograph(T, seed=11):
    """What the camera sees, `(400, 640, 3)` uint8."""
    pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(400.0)), -1).reshape(-1, 2)
    points, ground = hits(pixels, T)
    seen = []
    for number, (axes, grain) in enumerate((((0, 1), GRAIN), ((1, 2), 0.4 * GRAIN))):
        texture = cv2.resize(make_texture(seed + number, 700, 700), (1400, 1400))
        at = (points[:, axes] * grain + 700).clip(-1e4, 1e4).astype(np.float32).reshape(400, 640, 2)
        seen.append(cv2.remap(texture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))
    return np.where(ground.reshape(400, 640, 1), *seen)


def correspondences(reference_T, query_T, count=400, seed=0):
    """`(N, 4)` xr yr xq yq that both see, and which are on the ground."""
    pixels = np.random.default_rng(seed).uniform((2, 2), (637, 397), (count, 2))
    points, ground = hits(pixels, reference_T)
    there = project(points, query_T)
    both = (there > 2).all(1) & (there < (637, 397)).all(1) & (np.linalg.norm(hits(there, query_T)[0] - points, axis=1) < 1e-3)
    return np.hstack([pixels, there])[both], ground[both]


def keyframe(T, image=None, ground=GROUND):
    return Reference(0, "run", 0, photograph(T) if image is None else image, CAMERA, T, None, ground)

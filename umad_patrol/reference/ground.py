"""The ground plane in front of each keyframe."""

from __future__ import annotations

import numpy as np

from umad_patrol.config import TeachSettings
from umad_patrol.geometry import plane
from umad_patrol.reference.cells import Cells

_FEW, _MANY = 30, 1500  # fewer points tell nothing, more do not tell more
_LOWEST_M, _DEEPEST_M = 0.05, 2.5  # how far below the camera the ground of a robot lies, not the storey below
_DEEPER_M = 1.5     # or as much farther than the settings say


def flat_ground(map_T_camera: np.ndarray, camera_height_m: float) -> np.ndarray:
    """The level plane `(4,)` in `map` at this height below the camera."""
    return plane.through(map_T_camera[:3, 3] - [0, 0, camera_height_m], np.array(plane.UP))


def find_grounds(poses: np.ndarray, cloud: np.ndarray, settings: TeachSettings) -> np.ndarray:
    """The plane `(N, 4)` in `map` at each pose `(N, 4, 4)` map_T_camera: fitted to the cloud, else flat."""
    cells = Cells(cloud, settings.ground_radius_m) if len(cloud) else None
    return np.array([_find(pose, cloud, cells, settings) for pose in poses]).reshape(-1, 4)


def _find(map_T_camera: np.ndarray, cloud: np.ndarray, cells: Cells | None, settings: TeachSettings) -> np.ndarray:
    fallback = flat_ground(map_T_camera, settings.camera_height_m)
    if cells is None:
        return fallback
    place = _place_seen(map_T_camera, settings.ground_radius_m)
    points = cloud[cells.near(place)].astype(np.float64)
    below = map_T_camera[2, 3] - points[:, 2]
    near = np.linalg.norm(points[:, :2] - place, axis=1) < settings.ground_radius_m
    points = points[near & (below > 0) & (below < max(_DEEPEST_M, settings.camera_height_m + _DEEPER_M))]
    if len(points) < _FEW:
        return fallback
    points = points[::-(-len(points) // _MANY)]
    found = plane.fit_plane(points, tolerance_m=settings.ground_tolerance_m, max_tilt_deg=settings.ground_tilt_deg)
    if found is None or (np.abs(plane.height(found, points)) <= settings.ground_tolerance_m).sum() < _FEW:
        return fallback
    return found if plane.height(found, map_T_camera[None, :3, 3])[0] > _LOWEST_M else fallback


def _place_seen(map_T_camera: np.ndarray, radius_m: float) -> np.ndarray:
    """The middle (x, y) of the ground that matters: as far ahead of the camera as the points reach around it."""
    ahead = map_T_camera[:2, 2]
    length = np.linalg.norm(ahead)
    return map_T_camera[:2, 3] + (ahead / length * radius_m if length > 1e-6 else 0.0)

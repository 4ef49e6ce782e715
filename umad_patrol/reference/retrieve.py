"""Which keyframe sees what the camera sees now."""

from __future__ import annotations

import numpy as np

from umad_patrol.config import RetrieveSettings
from umad_patrol.geometry.camera import rays
from umad_patrol.geometry.se3 import inverse
from umad_patrol.records import Match
from umad_patrol.reference.cells import Cells
from umad_patrol.reference.map import ReferenceMap

_SAMPLES = (8, 6)  # columns and rows of the grid of pixels on which overlap is measured
_CANDIDATES = 32  # nearest keyframes of which the overlap is measured
_LOOKED_AT = 64  # nearest keyframes among which `nearest` picks by distance and turn


class Retriever:
    """Finds keyframes by pose. Built once for a map; each question takes well under a millisecond."""

    def __init__(self, reference_map: ReferenceMap, settings: RetrieveSettings) -> None:
        self._settings = settings
        self._poses, self._grounds = reference_map.poses, reference_map.grounds
        self._places = np.ascontiguousarray(reference_map.poses[:, :3, 3])
        self._rotations = np.ascontiguousarray(reference_map.poses[:, :3, :3]).reshape(-1, 9)
        self._light = reference_map.light if len(reference_map.runs) > 1 else None
        self._cells = Cells(self._places, settings.max_distance_m)
        camera = reference_map.camera
        axes = [(np.arange(n) + 0.5) / n * size - 0.5 for n, size in zip(_SAMPLES, (camera.width, camera.height))]
        self._rays = rays(camera, np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2))
        self._K, self._size = camera.K, np.array([camera.width, camera.height])

    def find(self, map_T_camera: np.ndarray, count: int = 1, light: np.ndarray | None = None) -> list[Match]:
        """Up to `count` keyframes within the limits, best first; none if there is none.

        Best is the largest overlap of what query and keyframe see, both ways, less what distance costs; with `light`
        (look.light of the query's picture) and several runs in the map, less what unlike light costs. From the second on,
        keyframes are preferred that lie on the other side of the query along its way and at least a baseline from those
        already chosen, so that things above the ground are displaced differently in each.
        """
        near, distances, angles = self._within_limits(np.asarray(map_T_camera, dtype=np.float64))
        if not len(near):
            return []
        overlaps = self._overlaps(map_T_camera, near)
        scores = overlaps - self._settings.distance_weight * distances / self._settings.max_distance_m
        if light is not None and self._light is not None:
            scores -= self._settings.light_weight * np.linalg.norm(self._light[near] - light, axis=1)
        chosen = self._spread(self._places[near] - map_T_camera[:3, 3], map_T_camera[:3, 2], scores, count)
        return [Match(int(near[i]), float(distances[i]), float(angles[i]), float(overlaps[i])) for i in chosen]

    def nearest(self, map_T_camera: np.ndarray) -> Match:
        """The keyframe that is the least beyond the limits, whatever they are; for messages."""
        distances = np.linalg.norm(self._places - map_T_camera[:3, 3], axis=1)
        few = np.argpartition(distances, min(_LOOKED_AT, len(distances)) - 1)[:_LOOKED_AT]
        angles = self._angles(map_T_camera, few)
        best = int(np.argmin(self._beyond(distances[few], angles)))
        overlap = self._overlaps(map_T_camera, few[best:best + 1])[0]
        return Match(int(few[best]), float(distances[few[best]]), float(angles[best]), float(overlap))

    def _within_limits(self, map_T_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices, distances and angles of the nearest keyframes within both limits."""
        near = self._cells.near(map_T_camera[:3, 3])
        distances = np.linalg.norm(self._places[near] - map_T_camera[:3, 3], axis=1)
        inside = distances <= self._settings.max_distance_m
        near, distances = near[inside], distances[inside]
        angles = self._angles(map_T_camera, near)
        inside = np.flatnonzero(angles <= self._settings.max_angle_deg)
        if len(inside) > _CANDIDATES:
            inside = inside[np.argpartition(self._beyond(distances[inside], angles[inside]), _CANDIDATES)[:_CANDIDATES]]
        return near[inside], distances[inside], angles[inside]

    def _angles(self, map_T_camera: np.ndarray, indices: np.ndarray) -> np.ndarray:
        trace = self._rotations[indices] @ map_T_camera[:3, :3].ravel()
        return np.degrees(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))

    def _beyond(self, distances: np.ndarray, angles: np.ndarray) -> np.ndarray:
        return np.maximum(distances / self._settings.max_distance_m, angles / self._settings.max_angle_deg)

    def _overlaps(self, map_T_camera: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The share of the query's picture that each keyframe sees times the share of the keyframe's that the query sees.

        Both look at one ground plane; what lies above the horizon counts as far away. The product treats a keyframe
        ahead (which lacks the near ground) and one behind (which shows it smaller) alike.
        """
        poses = self._poses[indices]
        ground = self._grounds[indices[0]]
        seen = _scene(map_T_camera[None], ground, self._rays)
        there = self._share(inverse(poses), np.broadcast_to(seen, (len(poses), *seen.shape[1:])))
        back = self._share(inverse(map_T_camera)[None], _scene(poses, ground, self._rays))
        return there * back

    def _share(self, camera_T_map: np.ndarray, scene: np.ndarray) -> np.ndarray:
        """The share of homogeneous scene points `(C, P, 4)` that cameras `(C or 1, 4, 4)` see."""
        points = scene @ np.swapaxes(camera_T_map[:, :3], 1, 2)
        front = points[..., 2] > 1e-6
        pixels = (points[..., :2] / np.where(front, points[..., 2], 1.0)[..., None]) @ self._K[:2, :2].T + self._K[:2, 2]
        return (front & (pixels > -0.5).all(axis=-1) & (pixels < self._size - 0.5).all(axis=-1)).mean(axis=-1)

    def _spread(self, offsets: np.ndarray, heading: np.ndarray, scores: np.ndarray, count: int) -> list[int]:
        """Indices into `scores`, best first; later ones bracket the query where they can."""
        along = offsets @ heading
        order = np.argsort(-scores, kind="stable")
        chosen = [int(order[0])]
        while len(chosen) < min(count, len(order)):
            rest = [int(i) for i in order if i not in chosen]
            side = np.sign(sum(np.sign(along[i]) for i in chosen)) or np.sign(along[chosen[0]])
            apart = [i for i in rest if min(np.linalg.norm(offsets[i] - offsets[j]) for j in chosen) >= self._settings.baseline_m]
            across = [i for i in apart if along[i] * side <= 0]
            chosen.append((across or apart or rest)[0])
        return chosen


def _scene(poses: np.ndarray, ground: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What cameras `(C, 4, 4)` see along `directions` `(P, 3)`: ground points, or directions (w = 0) above the horizon; `(C, P, 4)`."""
    rays_in_map = directions @ np.swapaxes(poses[:, :3, :3], 1, 2)
    origins = poses[:, None, :3, 3]
    if not np.isfinite(ground).all():
        return np.concatenate([rays_in_map, np.zeros((*rays_in_map.shape[:2], 1))], axis=-1)
    slope = rays_in_map @ ground[:3]
    height = origins @ ground[:3] + ground[3]
    meets = slope * np.sign(height) < -1e-6
    along = np.where(meets, -height / np.where(meets, slope, 1.0), 1.0)
    points = rays_in_map * along[..., None] + np.where(meets[..., None], origins, 0.0)
    return np.concatenate([points, meets[..., None].astype(np.float64)], axis=-1)

"""Which keyframe sees what the camera sees now."""

from __future__ import annotations

import numpy as np

from umad_patrol.config import RetrieveSettings
from umad_patrol.errors import LocalizationError
from umad_patrol.geometry import se3
from umad_patrol.records import Match
from umad_patrol.reference.cells import Cells
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.reference.overlap import mutual_overlap, sample_rays

_CANDIDATES = 24  # of so many keyframes the overlap is measured
_LOOKED_AT = 512  # nearest keyframes that are looked at where more lie within the limits


class Retriever:
    """Finds keyframes by pose. Built once for a map; each question takes well under a millisecond."""

    def __init__(self, reference_map: ReferenceMap, settings: RetrieveSettings) -> None:
        self._settings, self._camera = settings, reference_map.camera
        self._poses, self._grounds = reference_map.poses, reference_map.grounds
        self._light = reference_map.light if len(reference_map.runs) > 1 else None
        self._places = np.ascontiguousarray(self._poses[:, :3, 3])
        self._cells = Cells(self._places, settings.max_distance_m)
        self._places_by_cell = self._places[self._cells.order]
        self._rotations = np.ascontiguousarray(self._poses[:, :3, :3]).reshape(-1, 9)
        self._origin = self._places.mean(axis=0)
        self._columns = np.ascontiguousarray((self._places - self._origin).T, dtype=np.float32)
        self._rays = sample_rays(self._camera)

    def find(self, map_T_camera: np.ndarray, count: int = 1, light: np.ndarray | None = None) -> list[Match]:
        """Up to `count` keyframes within the limits, best first; none if there is none. Raises LocalizationError for a bad pose.

        Best is the largest overlap of what query and keyframe see, both ways, less what distance costs; with `light`
        (look.light of the query's picture) and several runs in the map, less what unlike light costs. From the second on,
        keyframes are preferred that lie on the other side of the query along its way and at least a baseline from those
        already chosen, so that things above the ground are displaced differently in each.
        """
        query = _checked(map_T_camera)
        near, distances, angles = self._within_limits(query)
        if not len(near):
            return []
        overlaps = mutual_overlap(query, self._poses[near], self._grounds[near], self._rays, self._camera)
        scores = overlaps - self._settings.distance_weight * distances / self._settings.max_distance_m
        if light is not None and self._light is not None:
            scores -= self._settings.light_weight * np.linalg.norm(self._light[near] - light, axis=1)
        chosen = self._spread(self._places[near] - query[:3, 3], query[:3, 2], scores, count)
        return [Match(int(near[i]), float(distances[i]), float(angles[i]), float(overlaps[i])) for i in chosen]

    def nearest(self, map_T_camera: np.ndarray) -> Match:
        """The keyframe that is the least beyond the limits of those about as near as the nearest; for messages. Raises LocalizationError for a bad pose."""
        query = _checked(map_T_camera)
        x, y, z = (query[:3, 3] - self._origin).astype(np.float32)
        squares = (self._columns[0] - x) ** 2 + (self._columns[1] - y) ** 2 + (self._columns[2] - z) ** 2
        first = int(np.argmin(squares))
        around = np.flatnonzero(squares <= (np.sqrt(squares[first]) + self._settings.max_distance_m) ** 2)
        few = np.append(_least(around, squares[around], _LOOKED_AT), first)
        distances = np.linalg.norm(self._places[few] - query[:3, 3], axis=1)
        angles = _angles_deg(self._rotations[few] @ query[:3, :3].ravel())
        best = int(np.argmin(self._beyond(distances, angles)))
        index = few[best:best + 1]
        overlap = mutual_overlap(query, self._poses[index], self._grounds[index], self._rays, self._camera)[0]
        return Match(int(index[0]), float(distances[best]), float(angles[best]), float(overlap))

    def _within_limits(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices, distances and angles of the keyframes within both limits; of many the nearest."""
        ranges = self._cells.ranges(query[:3, 3])
        if not ranges:
            return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
        offsets = np.concatenate([self._places_by_cell[r] for r in ranges]) - query[:3, 3]
        squares = np.einsum("ij,ij->i", offsets, offsets)
        inside = np.flatnonzero(squares <= self._settings.max_distance_m ** 2)
        near, distances = np.concatenate([self._cells.order[r] for r in ranges])[inside], np.sqrt(squares[inside])
        traces = self._rotations[near] @ query[:3, :3].ravel()
        level = np.flatnonzero(traces >= 1.0 + 2.0 * np.cos(np.radians(self._settings.max_angle_deg)) - 1e-9)
        level = _least(level, distances[level], _LOOKED_AT)
        near, distances, angles = near[level], distances[level], _angles_deg(traces[level])
        best = _least(np.arange(len(near)), self._beyond(distances, angles), _CANDIDATES)
        return near[best], distances[best], angles[best]

    def _beyond(self, distances: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Up to 1 within the limits."""
        return np.maximum(distances / self._settings.max_distance_m, angles / self._settings.max_angle_deg)

    def _spread(self, offsets: np.ndarray, heading: np.ndarray, scores: np.ndarray, count: int) -> list[int]:
        """Indices into `scores`, best first; later ones bracket the query where they can."""
        along = offsets @ heading
        order = np.argsort(-scores, kind="stable")
        chosen, rest = [int(order[0])], order[1:]
        while len(chosen) < count and len(rest):
            ahead = np.sign(along[chosen]).sum() or np.sign(along[chosen[0]])
            gaps = np.linalg.norm(offsets[rest][:, None] - offsets[chosen], axis=-1).min(axis=1)
            wish = (gaps >= self._settings.baseline_m) * (1 + (along[rest] * ahead <= 0))
            best = int(np.argmax(wish))  # the first, so the best, of those that fulfil most
            chosen.append(int(rest[best]))
            rest = np.delete(rest, best)
        return chosen


def _checked(map_T_camera: np.ndarray) -> np.ndarray:
    query = np.asarray(map_T_camera, dtype=np.float64)
    if fault := se3.fault(query):
        raise LocalizationError(f"pose {query.tolist()} {fault}; is the localization initialized?")
    return query


def _angles_deg(traces: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((traces - 1.0) / 2.0, -1.0, 1.0)))


def _least(indices: np.ndarray, costs: np.ndarray, count: int) -> np.ndarray:
    return indices if len(indices) <= count else indices[np.argpartition(costs, count)[:count]]

"""How much of the sky the ground sees close to what stands on it: the soft dark seam that makes things stand, not float."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.simulate import materials as m
from umad_patrol.simulate.mesh import Mesh

CELL_M, MARGIN_M = 0.05, 14.0
LOW_M = 0.45  # what is lower than this darkens the ground
GROUND = (m.PAVING, m.ROAD, m.GRASS, m.PAVERS, m.KERB)
NARROW_M, WIDE_M = 0.09, 0.5


class Contact:
    """A plan of the neighbourhood of the route with the share of the sky that the ground sees."""

    def __init__(self, mesh: Mesh, around: np.ndarray) -> None:
        self._origin = around.min(0) - MARGIN_M
        width, height = np.ceil((around.max(0) + MARGIN_M - self._origin) / CELL_M).astype(int)
        corners = mesh.corners
        low = (corners[..., 2].min(1) < LOW_M) & (~np.isin(mesh.material, GROUND) | (corners[..., 2].max(1) > 1.0))
        cells = np.rint((corners[low][..., :2] - self._origin) / CELL_M * 16).astype(np.int32)
        inside = ((cells > -16 * 40) & (cells < 16 * (np.array([width, height]) + 40))).all((1, 2))
        covered = np.zeros((height, width), np.uint8)
        for triangle in cells[inside]:
            cv2.fillConvexPoly(covered, triangle, 255, cv2.LINE_8, 4)
        near = cv2.GaussianBlur(covered, (0, 0), NARROW_M / CELL_M).astype(np.float32) / 255.0
        wide = cv2.GaussianBlur(covered, (0, 0), WIDE_M / CELL_M).astype(np.float32) / 255.0
        self._open = np.clip(1.0 - 0.55 * near - 0.6 * wide, 0.2, 1.0)

    def open_sky(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The share `(N,)` float32 of the sky at map places; 1 outside the plan."""
        u, v = ((a - np.float32(o)) * np.float32(1.0 / CELL_M) for a, o in zip((x, y), self._origin))
        rows = -(-len(u) // 4096)
        u, v = np.resize(u, (rows, 4096)), np.resize(v, (rows, 4096))
        found = cv2.remap(self._open, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
        return found.ravel()[: len(x)]

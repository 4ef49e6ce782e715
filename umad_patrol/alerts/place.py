"""From a region in the picture to a place on the ground of the map."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from umad_patrol.alerts.structure import Structure
from umad_patrol.config import AlertSettings
from umad_patrol.geometry.camera import rays
from umad_patrol.geometry.plane import height, intersect
from umad_patrol.records import Camera, Region, Sighting

SAME_COLUMN = 0.5  # share of the narrower of two boxes that must lie below the other for them to be parts of one thing
SAME_THING = 0.5   # and the gap between them, over the height of the taller


def place(region: Region, camera: Camera, map_T_camera: np.ndarray, ground: np.ndarray, settings: AlertSettings,
          valid: np.ndarray | None = None, structure: Structure | None = None) -> Sighting | None:
    """Where a region stands, or None where that cannot be told.

    The ray through the region's foot is cut with the plane `ground` `(4,)` in `map`. The foot is a thing's near edge, so
    its middle lies about half its width further, `max_depth_m` at most. None if the foot is above the horizon, beyond `max_range_m`, or at the
    border of the picture (but the upper one) or of `valid` `(H, W)` bool, where it is not seen; if the camera is below the ground; or if its ray meets
    mapped `structure` first, or that fills the place: what changed there is the light on it, or it was taken away.
    `range_m` is measured along the ground; `height_m` is what a standing thing must have to reach the box's top.
    """
    x, y, width, tall = region.box
    if not _foot_is_seen(region, camera, valid, settings):
        return None
    foot_x, foot_y = region.foot[0], region.foot[1] - settings.foot_bias_px
    top_y = min(y, foot_y - 1.0)
    corners = [(foot_x, foot_y), (x, foot_y), (x + width, foot_y), (foot_x, top_y)]
    directions = rays(camera, np.array(corners)) @ map_T_camera[:3, :3].T
    eye, up = map_T_camera[:3, 3], ground[:3]
    eye_height = float(height(ground, eye[None])[0])
    points, hit = intersect(ground, eye, directions[:3])
    if eye_height <= 0 or not hit.all():
        return None
    below = eye - eye_height * up
    range_m = float(np.linalg.norm(points[0] - below))
    if not np.isfinite(range_m) or range_m > settings.max_range_m or range_m < 1e-6:
        return None
    if structure is not None and structure.blocks(eye, points[0]):
        return None
    away = (points[0] - below) / range_m
    width_m = float(np.linalg.norm(points[2] - points[1]))
    height_m = eye_height + range_m * float(directions[3] @ up) / max(float(directions[3] @ away), 1e-9)
    middle = points[0] + min(width_m / 2, settings.max_depth_m) * away
    if structure is not None and structure.fills(middle):
        return None
    return Sighting(region, tuple(float(v) for v in middle), range_m, width_m, height_m, eye_height)


def ground_ranges(regions: Sequence[Region], camera: Camera, map_T_camera: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """How far from the camera the feet of regions are along the plane `ground`, `(N,)` in metres; inf above the horizon. A foot that is cut off is nearer."""
    eye, feet = map_T_camera[:3, 3], np.array([region.foot for region in regions], np.float64).reshape(-1, 2)
    points, hit = intersect(ground, eye, rays(camera, feet) @ map_T_camera[:3, :3].T)
    return np.where(hit, np.linalg.norm(points - eye + height(ground, eye[None])[0] * ground[:3], axis=1), np.inf)


def join_parts(regions: Iterable[Region], apart: Callable[[Region, Region], bool] = lambda upper, lower: False) -> list[Region]:
    """Regions with those that lie right above another joined to it: they are upper parts of one standing thing.

    Alone, an upper part would be taken to stand on the ground far behind. What is known to stand there is kept `apart` from what stands before it.
    """
    joined: list[Region] = []
    for region in sorted(regions, key=lambda r: -(r.box[1] + r.box[3])):
        for i, lower in enumerate(joined):
            if lower.class_name == region.class_name and _stands_on(region, lower) and not apart(region, lower):
                joined[i] = _union(lower, region)
                break
        else:
            joined.append(region)
    return joined


def _stands_on(upper: Region, lower: Region) -> bool:
    ux, uy, uw, uh = upper.box
    lx, ly, lw, lh = lower.box
    shared = min(ux + uw, lx + lw) - max(ux, lx)
    return shared >= SAME_COLUMN * min(uw, lw) and ly - (uy + uh) <= SAME_THING * max(uh, lh)


def _union(lower: Region, upper: Region) -> Region:
    left, top = min(lower.box[0], upper.box[0]), min(lower.box[1], upper.box[1])
    right = max(lower.box[0] + lower.box[2], upper.box[0] + upper.box[2])
    bottom = max(lower.box[1] + lower.box[3], upper.box[1] + upper.box[3])
    return dataclasses.replace(lower, score=max(lower.score, upper.score), area_px=lower.area_px + upper.area_px,
                               box=(left, top, right - left, bottom - top))


def _foot_is_seen(region: Region, camera: Camera, valid: np.ndarray | None, settings: AlertSettings) -> bool:
    margin = settings.border_px
    x, y, width, tall = region.box
    if x < margin or x + width > camera.width - margin or y + tall > camera.height - margin:
        return False
    if valid is None:
        return True
    column, row = int(round(region.foot[0])), int(round(region.foot[1])) + margin
    return 0 <= column < camera.width and row < camera.height and bool(valid[row, column])

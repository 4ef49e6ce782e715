"""Near ground and far scene, each where it belongs: poses and ground plane lay the reference, points that are followed refine it.

Below the horizon lies the ground, whose depth is known; what stands on it is nearer to the camera than the ground behind it. That
*excess* of inverse depth is 0 on bare ground, known at points that were followed from one picture to the other and where
the map has a cloud, and smooth between them. With it every query pixel has a depth, and so a place in the reference.
"""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import excess, lookup
from umad_patrol.align.consensus import spread_score
from umad_patrol.align.picture import Picture
from umad_patrol.align.poses import Geometry, refined
from umad_patrol.align.track import follow
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform

_WINDOW, _LEVELS = 17, 2
_GROUND = 0.025          # camera heights over depth from which a point may lie on the ground: 28 m at a height of 0.7 m
_ON_GROUND_PX, _EPIPOLAR_PX = 1.0, 1.5   # of the even picture
_NEAREST = 2.0           # 1/m
_BEFORE = 0.02           # 1/m by which a point may seem to lie behind the ground
_NO_POINTS = excess.Samples(np.zeros((0, 2)), np.zeros(0))


def estimate(query: Picture, reference: Picture, known: Geometry, settings: AlignSettings) -> Estimate:
    """Lay `reference` on `query` by what is known of poses and ground, refined on the pictures."""
    even = known.scaled(query.even_S_picture, reference.even_S_picture)
    size = query.even.shape[::-1]
    at = lookup.nodes(size)
    first = lookup.clean(even.seen(at, even.ground_inverse_depth(at) + excess.spread(even, at, _NO_POINTS, excess.of_cloud(even, at))))
    laid = cv2.remap(reference.even, lookup.full(first, size), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=128)
    in_query, in_laid = follow(query.even, laid, query.corners, _WINDOW, _LEVELS)
    matches = np.hstack([lookup.sample(first, in_laid), in_query])
    low = even.ground_inverse_depth(in_query) * abs(even.ground[3]) > _GROUND
    even = refined(even, matches[low], settings, settings.inlier_px * float(query.even_S_picture[0, 0]))
    explained, nearer, error = _placed(even, matches, low)
    points = excess.Samples(lookup.node_of(in_query[explained]), nearer[explained])
    field = excess.spread(even, at, points, excess.of_cloud(even, at))
    fine = even.scaled(np.linalg.inv(query.even_S_picture), np.linalg.inv(reference.even_S_picture))
    where = transform(np.linalg.inv(query.even_S_picture), in_query[explained])
    return Estimate(fine.ground_H, "layered", where=where, matches=len(matches), spread=spread_score(where, query.size, settings.levels),
                    residual_px=float(error[explained].mean() / query.even_S_picture[0, 0]) if explained.any() else 0.0,
                    lookup=_lookup(fine, field, query))


def _placed(even: Geometry, matches: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of `matches` lie on the ground or before it, `(N,)` bool, how much nearer than it they are in 1/m, and what is left of error."""
    pixels, ground = matches[:, 2:], even.ground_inverse_depth(matches[:, 2:])
    inverse_depth = even.inverse_depths(matches)
    off_ground, off_line = (np.linalg.norm(even.seen(pixels, depth) - matches[:, :2], axis=1) for depth in (ground, inverse_depth))
    on_ground = low & (off_ground < _ON_GROUND_PX)
    before = (off_line < _EPIPOLAR_PX) & (inverse_depth > ground - _BEFORE) & (inverse_depth < _NEAREST)
    nearer = np.where(on_ground, 0.0, np.maximum(inverse_depth - ground, 0.0))
    return on_ground | before, nearer, np.where(on_ground, off_ground, off_line)


def _lookup(known: Geometry, field: np.ndarray, query: Picture) -> np.ndarray:
    """The lookup of the whole picture from the excess of inverse depth over the nodes of the even one."""
    at = lookup.nodes(query.size)
    nearer = lookup.resampled(field, np.linalg.inv(query.even_S_picture), query.size)
    return lookup.clean(known.seen(at, known.ground_inverse_depth(at) + nearer))

"""Near ground and far scene, each where it belongs: poses and ground plane lay the reference, points that are followed refine it.

Below the horizon lies the ground, whose depth is known; what stands on it is nearer to the camera than the ground behind it. That
*excess* of inverse depth is 0 on bare ground, known at points that were followed from one picture to the other, and
smooth between them. With it every query pixel has a depth, and so a place in the reference.
"""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align import lookup
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
_REACHES, _HOLD = (12.0, 4.0, 1.5), 0.02  # in nodes: how far points speak, and how much a farther reach counts against a nearer one
_BARE = 0.02             # how much a node counts as bare ground by itself, in points
_BARE_FROM, _BARE_TO = 0.02, 0.08  # camera heights over depth, 35 m and 9 m at 0.7 m, between which that begins


def estimate(query: Picture, reference: Picture, known: Geometry, settings: AlignSettings) -> Estimate:
    """Lay `reference` on `query` by what is known of poses and ground, refined on the pictures."""
    even = known.scaled(query.even_S_picture, reference.even_S_picture)
    size = query.even.shape[::-1]
    at = lookup.nodes(size)
    first = lookup.clean(even.seen(at, even.ground_inverse_depth(at)))
    laid = cv2.remap(reference.even, lookup.full(first, size), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=128)
    in_query, in_laid = follow(query.even, laid, query.corners, _WINDOW, _LEVELS)
    matches = np.hstack([lookup.sample(first, in_laid), in_query])
    low = even.ground_inverse_depth(in_query) * abs(even.ground[3]) > _GROUND
    even = refined(even, matches[low], settings, settings.inlier_px * float(query.even_S_picture[0, 0]))
    explained, excess, error = _placed(even, matches, low)
    field = _spread(_bareness(even, at), in_query[explained], excess[explained])
    fine = even.scaled(np.linalg.inv(query.even_S_picture), np.linalg.inv(reference.even_S_picture))
    where = transform(np.linalg.inv(query.even_S_picture), in_query[explained])
    return Estimate(fine.ground_H, "layered", where=where, matches=len(matches), spread=spread_score(where, query.size, settings.levels),
                    residual_px=float(error[explained].mean() / query.even_S_picture[0, 0]) if explained.any() else 0.0,
                    lookup=_lookup(fine, field, query))


def _placed(even: Geometry, matches: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of `matches` lie on the ground or before it, `(N,)` bool, their excess of inverse depth, and what is left of error."""
    pixels, ground = matches[:, 2:], even.ground_inverse_depth(matches[:, 2:])
    inverse_depth = even.inverse_depths(matches)
    off_ground, off_line = (np.linalg.norm(even.seen(pixels, depth) - matches[:, :2], axis=1) for depth in (ground, inverse_depth))
    on_ground = low & (off_ground < _ON_GROUND_PX)
    before = (off_line < _EPIPOLAR_PX) & (inverse_depth > ground - _BEFORE) & (inverse_depth < _NEAREST)
    excess = np.where(on_ground, 0.0, np.maximum(inverse_depth - ground, 0.0))
    return on_ground | before, excess, np.where(on_ground, off_ground, off_line)


def _bareness(even: Geometry, at: np.ndarray) -> np.ndarray:
    """How much each node counts as bare ground before anything is seen there, `(h, w)` float32: nothing near the horizon and above."""
    down = even.ground_inverse_depth(at) * abs(even.ground[3])
    return (_BARE * np.clip((down - _BARE_FROM) / (_BARE_TO - _BARE_FROM), 0.0, 1.0)).astype(np.float32)


def _spread(bareness: np.ndarray, pixels: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """The excess at pixels as a field over the nodes, `(h, w)`: normalised convolution (Knutsson and Westin 1993), far reaches first."""
    shape = bareness.shape
    column, row = np.clip(np.rint(lookup.node_of(pixels)), 0, np.array(shape[::-1]) - 1).astype(np.intp).T
    total, count, field = (np.zeros(shape, np.float32) for _ in range(3))
    np.add.at(total, (row, column), excess)
    np.add.at(count, (row, column), 1.0)
    for reach in _REACHES:
        hold = np.float32(_HOLD / (2 * np.pi * reach ** 2))  # as `_HOLD` of one point in place
        field = (cv2.GaussianBlur(total, (0, 0), reach) + hold * field) / (cv2.GaussianBlur(count, (0, 0), reach) + bareness + hold)
    return field


def _lookup(known: Geometry, field: np.ndarray, query: Picture) -> np.ndarray:
    """The lookup of the whole picture from the excess of inverse depth over the nodes of the even one."""
    at = lookup.nodes(query.size)
    even = transform(query.even_S_picture, at.reshape(-1, 2))
    excess = lookup.sample(field[..., None], even).reshape(at.shape[:2])
    return lookup.clean(known.seen(at, known.ground_inverse_depth(at) + excess))

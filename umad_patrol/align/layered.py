"""Near ground and far scene, each where it belongs: poses and ground plane lay the reference, points that are followed refine it.

Below the horizon lies the ground, whose depth is known; what stands on it is nearer to the camera than the ground behind it. That
*excess* of inverse depth is 0 on bare ground, known at points that were followed from one picture to the other and where
the map has a cloud, and smooth between them. With it every query pixel has a depth, and so a place in the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umad_patrol.align import excess, lookup
from umad_patrol.align.consensus import spread_score
from umad_patrol.align.picture import Picture
from umad_patrol.align.poses import Geometry, refined
from umad_patrol.align.rough import put_right
from umad_patrol.align.track import follow_laid
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform

_WINDOW, _LEVELS = 17, 2
_MANY, _MOST = 120, 0.85  # points that fit, and which share of all: with fewer the poses may be so far off that points went astray
_AGREED, _AGREED_PX = 0.75, 0.6    # share of the points that fit at least, and their mean error in the even picture at most
_UNANIMOUS, _SOME = 0.95, 40       # fewer hold if nearly all fit, and closely
_NEAR = 0.14             # camera heights over depth: 5 m at 0.7 m
_TELLING = 20            # points on ground so near: with fewer, how the cameras stand to each other is little more than poses say of it
_ROUGH_PX = 0.45         # what began roughly may have slipped by a slab of the paving: then it fits less closely
_CLOSE_PX = 0.3          # mean error of points that fit, of the even picture: more where the poses were some 5 cm or half a degree off
_MORE = 2                # fits
_ON_GROUND_PX, _EPIPOLAR_PX = 1.0, 1.5   # of the even picture
_NEAREST = 2.0           # 1/m
_BEFORE = 0.02           # 1/m by which a point may seem to lie behind the ground
_NO_POINTS = excess.Samples(np.zeros((0, 2)), np.zeros(0))


def estimate(query: Picture, reference: Picture, known: Geometry, settings: AlignSettings) -> Estimate | None:
    """Lay `reference` on `query` by what is known of poses and ground, refined on the pictures. None if these contradict it."""
    fit = _fitted(query, reference, known, settings)
    if not fit.believable:
        return None
    even, at = fit.even, lookup.nodes(query.even.shape[::-1])
    field = excess.spread(even, at, excess.Samples(lookup.node_of(fit.points), fit.nearer), excess.of_cloud(even, at))
    fine = even.scaled(np.linalg.inv(query.even_S_picture), np.linalg.inv(reference.even_S_picture))
    where = transform(np.linalg.inv(query.even_S_picture), fit.points)
    return Estimate(fine.ground_H, "layered", where=where, matches=fit.matches, spread=spread_score(where, query.size, settings.levels),
                    residual_px=float(fit.error.mean() / query.even_S_picture[0, 0]),
                    lookup=_lookup(fine, field, query), query_T_reference=fine.query_T_reference if fit.near >= _TELLING else None)


@dataclass(frozen=True, eq=False)
class _Fit:
    """Cameras put right for `even` pictures, the `points` `(N, 2)` of the query that fit, how much nearer than the ground each is in 1/m,
    what is left of error in pixels, how many of them lie on `near` ground, and out of how many `matches`."""

    even: Geometry
    points: np.ndarray
    nearer: np.ndarray
    error: np.ndarray
    near: int
    matches: int

    @property
    def weight(self) -> float:
        """How many points fit, times their share."""
        return len(self.points) ** 2 / max(self.matches, 1)

    @property
    def believable(self) -> bool:
        """Whether the cameras may stand so: else most points contradict it, or fit by chance."""
        return len(self.points) > 0 and len(self.points) >= _AGREED * self.matches and self.error.mean() < _AGREED_PX

    @property
    def holds(self) -> bool:
        """Whether so many points fit, or such a share, that few can have gone astray."""
        many = len(self.points) >= max(_MANY, _MOST * self.matches)
        return many or (len(self.points) >= max(_SOME, _UNANIMOUS * self.matches) and self.error.mean() < _CLOSE_PX)

    @property
    def settled(self) -> bool:
        """Whether to follow the points once more would bring next to nothing."""
        return self.holds and self.error.mean() < _CLOSE_PX


def _fitted(query: Picture, reference: Picture, known: Geometry, settings: AlignSettings) -> _Fit:
    """The best fit of those that begin as poses and ground tell and, if that does not hold, with the cameras put right roughly."""
    fit = _fit(query, reference, known.scaled(query.even_S_picture, reference.even_S_picture), settings)
    if fit.holds:
        return _settled(query, reference, fit, settings)
    rough = put_right(query, reference, known, settings).scaled(query.even_S_picture, reference.even_S_picture)
    rough = _settled(query, reference, _fit(query, reference, rough, settings), settings)
    return rough if rough.weight > fit.weight and rough.error.mean() < _ROUGH_PX else fit


def _settled(query: Picture, reference: Picture, fit: _Fit, settings: AlignSettings) -> _Fit:
    """A fit, or better ones that each begin where the one before has ended."""
    for _ in range(_MORE):
        if fit.settled or (again := _fit(query, reference, fit.even, settings)).weight <= fit.weight:
            break
        fit = again
    return fit


def _fit(query: Picture, reference: Picture, even: Geometry, settings: AlignSettings) -> _Fit:
    """Points followed once from what the cameras and the ground tell, and the cameras put right by those on the ground."""
    at = lookup.nodes(query.even.shape[::-1])
    first = lookup.clean(even.seen(at, even.ground_inverse_depth(at) + excess.spread(even, at, _NO_POINTS, excess.of_cloud(even, at))))
    matches = follow_laid(query.even, reference.even, first, query.corners, _WINDOW, _LEVELS)
    in_query = matches[:, 2:]
    low = even.is_low(in_query)
    even = refined(even, matches[low], settings, settings.inlier_px * float(query.even_S_picture[0, 0]))
    explained, on_ground, nearer, error = _placed(even, matches, low)
    return _Fit(even, in_query[explained], nearer[explained], error[explained], np.count_nonzero(on_ground & even.is_low(in_query, _NEAR)), len(matches))


def _placed(even: Geometry, matches: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of `matches` lie on the ground or before it, and which on it, `(N,)` bool, how much nearer than it they are in 1/m, and what is left of error."""
    pixels, ground = matches[:, 2:], even.ground_inverse_depth(matches[:, 2:])
    inverse_depth = even.inverse_depths(matches)
    off_ground, off_line = (np.linalg.norm(even.seen(pixels, depth) - matches[:, :2], axis=1) for depth in (ground, inverse_depth))
    on_ground = low & (off_ground < _ON_GROUND_PX)
    before = (off_line < _EPIPOLAR_PX) & (inverse_depth > ground - _BEFORE) & (inverse_depth < _NEAREST)
    nearer = np.where(on_ground, 0.0, np.maximum(inverse_depth - ground, 0.0))
    return on_ground | before, on_ground, nearer, np.where(on_ground, off_ground, off_line)


def _lookup(known: Geometry, field: np.ndarray, query: Picture) -> np.ndarray:
    """The lookup of the whole picture from the excess of inverse depth over the nodes of the even one."""
    at = lookup.nodes(query.size)
    nearer = lookup.resampled(field, np.linalg.inv(query.even_S_picture), query.size)
    return lookup.clean(known.seen(at, known.ground_inverse_depth(at) + nearer))

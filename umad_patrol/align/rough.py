"""Poses that are far off, put right roughly: points of small pictures are followed over long ways."""

from __future__ import annotations

import dataclasses

import numpy as np

from umad_patrol.align import lookup
from umad_patrol.align.picture import Picture
from umad_patrol.align.poses import Geometry, refined
from umad_patrol.align.track import FAR_LEVELS, FAR_WINDOW, follow_laid
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform
from umad_patrol.geometry.se3 import angle_deg, inverse

_ROUNDS = 2              # the second begins where the first has ended
_CUTS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0)
_LOOSE, _LOOSER = 5.0, 20.0     # times the error that is expected of poses
_FEWEST = 8              # points on the ground
_NEW_M, _NEW_DEG = 0.02, 0.2


def put_right(query: Picture, reference: Picture, known: Geometry, settings: AlignSettings) -> Geometry:
    """`known`, in pixels of the pictures, with the cameras moved so that bare ground lies where it is seen; as it is where too little can be followed."""
    for _ in range(_ROUNDS):
        small = known.scaled(query.coarse_S_picture, reference.coarse_S_picture)
        at = lookup.nodes(query.coarse.shape[::-1])
        first = lookup.clean(small.seen(at, small.ground_inverse_depth(at)))
        matches = follow_laid(query.coarse, reference.coarse, first, query.coarse_corners, FAR_WINDOW, FAR_LEVELS)
        low = small.is_low(matches[:, 2:])
        if np.count_nonzero(low) < _FEWEST:
            return known
        there = refined(small, matches[low], settings, settings.inlier_px * float(query.coarse_S_picture[0, 0]), _CUTS, _LOOSE)
        known = dataclasses.replace(known, query_T_reference=there.query_T_reference)
    return known


def put_right_by(found: Estimate, known: Geometry, settings: AlignSettings) -> Geometry | None:
    """`known` with the cameras moved so that the ground lies where a homography that was found without it has laid what is low.

    None where too little is low, or where that moves them so little that nothing new would come of it.
    """
    low = found.where[known.is_low(found.where)]
    if len(low) < _FEWEST:
        return None
    matches = np.hstack([transform(np.linalg.inv(found.query_H_reference), low), low])
    there = refined(known, matches[np.isfinite(matches).all(axis=1)], settings, settings.inlier_px, _CUTS, _LOOSER)
    moved = there.query_T_reference @ inverse(known.query_T_reference)
    return there if np.linalg.norm(moved[:3, 3]) > _NEW_M or angle_deg(moved) > _NEW_DEG else None

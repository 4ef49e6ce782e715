"""Adaptive warping as published (UMAD, arXiv 2408.12527): poses first where the cameras are near enough, then features."""

from __future__ import annotations

import numpy as np

from umad_patrol.align import consensus, features
from umad_patrol.align.tracked import consensus_estimate
from umad_patrol.align.verdict import Estimate
from umad_patrol.config import AlignSettings
from umad_patrol.geometry.homography import transform
from umad_patrol.records import Features


def estimate(query: Features, reference: Features, rotation_H: np.ndarray | None, settings: AlignSettings) -> Estimate:
    """Features of the pair and their consensus. The reference's key points are pre-warped by `rotation_H`; None skips that."""
    first_H = np.eye(3) if rotation_H is None else rotation_H
    method = "features" if rotation_H is None else "rotation + features"
    matches = features.match(reference, query, settings.ratio)
    matches[:, :2] = transform(first_H, matches[:, :2])
    matches = matches[np.isfinite(matches).all(axis=1)]
    found = consensus.find(matches, query.size, hypotheses=settings.hypotheses, inlier_px=settings.inlier_px, levels=settings.levels)
    return Estimate(first_H, method, matches=len(matches)) if found is None else consensus_estimate(found, matches, method, first_H)

"""Adaptive warping (UMAD, arXiv 2408.12527): poses first where the cameras are near enough, then features, then a verdict."""

from __future__ import annotations

import numpy as np
import torch

from umad_patrol.align import consensus, features
from umad_patrol.align.polish import polish
from umad_patrol.align.verdict import Estimate, objection
from umad_patrol.align.warp import lay
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.geometry import se3
from umad_patrol.geometry.homography import overlap, rotation_homography, transform
from umad_patrol.records import Alignment, Camera, Features, Reference


class Aligner:
    """Lays references on queries. Holds settings only: the same pictures always give the same result."""

    def __init__(self, settings: AlignSettings, device: str | torch.device = "cpu"):
        self.settings = settings
        self.device = torch.device(device)

    def extract(self, image: np.ndarray) -> Features:
        """The key points of a BGR picture, once a frame or once a keyframe. Raises AlignmentError if it is no picture."""
        return features.extract(image, self.settings)

    def align(self, query_image: np.ndarray, reference: Reference, query_features: Features | None = None,
              query_camera: Camera | None = None, map_T_camera: np.ndarray | None = None) -> Alignment:
        """Lay `reference` on `query_image`, `(H, W, 3)` uint8 BGR.

        With the query's undistorted camera and `map_T_camera` `(4, 4)`, and cameras nearer to each other than
        `settings.theta_m`, the rotation between them warps first. What cannot be aligned comes back as not comparable,
        with the reason. Raises AlignmentError for what is no picture and for method "rotation" without poses.
        """
        features.check_picture(query_image)
        features.check_picture(reference.image)
        poses_known = query_camera is not None and map_T_camera is not None
        if self.settings.method == "identity":
            estimate = Estimate(np.eye(3), "identity", by_matches=False)
        elif self.settings.method == "rotation":
            if not poses_known:
                raise AlignmentError("align.method = rotation needs the camera and pose of the query; use adaptive where there are none")
            estimate = Estimate(_rotation(reference, query_camera, map_T_camera), "rotation", by_matches=False)
        else:
            near = poses_known and se3.distance_m(reference.map_T_camera, map_T_camera) < self.settings.theta_m
            first = _rotation(reference, query_camera, map_T_camera) if near else None
            estimate = self._adaptive(query_image, reference, query_features or self.extract(query_image), first)
        return self._alignment(query_image, reference, estimate)

    def _adaptive(self, query_image: np.ndarray, reference: Reference, of_query: Features, rotation: np.ndarray | None) -> Estimate:
        """Features of the pair, consensus, polish. The reference's key points are pre-warped by `rotation`; None skips that."""
        first = np.eye(3) if rotation is None else rotation
        method = "features" if rotation is None else "rotation + features"
        of_reference = reference.features or self.extract(reference.image)
        _check_features(of_reference, reference.image)
        _check_features(of_query, query_image)
        matches = features.match(of_reference, of_query, self.settings.ratio)
        matches[:, :2] = transform(first, matches[:, :2])
        matches = matches[np.isfinite(matches).all(axis=1)]
        found = consensus.find(matches, of_query.size, hypotheses=self.settings.hypotheses,
                               inlier_px=self.settings.inlier_px, levels=self.settings.levels)
        if found is None:
            return Estimate(first, method, matches=len(matches))
        rough = _estimate(found, first, matches, method)
        if not self.settings.polish or objection(rough, of_reference.size, of_query.size, self.settings):
            return rough
        finer = polish(rough.query_H_reference, reference.image, query_image, of_query.points, self.settings)
        fine = _estimate(finer[0], np.eye(3), finer[1], method) if finer else rough
        return rough if objection(fine, of_reference.size, of_query.size, self.settings) else fine

    def _alignment(self, query_image: np.ndarray, reference: Reference, estimate: Estimate) -> Alignment:
        sizes = reference.image.shape[1::-1], query_image.shape[1::-1]
        against = objection(estimate, *sizes, self.settings)
        inliers, H = len(estimate.where), estimate.query_H_reference
        numbers = {"inliers": inliers, "matches": estimate.matches, "spread": estimate.spread, "residual_px": estimate.residual_px,
                   "overlap": overlap(H, *sizes)}
        if against:
            return Alignment(H, estimate.method, **numbers, comparable=False, reason=against)
        warped, valid = lay(reference.image, H, sizes[1], self.device)
        reason = f"{inliers} of {estimate.matches} matches agree" if estimate.by_matches else f"{estimate.method}, nothing verifies it"
        return Alignment(H, estimate.method, **numbers, comparable=True, reason=reason, warped=warped, valid=valid)


def _rotation(reference: Reference, query_camera: Camera, map_T_camera: np.ndarray) -> np.ndarray:
    query_T_reference = se3.inverse(map_T_camera) @ reference.map_T_camera
    return rotation_homography(query_camera.K, query_T_reference[:3, :3], reference.camera.K)


def _estimate(found: consensus.Consensus, first: np.ndarray, matches: np.ndarray, method: str) -> Estimate:
    """The consensus composed with what came first."""
    H = found.H @ first
    return Estimate(H / H[2, 2], method, where=matches[found.inliers, 2:], matches=len(matches), spread=found.spread,
                    residual_px=found.residual_px)


def _check_features(of: Features, image: np.ndarray) -> None:
    if tuple(of.size) != image.shape[1::-1]:
        raise AlignmentError(f"features of a {of.size[0]}x{of.size[1]} picture given for one of {image.shape[1]}x{image.shape[0]}; "
                             "extract them again")

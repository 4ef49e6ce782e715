"""Lays references on queries by the chosen method, and says whether that can be trusted."""

from __future__ import annotations

import numpy as np
import torch

from umad_patrol.align import adaptive, features, layered, lookup, poses, tracked
from umad_patrol.align.picture import Picture
from umad_patrol.align.rough import put_right_by
from umad_patrol.align.verdict import Estimate, objection
from umad_patrol.align.warp import Laid
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.geometry import se3
from umad_patrol.geometry.homography import overlap
from umad_patrol.records import Alignment, Camera, Features, Reference

_SURE = 120   # of about 400 points: with fewer, a pattern that repeats may have been followed to its neighbour


class Aligner:
    """Lays references on queries. Holds settings only: the same pictures always give the same result."""

    def __init__(self, settings: AlignSettings, device: str | torch.device = "cpu"):
        self.settings = settings
        self.device = torch.device(device)

    def extract(self, image: np.ndarray) -> Features:
        """The key points of a BGR picture, to be stored with a keyframe. Raises AlignmentError if it is no picture."""
        return features.extract(image, self.settings)

    def prepare(self, image: np.ndarray) -> Picture:
        """A query to be aligned with several references: what they share is made once. Raises AlignmentError if it is no picture."""
        return Picture.of(image, self.settings)

    def align(self, query: np.ndarray | Picture, reference: Reference, query_camera: Camera | None = None,
              map_T_camera: np.ndarray | None = None) -> Alignment:
        """Lay `reference` on `query`, `(H, W, 3)` uint8 BGR or as `prepare` made it.

        `query_camera` and `map_T_camera` `(4, 4)` are the query's undistorted camera and where it is believed to be. What cannot
        be aligned comes back as not comparable, with the reason. What the reference shows there is made when the alignment is asked
        for it. Raises AlignmentError for what is no picture, pose or camera, for stored features of another picture, and for method "rotation" without poses.
        """
        query = query if isinstance(query, Picture) else self.prepare(query)
        picture = Picture.of(reference.image, self.settings)
        posed = query_camera is not None and map_T_camera is not None
        if posed:
            poses.check(reference, query_camera, map_T_camera)
        turned = poses.rotation(reference, query_camera, map_T_camera) if posed else None
        if self.settings.method == "identity":
            estimate = Estimate(np.eye(3), "identity", by_matches=False)
        elif self.settings.method == "rotation":
            if turned is None:
                raise AlignmentError("align.method = rotation needs the camera and pose of the query; use layered or adaptive where there are none")
            estimate = Estimate(turned, "rotation", by_matches=False)
        elif self.settings.method == "adaptive":
            near = posed and se3.distance_m(reference.map_T_camera, map_T_camera) < self.settings.theta_m
            estimate = adaptive.estimate(query.features, _features(reference, picture), turned if near else None, self.settings)
        else:
            known = poses.geometry(reference, query_camera, map_T_camera) if posed else None
            estimate = self._best(query, picture, reference, np.eye(3) if turned is None else turned, known)
        return self._alignment(query, reference, estimate)

    def _best(self, query: Picture, laid: Picture, reference: Reference, turned: np.ndarray, known: poses.Geometry | None) -> Estimate:
        """Layers by poses and ground; where these do not hold one homography, and layers by what it says of the poses."""
        if known is not None and (layers := self._layers(query, laid, reference, known)) is not None:
            return layers
        best = self._by_one_homography(query, laid, reference, turned)
        if known is None or self._objection(query, reference, best) or (begun := put_right_by(best, known, self.settings)) is None:
            return best
        layers = self._layers(query, laid, reference, begun)
        return best if layers is None else layers

    def _layers(self, query: Picture, laid: Picture, reference: Reference, known: poses.Geometry) -> Estimate | None:
        """Layers by poses and ground, None where these do not hold."""
        layers = layered.estimate(query, laid, known, self.settings)
        return None if layers is None or self._objection(query, reference, layers) else layers

    def _by_one_homography(self, query: Picture, laid: Picture, reference: Reference, turned: np.ndarray) -> Estimate:
        """Points followed from where the cameras' rotation lays them; where few agree, features against them."""
        followed = tracked.estimate(query, laid, turned, self.settings)
        if len(followed.where) >= _SURE and not self._objection(query, reference, followed):
            return followed
        either = [followed, self._by_features(query, laid, reference)]
        good = [estimate for estimate in either if not self._objection(query, reference, estimate)]
        best = max(good or either, key=lambda estimate: len(estimate.where))
        closer = tracked.finer(query, laid, best, self.settings, many=True) if good else best
        return best if self._objection(query, reference, closer) else closer

    def _by_features(self, query: Picture, laid: Picture, reference: Reference) -> Estimate:
        """The published way, followed to a fraction of a pixel where it can be believed."""
        rough = adaptive.estimate(query.features, _features(reference, laid), None, self.settings)
        if self._objection(query, reference, rough):
            return rough
        fine = tracked.finer(query, laid, rough, self.settings)
        return rough if self._objection(query, reference, fine) else fine

    def _alignment(self, query: Picture, reference: Reference, estimate: Estimate) -> Alignment:
        against = self._objection(query, reference, estimate)
        inliers, H = len(estimate.where), estimate.query_H_reference
        sizes = reference.image.shape[1::-1], query.size
        numbers = {"inliers": inliers, "matches": estimate.matches, "spread": estimate.spread, "residual_px": estimate.residual_px,
                   "overlap": overlap(H, *sizes) if estimate.lookup is None else lookup.overlap(estimate.lookup, sizes[0])}
        if against:
            return Alignment(H, estimate.method, **numbers, comparable=False, reason=against)
        laid = Laid(reference.image, H, sizes[1], self.device, estimate.lookup)
        reason = f"{inliers} of {estimate.matches} matches agree" if estimate.by_matches else f"{estimate.method}, nothing verifies it"
        return Alignment(H, estimate.method, **numbers, comparable=True, reason=reason, laid=laid, lookup=estimate.lookup,
                         query_T_reference=estimate.query_T_reference)

    def _objection(self, query: Picture, reference: Reference, estimate: Estimate) -> str:
        return objection(estimate, reference.image.shape[1::-1], query.size, self.settings)


def _features(reference: Reference, laid: Picture) -> Features:
    """Those stored with the keyframe, else its picture's."""
    if reference.features is None:
        return laid.features
    if tuple(reference.features.size) != laid.size:
        raise AlignmentError(f"features of a {reference.features.size[0]}x{reference.features.size[1]} picture given for one of "
                             f"{laid.size[0]}x{laid.size[1]}; extract them again")
    return reference.features

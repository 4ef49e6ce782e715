"""What the robot knows before it looks: how the cameras stand to each other and to the ground, and what that makes of pictures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.geometry import se3
from umad_patrol.geometry.homography import plane_homography, rotation_homography
from umad_patrol.geometry.plane import transform_plane
from umad_patrol.records import Camera, Reference

_LOW = 0.025                       # camera heights over depth from which a point may lie on the ground: 28 m at a height of 0.7 m
_TILT_SIGMA = np.radians(1.0)      # of the ground against its plane
_CUTS = (16.0, 8.0, 4.0, 2.0, 1.0, 1.0)  # in `inlier_px`: what is farther off has no say; from rough to fine
_SLOPES_KEPT = 3   # rounds for which the derivatives serve: they hardly change
_STEPS = np.r_[np.full(3, 1e-5), np.full(3, 1e-4), np.full(2, 1e-4)]  # of the numeric derivatives: rad, m, rad


@dataclass(frozen=True, eq=False)
class Geometry:
    """Two cameras, the ground and what stands on it: `query_T_reference` `(4, 4)`; `ground` is the plane, `cloud` `(M, 3)` or None
    the points that the map knows, both in the reference camera's coordinates.

    An inverse depth is 1 / z in the query camera, 1/m: 0 is infinitely far.
    """

    K_query: np.ndarray
    K_reference: np.ndarray
    query_T_reference: np.ndarray
    ground: np.ndarray
    cloud: np.ndarray | None = None

    @property
    def ground_H(self) -> np.ndarray:
        """query_H_reference of the ground. Raises AlignmentError if the camera lies in it."""
        return plane_homography(self.K_query, self.query_T_reference, self.ground, self.K_reference)

    def scaled(self, query_S: np.ndarray, reference_S: np.ndarray) -> Geometry:
        """The same for pictures whose pixels are these matrices `(3, 3)` times the pixels of now."""
        return dataclasses.replace(self, K_query=query_S @ self.K_query, K_reference=reference_S @ self.K_reference)

    def ground_inverse_depth(self, pixels: np.ndarray) -> np.ndarray:
        """Inverse depth `(...)` of bare ground at query pixels `(..., 2)`; 0 from the horizon up."""
        plane = transform_plane(self.query_T_reference, self.ground)
        row = -(plane[:3] @ np.linalg.inv(self.K_query)) / plane[3]
        return np.maximum(_row(row, pixels[..., 0], pixels[..., 1]), 0.0)

    def is_low(self, pixels: np.ndarray, heights: float = _LOW) -> np.ndarray:
        """Which of query pixels `(N, 2)` are so far below the horizon that they may lie on the ground, `heights` of the camera over the depth, `(N,)` bool."""
        return self.ground_inverse_depth(pixels) * abs(self.ground[3]) > heights

    def seen(self, pixels: np.ndarray, inverse_depth: np.ndarray) -> np.ndarray:
        """The reference pixels `(..., 2)` that show what query pixels `(..., 2)` show, at that inverse depth; NaN behind the camera."""
        turned, moved = self._epipolar
        x, y, z = (_row(a, pixels[..., 0], pixels[..., 1]) + b * inverse_depth for a, b in zip(turned, moved))
        z = np.where(z > 1e-9, z, np.nan)
        return np.stack([x / z, y / z], axis=-1)

    def inverse_depths(self, matches: np.ndarray) -> np.ndarray:
        """The inverse depth `(N,)` that explains each of `matches` `(N, 4)` (xr yr xq yq) best; 0 where it shows in no shift."""
        turned, moved = self._epipolar
        at = matches[:, 2:] @ turned[:, :2].T + turned[:, 2]
        off = at[:, :2] - matches[:, :2] * at[:, 2:]
        along = moved[:2] - matches[:, :2] * moved[2]
        return -(off * along).sum(1) / np.maximum((along * along).sum(1), 1e-9)

    @property
    def _epipolar(self) -> tuple[np.ndarray, np.ndarray]:
        """`A` `(3, 3)` and `b` `(3,)`: the query pixel x at inverse depth r is seen at A (x, y, 1) + r b in the reference."""
        back = se3.inverse(self.query_T_reference)
        return self.K_reference @ back[:3, :3] @ np.linalg.inv(self.K_query), self.K_reference @ back[:3, 3]


def _row(of: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A matrix's row times (x, y, 1), one by one: a matrix product of so many short vectors would wake BLAS's threads for nothing."""
    return of[0] * x + (of[1] * y + of[2])


def check(reference: Reference, query_camera: Camera, map_T_camera: np.ndarray) -> None:
    """Raises AlignmentError for a pose or a camera that is none."""
    for name, T in (("query", map_T_camera), ("reference", reference.map_T_camera)):
        if fault := se3.fault(T):
            raise AlignmentError(f"pose {np.asarray(T).tolist()} of the {name} {fault}; is the localization initialized?")
    for name, K in (("query", query_camera.K), ("reference", reference.camera.K)):
        if np.shape(K) != (3, 3) or not np.isfinite(K).all() or abs(np.linalg.det(K)) < 1e-9:
            raise AlignmentError(f"camera matrix {np.asarray(K).tolist()} of the {name} cannot be inverted; calibrate the camera")


def rotation(reference: Reference, query_camera: Camera, map_T_camera: np.ndarray) -> np.ndarray:
    """query_H_reference of a camera that only turned."""
    query_T_reference = se3.inverse(map_T_camera) @ reference.map_T_camera
    return rotation_homography(query_camera.K, query_T_reference[:3, :3], reference.camera.K)


def geometry(reference: Reference, query_camera: Camera, map_T_camera: np.ndarray) -> Geometry | None:
    """What is known of a pair; None without ground."""
    if reference.ground is None:
        return None
    ground = transform_plane(se3.inverse(reference.map_T_camera), reference.ground)
    if not abs(ground[3]) > 1e-3:
        return None
    T = reference.map_T_camera
    cloud = None if reference.cloud is None else (reference.cloud - T[:3, 3]) @ T[:3, :3]
    return Geometry(query_camera.K, reference.camera.K, se3.inverse(map_T_camera) @ T, ground, cloud)


def refined(known: Geometry, matches: np.ndarray, settings: AlignSettings, inlier_px: float, cuts: tuple[float, ...] = _CUTS, loose: float = 1.0) -> Geometry:
    """`known` moved, turned and tilted a little so that it explains those of `matches` `(N, 4)` (xr yr xq yq) that lie on the ground.

    Gauss-Newton over the relative pose and the ground's tilt, each held by its expected error, that of the poses `loose` times as large,
    with Tukey's weights whose cut shrinks over `cuts` times `inlier_px`, so that what stands on the ground loses its say.
    """
    sigmas = np.r_[np.full(3, loose * np.radians(settings.pose_sigma_deg)), np.full(3, loose * settings.pose_sigma_m), np.full(2, _TILT_SIGMA)]
    change = np.zeros(8)
    p, q = np.column_stack([matches[:, :2], np.ones(len(matches))]).T, matches[:, 2:].T
    for i, cut in enumerate(cuts):
        anew = i % _SLOPES_KEPT == 0
        trials = change + np.vstack([np.zeros(8), np.diag(_STEPS)]) if anew else change[None]
        moved = _ground_homographies(known, trials) @ p
        error = np.nan_to_num(moved[:, :2] / np.where(np.abs(moved[:, 2:]) < 1e-9, np.nan, moved[:, 2:]) - q, nan=np.inf)
        here = np.nan_to_num(error[0], posinf=0.0)
        if anew:
            slopes = (error[1:] - error[0]) / _STEPS[:, None, None]
            J = np.nan_to_num(slopes, posinf=0.0, neginf=0.0).reshape(8, -1)
        weight = np.clip(1.0 - (np.linalg.norm(error[0], axis=0) / (cut * inlier_px)) ** 2, 0.0, None) ** 2
        weighted = J * np.tile(weight, 2)
        A = weighted @ J.T + np.diag(sigmas ** -2)
        change = change - np.linalg.solve(A, weighted @ here.ravel() + change * sigmas ** -2)
    return _moved(known, change)


def _ground_homographies(known: Geometry, changes: np.ndarray) -> np.ndarray:
    """`_moved(known, change).ground_H` of all `changes` `(M, 8)` at once, but for the scale."""
    turn, tilt = _rotations(changes[:, :3]), _rotations(np.insert(changes[:, 6:], 1, 0.0, axis=1))
    R, t = known.query_T_reference[:3, :3], known.query_T_reference[:3, 3]
    moved = (turn @ t + changes[:, 3:6])[:, :, None] * (tilt @ known.ground[:3] / known.ground[3])[:, None]
    return known.K_query @ (turn @ R - moved) @ np.linalg.inv(known.K_reference)


def _moved(known: Geometry, change: np.ndarray) -> Geometry:
    """`known` with the query camera turned by `change[:3]` and moved by `[3:6]`, the ground tilted by `[6:]` about the camera's x and z."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = _rotations(change[None, :3])[0], change[3:6]
    tilt = _rotations(np.array([[change[6], 0.0, change[7]]]))[0]
    return dataclasses.replace(known, query_T_reference=T @ known.query_T_reference,
                               ground=np.append(tilt @ known.ground[:3], known.ground[3]))


def _rotations(vectors: np.ndarray) -> np.ndarray:
    """The rotations `(M, 3, 3)` about vectors `(M, 3)` by their lengths in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = vectors.T
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(-1, 3, 3)
    small = angle < 1e-8
    angle = np.where(small, 1.0, angle)
    return (np.eye(3) + np.where(small, 1.0, np.sin(angle) / angle) * cross
            + np.where(small, 0.5, (1.0 - np.cos(angle)) / angle ** 2) * cross @ cross)

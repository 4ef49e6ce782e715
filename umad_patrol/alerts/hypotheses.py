"""What sightings of one thing say about it: where it stands, whether it moves, whether it is flat."""

from __future__ import annotations

import numpy as np

GATE = 9.2            # 99 % of a two-dimensional normal error lie within this squared distance
ROUNDS = 8
SETTLED_M = 1e-4
STARTS = 16
INDEPENDENT = 15.0    # more sightings than these share their errors and so say nothing new
SHAPE_SIGMA = 0.12    # how far apparent heights stray, in log, as a thing shows other sides of itself
HUBER = 1.5
LYING = 0.3           # height over width that speaks neither for standing nor for lying
MOST_UPRIGHT = 1.5    # and how much it may say
HEIGHTS_M = np.geomspace(0.01, 5.0, 80)   # of things that stand
LENGTHS_M = np.geomspace(0.02, 6.0, 80)   # of marks that lie; longer ones could not be told from a low wall
OBLONG, UNLIKELY = 10.0, 6.0  # a mark so many times as long as wide that always points at the camera is unlikely, in log likelihood


def sighting_covariance(range_m: float, away: np.ndarray, width_m: float, focal_px: float, eye_height_m: float,
                        foot_sigma_px: float, pose_sigma_m: float) -> np.ndarray:
    """Covariance `(2, 2)` of a place on the ground, in m^2.

    A pixel of error at the foot is range^2 / (focal * height) metres along the ray, range / focal across. `away` `(2,)`
    is the unit direction from the camera; a wide thing has its foot in other places from other sides.
    """
    along = foot_sigma_px * range_m ** 2 / (focal_px * max(eye_height_m, 1e-3)) + 0.1 * width_m
    across = foot_sigma_px * range_m / focal_px + 0.1 * width_m
    side = np.array([-away[1], away[0]])
    return pose_sigma_m ** 2 * np.eye(2) + along ** 2 * np.outer(away, away) + across ** 2 * np.outer(side, side)


def fuse(places: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The one place that most of `places` `(N, 2)` agree on, its covariance, and each one's squared distance in sigma.

    Starts at the sighting that the others lie nearest to (of a few, evenly taken, where there are many), by how well each of them knows its own place:
    what is far may be found without its foot a dozen times. Then information-weighted means with Tukey's biweight, so that strays count nothing.
    """
    information = inverses(covariances)
    few = np.unique(np.linspace(0, len(places) - 1, min(len(places), STARTS)).astype(int))
    between = places[few, None] - places[few]
    apart = np.einsum("ijk,jkl,ijl->ij", between, information[few], between)
    centre = places[few[int(np.argmin(np.minimum(apart, GATE).sum(axis=1)))]]
    for _ in range(ROUNDS):
        squared = _squared(places - centre, information)
        weights = np.clip(1 - squared / (2 * GATE), 0, 1) ** 2 + 1e-9
        total = np.tensordot(weights, information, 1)
        before, centre = centre, inverses(total) @ np.einsum("i,ijk,ik->j", weights, information, places)
        if np.abs(centre - before).max() < SETTLED_M:
            break
    return centre, inverses(total), _squared(places - centre, information)


def velocity(seconds: np.ndarray, places: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Velocity `(2,)` in m/s of a thing on a straight line and its covariance, by weighted least squares.

    The covariance grows with the scatter about the line where that is larger than the sightings' own.
    """
    information = inverses(covariances)
    time = seconds - seconds.mean()
    design = np.zeros((len(time), 2, 4))
    design[:, 0, 0] = design[:, 1, 1] = 1.0
    design[:, 0, 2] = design[:, 1, 3] = time
    normal = np.einsum("nij,nik,nkl->jl", design, information, design) + 1e-9 * np.eye(4)
    state = np.linalg.solve(normal, np.einsum("nij,nik,nk->j", design, information, places))
    squared = _squared(places - np.einsum("nij,j->ni", design, state), information)
    scatter = max(1.0, float(squared.sum()) / max(2 * len(time) - 4, 1))
    return state[2:], np.linalg.inv(normal)[2:, 2:] * scatter


def standing_over_flat(range_m: np.ndarray, height_m: np.ndarray, width_m: np.ndarray, eye_height_m: np.ndarray,
                       height_px: np.ndarray, sigma_px: float) -> float:
    """Log likelihood ratio of what is seen: a standing thing (positive) or a flat mark on the ground (negative).

    Arrays `(N,)`. A standing thing keeps its height h as the camera nears. A mark of length L along the ray seems to have
    the height h = H L / (D + L) instead, with D its range and H the height of the camera: seen from twice as near it seems
    almost twice as high. Each is fitted, in the log of the height, with Huber's loss. A mark seen at a grazing angle is
    wide for its height, which counts a little where the ranges are too much alike to tell.
    """
    seen = np.log(np.maximum(height_m, 1e-3))
    sigma = np.hypot(SHAPE_SIGMA, np.sqrt(2) * sigma_px / np.maximum(height_px, 1.0))
    standing = _misfit(seen - np.log(HEIGHTS_M)[:, None], sigma)
    weights = sigma ** -2.0
    independent = min(1.0, INDEPENDENT * float((weights ** 2).sum() / weights.sum() ** 2))
    oblong = UNLIKELY * np.maximum(np.log(LENGTHS_M / (OBLONG * max(float(np.median(width_m)), 1e-3))), 0.0)
    flat = _misfit(seen - np.log(eye_height_m * LENGTHS_M[:, None] / (range_m + LENGTHS_M[:, None])), sigma, oblong / independent)
    fits = (flat - standing) * independent
    upright = float(np.median(seen - np.log(np.maximum(width_m, 1e-3)))) - np.log(LYING)
    return fits + float(np.clip(upright, -MOST_UPRIGHT, MOST_UPRIGHT))


def inverses(matrices: np.ndarray) -> np.ndarray:
    """The inverses of symmetric matrices `(..., 2, 2)`, in closed form."""
    a, b, d = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
    determinant = a * d - b * b
    return np.stack([d, -b, -b, a], axis=-1).reshape(matrices.shape) / determinant[..., None, None]


def _misfit(residuals: np.ndarray, sigma: np.ndarray, prior: np.ndarray | float = 0.0) -> float:
    """Negative log likelihood of the best of the models whose residuals are the rows of `(M, N)`, `prior` `(M,)` added."""
    off = np.abs(residuals) / sigma
    loss = np.where(off <= HUBER, off ** 2 / 2, HUBER * (off - HUBER / 2))
    return float((loss.sum(axis=1) + prior).min())


def _squared(differences: np.ndarray, information: np.ndarray) -> np.ndarray:
    return np.einsum("ni,nij,nj->n", differences, information, differences)

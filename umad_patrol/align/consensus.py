"""Uniformization-based RANSAC: the homography whose inliers are spread widest wins, not the one with most of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_REFITS = 8
_CANDIDATES = 4      # hypotheses that are refined before the best is taken
_SETTLED_PX = 1e-3


@dataclass(frozen=True, eq=False)
class Consensus:
    """A homography `(3, 3)`, the matches it explains `(N,)` bool, their spread S and mean transfer error in pixels."""

    H: np.ndarray
    inliers: np.ndarray
    spread: float
    residual_px: float


def spread_score(points: np.ndarray, size: tuple[int, int], levels: int = 4) -> float:
    """S = sum over l = 1..L of 2^(L-l+1) N_l (UMAD, arXiv 2408.12527).

    `points` `(N, 2)` are pixels in a picture of `size` (width, height); N_l counts the cells of a 2^l x 2^l grid that hold any.
    """
    cells = _cells(np.asarray(points, np.float64).reshape(-1, 2), size, levels)
    return float(_spread(np.ones((1, len(cells)), bool), cells, levels)[0])


def most_spread(levels: int) -> float:
    """The score of inliers in every cell of every level."""
    return float(sum(2 ** (levels - l + 1) * 4 ** l for l in range(1, levels + 1)))


def find(matches: np.ndarray, size: tuple[int, int], *, hypotheses: int = 400, inlier_px: float = 3.0, levels: int = 4,
         generator: np.random.Generator | None = None) -> Consensus | None:
    """The homography of `matches` `(N, 4)` (xr yr xq yq) whose inliers are spread widest over the query picture of `size`.

    Draws `hypotheses` samples of four, all at once, from `generator` (seeded with 0 if None). Those that would mirror or
    fold are dropped; of equal spreads the one with more inliers is better. The best are fitted to their inliers by
    reweighted least squares until these settle. None where no four matches agree on anything.
    """
    matches = np.asarray(matches, np.float64).reshape(-1, 4)
    if len(matches) < 4:
        return None
    samples = _samples(len(matches), hypotheses, generator or np.random.default_rng(0))
    p, q = matches[:, :2], matches[:, 2:]
    samples = samples[_is_proper(p[samples], q[samples])]
    if not len(samples):
        return None
    H = fit(p[samples], q[samples])
    inside = transfer_error(H, p, q) < inlier_px
    cells = _cells(q, size, levels)
    rank = np.lexsort((inside.sum(axis=1), _spread(inside, cells, levels)))[::-1]
    settled = [_judged(h, matches, size, inlier_px, levels) for h in _settle(H[rank[:_CANDIDATES]], p, q, inlier_px)]
    return max((c for c in settled if c), key=lambda c: (c.spread, int(c.inliers.sum()), -c.residual_px), default=None)


def refine(H: np.ndarray, matches: np.ndarray, size: tuple[int, int], *, inlier_px: float = 3.0, levels: int = 4) -> Consensus | None:
    """`H` fitted to those of `matches` `(N, 4)` that it explains; None if these are fewer than four."""
    matches = np.asarray(matches, np.float64).reshape(-1, 4)
    if len(matches) < 4:
        return None
    settled = _settle(np.asarray(H, np.float64)[None], matches[:, :2], matches[:, 2:], inlier_px)
    return _judged(settled[0], matches, size, inlier_px, levels)


def _settle(H: np.ndarray, p: np.ndarray, q: np.ndarray, inlier_px: float) -> np.ndarray:
    """Homographies `(M, 3, 3)`, each fitted to the matches it explains, again and again until they settle.

    Matches weigh less the worse they fit (Tukey's biweight with its cut at `inlier_px`).
    """
    lifted = np.column_stack([p, np.ones(len(p))]).T
    error = np.minimum(transfer_error(H, p, q), inlier_px)
    for _ in range(_REFITS):
        weights = (1.0 - (error / inlier_px) ** 2) ** 2
        depth = (H[:, 2:] / H[:, 2:, 2:] @ lifted)[:, 0]
        H = fit(p, q, weights / depth ** 2)
        previous, error = error, np.minimum(transfer_error(H, p, q), inlier_px)
        if np.abs(error - previous).max() < _SETTLED_PX:
            break
    return H


def _judged(H: np.ndarray, matches: np.ndarray, size: tuple[int, int], inlier_px: float, levels: int) -> Consensus | None:
    error = transfer_error(H, matches[:, :2], matches[:, 2:])
    inside = error < inlier_px
    if inside.sum() < 4:
        return None
    return Consensus(H, inside, spread_score(matches[inside, 2:], size, levels), float(error[inside].mean()))


def fit(p: np.ndarray, q: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Homographies `(..., 3, 3)`, H[2, 2] = 1, that take `p` to `q`, both `(..., N, 2)`, by linear least squares.

    `weights` are `(..., N)`; with them one set of points can be fitted in many ways. Points are normalised first
    (Hartley 1997). What cannot be solved is NaN.
    """
    Tp, Tq = _normalisation(p), _normalisation(q)
    a, b = _through(Tp, p), _through(Tq, q)
    x, y, u, v = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    one, zero = np.ones_like(x), np.zeros_like(x)
    A = np.concatenate([np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1),
                        np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)], -2)
    c = np.concatenate([u, v], -1)[..., None]
    if weights is not None or A.shape[-2] != 8:
        w = np.ones(A.shape[:-1]) if weights is None else np.concatenate([weights, weights], -1)
        At = np.swapaxes(A * w[..., None], -1, -2)
        A, c = At @ A, At @ c
    with np.errstate(invalid="ignore"):
        solvable = np.abs(np.linalg.det(A)) > 1e-12
    h = np.full(A.shape[:-2] + (9,), np.nan)
    h[solvable, :8] = np.linalg.solve(A[solvable], c[solvable])[..., 0]
    h[..., 8] = 1.0
    H = np.linalg.inv(Tq) @ h.reshape(h.shape[:-1] + (3, 3)) @ Tp
    with np.errstate(divide="ignore", invalid="ignore"):
        return H / H[..., 2:, 2:]


def transfer_error(H: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Distance in pixels between `q` and `p` taken through `H`: `(..., N)` for `H` `(..., 3, 3)`; infinite where undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        offset = _through(H, p) - q
        error = np.hypot(offset[..., 0], offset[..., 1])
    return np.where(np.isfinite(error), error, np.inf)


def _through(H: np.ndarray, p: np.ndarray) -> np.ndarray:
    moved = p @ np.swapaxes(H[..., :2], -1, -2) + H[..., None, :, 2]
    return moved[..., :2] / moved[..., 2:]


def _normalisation(p: np.ndarray) -> np.ndarray:
    """The similarity that moves points to the origin and to a mean distance of sqrt(2)."""
    centre = p.mean(axis=-2)
    distance = np.linalg.norm(p - centre[..., None, :], axis=-1).mean(axis=-1)
    scale = np.sqrt(2.0) / np.maximum(distance, 1e-9)
    T = np.zeros(p.shape[:-2] + (3, 3))
    T[..., 0, 0] = T[..., 1, 1] = scale
    T[..., :2, 2] = -scale[..., None] * centre
    T[..., 2, 2] = 1.0
    return T


def _samples(count: int, hypotheses: int, generator: np.random.Generator) -> np.ndarray:
    """`(hypotheses, 4)` rows, of which those with a row twice are left out."""
    samples = generator.integers(0, count, (hypotheses, 4))
    ordered = np.sort(samples, axis=1)
    return samples[(ordered[:, 1:] != ordered[:, :-1]).all(axis=1)]


def _is_proper(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Which quadruples `(M, 4, 2)` have no three points in a line and turn the same way in both pictures."""
    good = np.ones(len(p), bool)
    for triple in ([0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]):
        areas = [_turn(points[:, triple]) for points in (p, q)]
        good &= (areas[0] * areas[1] > 0) & (np.minimum(np.abs(areas[0]), np.abs(areas[1])) > 1.0)
    return good


def _turn(triangle: np.ndarray) -> np.ndarray:
    a, b = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _cells(points: np.ndarray, size: tuple[int, int], levels: int) -> np.ndarray:
    """The finest cell `(N,)` of each point, row by row; pixel centres are integers, so pixel x spans x - 0.5 to x + 0.5."""
    n = 2 ** levels
    column, row = np.clip((points + 0.5) / np.asarray(size) * n, 0, n - 1).astype(np.intp).T
    return row * n + column


def _spread(inside: np.ndarray, cells: np.ndarray, levels: int) -> np.ndarray:
    """S `(M,)` of the inlier sets `inside` `(M, N)` of points in `cells` `(N,)`."""
    n = 2 ** levels
    held = np.zeros((len(inside), n * n), bool)
    if len(cells):
        order = np.argsort(cells, kind="stable")
        names, starts = np.unique(cells[order], return_index=True)
        held[:, names] = np.logical_or.reduceat(inside[:, order], starts, axis=1)
    held = held.reshape(-1, n, n)
    score = np.zeros(len(inside))
    for level in range(levels, 0, -1):
        score += 2.0 ** (levels - level + 1) * held.sum(axis=(1, 2))
        half = held.shape[1] // 2
        held = held.reshape(-1, half, 2, half, 2).any(axis=(2, 4))
    return score

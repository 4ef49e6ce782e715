"""Uniformization-based RANSAC: the homography whose inliers are spread widest wins, not the one with most of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_REFITS, _ROUGH_REFITS = 8, 2
_CANDIDATES = 3      # hypotheses that are refined before the best is taken
_SUREST = 0.2        # share of the matches that the first samples are drawn from
_SETTLED_PX = 0.01
_SINGULAR = 1e-14      # determinant of the normalised equations


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
         generator: np.random.Generator | None = None, rough: bool = False) -> Consensus | None:
    """The homography of `matches` `(N, 4)` (xr yr xq yq) whose inliers are spread widest over the query picture of `size`.

    Draws `hypotheses` samples of four, all at once, from `generator` (seeded with 0 if None): the first from the fifth
    of the matches that comes first, the last from all, so it pays to give the surest first (PROSAC, Chum and Matas 2005).
    Samples that would mirror or fold are dropped; of equal spreads the one with more inliers is better. The best are
    fitted to their inliers by reweighted least squares until these settle, or twice where `rough` is enough. None where no
    four matches agree on anything.
    """
    matches = np.asarray(matches, np.float64).reshape(-1, 4)
    if len(matches) < 4:
        return None
    p, q = matches[:, :2], matches[:, 2:]
    samples = _samples(p, q, hypotheses, generator or np.random.default_rng(0))
    if not len(samples):
        return None
    H = fit(p[samples], q[samples])
    inside = transfer_error(H, p, q) < inlier_px
    rank = np.lexsort((inside.sum(axis=1), _spread(inside, _cells(q, size, levels), levels)))[::-1]
    best = _settle(H[rank[:_CANDIDATES]], p, q, inlier_px, _ROUGH_REFITS if rough else _REFITS)
    return _widest(best, p, q, size, inlier_px, levels)


def refine(H: np.ndarray, matches: np.ndarray, size: tuple[int, int], *, inlier_px: float = 3.0, levels: int = 4) -> Consensus | None:
    """`H` fitted to those of `matches` `(N, 4)` that it explains; None if these are fewer than four."""
    matches = np.asarray(matches, np.float64).reshape(-1, 4)
    if len(matches) < 4:
        return None
    p, q = matches[:, :2], matches[:, 2:]
    return _widest(_settle(np.asarray(H, np.float64)[None], p, q, inlier_px), p, q, size, inlier_px, levels)


def _settle(H: np.ndarray, p: np.ndarray, q: np.ndarray, inlier_px: float, refits: int = _REFITS) -> np.ndarray:
    """Homographies `(M, 3, 3)`, each fitted to the matches it explains, again and again until they settle.

    Matches weigh less the worse they fit (Tukey's biweight with its cut at `inlier_px`).
    """
    equations = Equations.of(p, q)
    error, depth = _transferred(H, p, q)
    error = np.minimum(error, inlier_px)
    for _ in range(refits):
        weights = (1.0 - (error / inlier_px) ** 2) ** 2
        H = equations.solved(weights / depth ** 2)
        previous, (error, depth) = error, _transferred(H, p, q)
        error = np.minimum(error, inlier_px)
        if np.abs(error - previous).max() < _SETTLED_PX:
            break
    return H


def _widest(H: np.ndarray, p: np.ndarray, q: np.ndarray, size: tuple[int, int], inlier_px: float, levels: int) -> Consensus | None:
    """Of homographies `(M, 3, 3)` the one whose inliers are spread widest; None if none explains four matches."""
    error = transfer_error(H, p, q)
    inside = error < inlier_px
    count, spread = inside.sum(axis=1), _spread(inside, _cells(q, size, levels), levels)
    residual = np.where(inside, error, 0.0).sum(axis=1) / np.maximum(count, 1)
    best = np.lexsort((-residual, count, spread))[-1]
    return Consensus(H[best], inside[best], float(spread[best]), float(residual[best])) if count[best] >= 4 else None


@dataclass(frozen=True, eq=False)
class Equations:
    """The normal equations of a least-squares fit as sums over its points: what each of N points adds for a weight of 1, `(..., N, 4, 3, 3)`.

    With a = (x, y, 1) and its match (u, v), both normalised by `Tp` and `Tq`, that is a a^T times 1, u, v and u^2 + v^2: all that the
    two linear equations of a point hold, so that points weighed anew need not be gone through anew.
    """

    Tp: np.ndarray
    Tq: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, p: np.ndarray, q: np.ndarray) -> Equations:
        """Of points `p` and their matches `q`, both `(..., N, 2)`, moved and scaled alike first (Hartley 1997)."""
        Tp, Tq = _normalisation(p), _normalisation(q)
        p, q = _through(Tp, p), _through(Tq, q)
        a = np.concatenate([p, np.ones((*p.shape[:-1], 1))], axis=-1)
        times = np.concatenate([np.ones((*q.shape[:-1], 1)), q, (q * q).sum(-1, keepdims=True)], axis=-1)
        return cls(Tp, Tq, times[..., None, None] * (a[..., :, None] * a[..., None, :])[..., None, :, :])

    def solved(self, weights: np.ndarray) -> np.ndarray:
        """The homographies `(..., 3, 3)`, H[2, 2] = 1, for weights `(..., N)`; NaN where these leave them open."""
        flat = self.shares.reshape(*self.shares.shape[:-3], 36)
        one, u, v, square = np.moveaxis((weights[..., None, :] @ flat).reshape(*weights.shape[:-1], 4, 3, 3), -3, 0)
        A, c = np.zeros((*one.shape[:-2], 8, 8)), np.empty((*one.shape[:-2], 8, 1))
        A[..., :3, :3] = A[..., 3:6, 3:6] = one
        A[..., :3, 6:], A[..., 3:6, 6:], A[..., 6:, 6:] = -u[..., :2], -v[..., :2], square[..., :2, :2]
        A[..., 6:, :3], A[..., 6:, 3:6] = -u[..., :2, :], -v[..., :2, :]
        c[..., :3, 0], c[..., 3:6, 0], c[..., 6:, 0] = u[..., 2], v[..., 2], -square[..., :2, 2]
        return _solved(A, c, self.Tp, self.Tq)


def fit(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Homographies `(..., 3, 3)`, H[2, 2] = 1, that take four points `p` to `q`, both `(..., 4, 2)`: as many equations as unknowns.

    All points are moved and scaled alike first (Hartley 1997). What cannot be solved is NaN.
    """
    Tp, Tq = _normalisation(p), _normalisation(q)
    (x, y), (u, v) = (np.moveaxis(_through(T, points), -1, 0) for T, points in ((Tp, p), (Tq, q)))
    A = np.zeros(x.shape[:-1] + (2, 4, 8))  # both equations of every point: u, then v
    A[..., 0, :, 0] = A[..., 1, :, 3] = x
    A[..., 0, :, 1] = A[..., 1, :, 4] = y
    A[..., 0, :, 2] = A[..., 1, :, 5] = 1.0
    for i, w in enumerate((u, v)):
        A[..., i, :, 6], A[..., i, :, 7] = -w * x, -w * y
    return _solved(A.reshape(x.shape[:-1] + (8, 8)), np.concatenate([u, v], -1)[..., None], Tp, Tq)


def _solved(A: np.ndarray, c: np.ndarray, Tp: np.ndarray, Tq: np.ndarray) -> np.ndarray:
    """The homographies `(..., 3, 3)` whose eight numbers, between normalised points, solve A h = c; NaN where nothing does."""
    with np.errstate(invalid="ignore"):
        solvable = np.abs(np.linalg.det(A)) > _SINGULAR
    h = np.full(A.shape[:-2] + (9,), np.nan)
    h[solvable, :8] = np.linalg.solve(A[solvable], c[solvable])[..., 0]
    h[..., 8] = 1.0
    H = np.linalg.inv(Tq) @ h.reshape(h.shape[:-1] + (3, 3)) @ Tp
    with np.errstate(divide="ignore", invalid="ignore"):
        return H / H[..., 2:, 2:]


def transfer_error(H: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Distance in pixels between `q` and `p` taken through `H`: `(..., N)` for `H` `(..., 3, 3)`; infinite where undefined."""
    return _transferred(H, p, q)[0]


def _transferred(H: np.ndarray, p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`transfer_error`, and the third homogeneous coordinate `(..., N)` of what was taken through H."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        moved = H @ np.stack([p[..., 0], p[..., 1], np.ones(p.shape[:-1])], axis=-2)
        depth = moved[..., 2, :]
        across, down = moved[..., 0, :] / depth - q[..., 0], moved[..., 1, :] / depth - q[..., 1]
        error = np.sqrt(across * across + down * down)
    return np.where(np.isfinite(error), error, np.inf), depth


def _through(H: np.ndarray, p: np.ndarray) -> np.ndarray:
    moved = p @ np.swapaxes(H[..., :2], -1, -2) + H[..., None, :, 2]
    return moved[..., :2] / moved[..., 2:]


def _normalisation(p: np.ndarray) -> np.ndarray:
    """The similarity `(3, 3)` that moves all points to the origin and to a mean distance of sqrt(2)."""
    p = p.reshape(-1, 2)
    centre = p.mean(axis=0)
    scale = np.sqrt(2.0) / max(np.linalg.norm(p - centre, axis=1).mean(), 1e-9)
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _samples(p: np.ndarray, q: np.ndarray, hypotheses: int, generator: np.random.Generator) -> np.ndarray:
    """Rows `(M, 4)` of four matches, M <= `hypotheses`: no three points in a line, turning the same way in both pictures."""
    among = np.maximum(len(p) * np.linspace(_SUREST, 1.0, hypotheses), min(len(p), 8))
    samples = (generator.random((hypotheses, 4)) * among[:, None]).astype(np.intp)
    good = np.ones(len(samples), bool)
    for triple in ([0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]):
        areas = [_turn(points[samples[:, triple]]) for points in (p, q)]
        good &= (areas[0] * areas[1] > 0) & (np.minimum(np.abs(areas[0]), np.abs(areas[1])) > 1.0)
    return samples[good]


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
        score += 2.0 ** (levels - level + 1) * np.count_nonzero(held, axis=(1, 2))
        held = held[:, ::2] | held[:, 1::2]
        held = held[:, :, ::2] | held[:, :, 1::2]
    return score

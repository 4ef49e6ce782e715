"""Key points spread evenly over a picture, and who of them belong together in two pictures."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.align.light import even_light
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError
from umad_patrol.records import Features

_PATCH = 31          # side of the patch that ORB describes, in pixels of the reduced picture
_CORNER_BLOCK = 5    # neighbourhood of the corner measure
_MIN_CORNER = 1e-5   # smaller eigenvalue below which there is nothing to hold on to
_STEP = 1.4          # the second, coarser level bears the change of scale between two distances
_COARSE_SHARE = 0.3


def extract(image: np.ndarray, settings: AlignSettings) -> Features:
    """The key points of `(H, W, 3)` uint8 BGR: the best corner of every cell of a grid, with ORB descriptors `(N, 32)` uint8.

    *Feature point uniformization* (UMAD, sec. IV): as many cells as key points are wanted, and one point a cell, so that
    a rich hedge cannot crowd out plain paving. Works upright on the picture without its light, reduced to
    `settings.feature_side_px`, and on a second level 1.4 times smaller. Raises AlignmentError if `image` is no picture.
    """
    check_picture(image)
    height, width = image.shape[:2]
    count = settings.features
    fine = min(1.0, settings.feature_side_px / max(width, height))
    levels = ((fine, count - int(count * _COARSE_SHARE)), (fine / _STEP, int(count * _COARSE_SHARE)))
    picture = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    found = []
    for scale, share in levels:
        size = tuple(max(int(round(side * scale)), 1) for side in (width, height))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        corners, descriptors = _describe(even_light(picture), share)
        found.append(((corners + 0.5) * (width / size[0], height / size[1]) - 0.5, descriptors))
    points, descriptors = (np.concatenate(parts) for parts in zip(*found))
    return Features(points.astype(np.float32), descriptors, (width, height))


def match(reference: Features, query: Features, ratio: float = 0.85) -> np.ndarray:
    """Pairs `(N, 4)` float64 of xr yr xq yq that are each other's nearest, clearly nearer than the second, the clearest first.

    `ratio` is Lowe's (2004): the distance of the nearest descriptor over that of the second nearest, at most.
    """
    if len(reference.points) < 2 or len(query.points) < 2:
        return np.zeros((0, 4))
    distance, nearest = _nearest(query.descriptors, reference.descriptors, 2)
    ambiguity = distance[:, 0] / np.maximum(distance[:, 1], 1)
    clear = np.argsort(ambiguity, kind="stable")[:np.count_nonzero(ambiguity < ratio)]
    if not len(clear):
        return np.zeros((0, 4))
    nearest = nearest[clear, 0]
    mutual = _nearest(reference.descriptors[nearest], query.descriptors, 1)[1][:, 0] == clear
    return np.hstack([reference.points[nearest[mutual]], query.points[clear[mutual]]]).astype(np.float64)


def check_picture(image: np.ndarray) -> None:
    """Raises AlignmentError unless `image` is `(H, W, 3)` uint8 with pixels in it."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise AlignmentError(f"a picture to align is (H, W, 3) uint8 BGR with at least one pixel, not {what}")


def _describe(even: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners `(N, 2)` of a picture of even light and their descriptors `(N, 32)`. Those too near the border get none."""
    smooth = cv2.GaussianBlur(even, (0, 0), 1.0)
    corners = best_of_cells(cv2.cornerMinEigenVal(smooth, _CORNER_BLOCK), count)
    orb = cv2.ORB_create(edgeThreshold=_PATCH // 2 + 1, patchSize=_PATCH)
    key_points, descriptors = orb.compute(even, cv2.KeyPoint_convert(corners, size=_PATCH)) if len(corners) else ((), None)
    if not key_points:
        return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
    return cv2.KeyPoint_convert(key_points), descriptors


def best_of_cells(strength: np.ndarray, count: int) -> np.ndarray:
    """The strongest pixel (x, y) of each of about `count` square cells, `(N, 2)`; none from cells without a corner."""
    height, width = strength.shape
    side = max(int(np.sqrt(height * width / max(count, 1))), 2)
    rows, columns = height // side, width // side
    if rows == 0 or columns == 0:
        return np.zeros((0, 2), np.float32)
    cells = strength[:rows * side, :columns * side].reshape(rows, side, columns, side)
    cells = cells.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)
    best = cells.argmax(axis=1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    points = np.stack([column * side + best % side, row * side + best // side], axis=1).astype(np.float32)
    return points[np.take_along_axis(cells, best[:, None], 1)[:, 0] > _MIN_CORNER]


def _nearest(of: np.ndarray, among: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Hamming distances and rows, `(N, count)`, of the nearest descriptors."""
    return cv2.batchDistance(of, among, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=count)

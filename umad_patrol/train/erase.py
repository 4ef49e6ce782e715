"""Taking people and vehicles out of a photograph, so that they are real in one picture of a pair and not there in the other."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

SURELY, PERHAPS = 150, 40       # of 255, as labels have it: taken for a person or vehicle, left open
FRINGE = 0.06                   # of somebody's size: hair, straps and shadows that the labels miss
SMALLEST_PX, LARGEST_SHARE = 60, 0.3    # area, and share of the picture
HIDDEN = 0.05                   # share of the ground beside that may show others
FEATHER_PX = 1.5
TRIES = 4


def shown(dynamic: np.ndarray) -> Iterator[np.ndarray]:
    """Masks `(H, W)` bool of those whom labels `(H, W)` uint8 show, each with its fringe."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((dynamic >= PERHAPS).astype(np.uint8))
    for index in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[index])
        if not SMALLEST_PX <= area <= LARGEST_SHARE * dynamic.size:
            continue
        margin = 2 + round(FRINGE * max(width, height))
        part = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
        mine = labels[part] == index
        if dynamic[part][mine].max() >= SURELY:
            mask = np.zeros(dynamic.shape, bool)
            mask[part] = cv2.dilate(mine.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2)) > 0
            yield mask


def erased(image: np.ndarray, mask: np.ndarray, dynamic: np.ndarray, rng: np.random.Generator) -> bool:
    """Show in `mask` what `image` `(H, W, 3)` float32 shows to its left or right, in place: as far away, as perspective has it.

    False, and nothing is done, where others stand there or the picture ends.
    """
    rows, columns = np.nonzero(mask)
    wide = int(columns.max() - columns.min()) + 1
    for side in rng.permutation([-1, 1] * (TRIES // 2)):
        shift = int(side * wide * rng.uniform(1.02, 1.8))
        if columns.min() + shift < 0 or columns.max() + shift >= mask.shape[1] or (dynamic[rows, columns + shift] >= PERHAPS).mean() > HIDDEN:
            continue
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        beside = image[top:bottom, left + shift:right + shift]
        soft = cv2.GaussianBlur(mask[top:bottom, left:right].astype(np.float32), (0, 0), FEATHER_PX)[..., None]
        image[top:bottom, left:right] += soft * (beside - image[top:bottom, left:right])
        return True
    return False

"""Laying one picture on another, on the device of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from kornia.geometry.transform import remap

from umad_patrol.align import lookup as grids
from umad_patrol.align.lookup import STEP
from umad_patrol.errors import AlignmentError
from umad_patrol.io.images import sent, to_tensor

_TOLERANCE_PX = 1e-4   # rounding of H must not cost the border of an identical picture
_LEVELS = np.arange(256, dtype=np.float32) / 255


@dataclass(frozen=True, eq=False)
class Laid:
    """A BGR picture `(H, W, 3)` uint8 as it lies on a query of `size` (width, height); each part is made, once, when it is asked for.

    With a `lookup` (align/lookup.py) that says what is seen where, and the homography nothing; it too is laid by a lookup. A GPU is never waited
    for. Bilinear, by Kornia there and by OpenCV on a CPU: from OpenCV 5 on the two are within 0.5 grey levels of each other away from borders; before,
    OpenCV blends at the nearest 1/32 px, and that is so of 19 pixels of 20 at least. Raises AlignmentError for a picture or size without pixels, or if
    the homography is singular.
    """

    reference: np.ndarray
    query_H_reference: np.ndarray
    size: tuple[int, int]
    device: torch.device
    lookup: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self.reference.shape[:2], self.query_H_reference, self.size)

    @cached_property
    def picture(self) -> torch.Tensor:
        """The reference in the query's pixels, `(1, 3, H, W)` float32 RGB in [0, 1]."""
        if self.device.type != "cpu":
            return sampled(self.reference, _in_size(self._everywhere, self.size), self.device)
        return _blended(self.reference, grids.full(self._grid, self.size))

    def part(self, rows: slice, columns: slice) -> torch.Tensor:
        """`picture[:, :, rows, columns]`, steps left out; on a CPU without making the rest."""
        if self.device.type != "cpu":
            return self.picture[:, :, rows, columns]
        at = grids.at(self._grid, *(np.arange(*part.indices(side)) for part, side in zip((columns, rows), self.size)))
        first, last = np.floor(at.min((0, 1))).astype(int), np.ceil(at.max((0, 1))).astype(int) + 2
        left, top = np.clip(first, 0, [side - 1 for side in self.reference.shape[1::-1]])
        right, bottom = np.maximum(last, (left + 1, top + 1))
        return _blended(self.reference[top:bottom, left:right], at - np.float32([left, top]))

    @cached_property
    def valid(self) -> torch.Tensor:
        """Where all that a pixel blends lies within the reference, `(1, 1, H, W)` bool; what `picture` holds elsewhere means nothing."""
        reference_size = self.reference.shape[1::-1]
        if self.device.type != "cpu":
            if self.lookup is None:
                return sees(np.asarray(self.query_H_reference, np.float64), reference_size, self.size, self.device)
            return _within(_in_size(self._everywhere, self.size), reference_size)
        return torch.from_numpy(grids.inside(self._grid, self.size, reference_size, _TOLERANCE_PX))[None, None]

    def seen(self, columns: np.ndarray, rows: np.ndarray) -> torch.Tensor:
        """The reference pixel (x, y) that is seen at these evenly spaced columns and rows of the query, `(1, 2, len(rows), len(columns))` float32."""
        if self.device.type != "cpu":
            return places_seen(self._everywhere, columns, rows)
        return torch.from_numpy(np.moveaxis(grids.at(self._grid, columns, rows), -1, 0)[None].copy())

    @cached_property
    def _grid(self) -> np.ndarray:
        return grids.of_homography(self.query_H_reference, self.size, self.reference.shape[1::-1]) if self.lookup is None else self.lookup

    @cached_property
    def _everywhere(self) -> torch.Tensor:
        return everywhere(self._grid, self.device)


def sampled(reference: np.ndarray, seen: torch.Tensor, device: torch.device) -> torch.Tensor:
    """As `_blended`, on a device, by Kornia: at pixels `seen` `(1, 2, h, w)`."""
    planes = to_tensor(reference, device)
    return remap(planes, *_normalized(seen, planes.shape[:1:-1]), align_corners=True, normalized_coordinates=True)


def places_seen(wide: torch.Tensor, columns: np.ndarray, rows: np.ndarray) -> torch.Tensor:
    """What `everywhere` gives at evenly spaced columns and rows, beyond it that of its border: `(1, 2, len(rows), len(columns))`, a copy."""
    down, across = (slice(int(at[0]) + STEP, int(at[-1]) + STEP + 1, int(at[1] - at[0]) if len(at) > 1 else 1) for at in (rows, columns))
    short = [max(0, part.stop - side) for part, side in zip((across, down), wide.shape[:1:-1])]
    if any(short):
        wide = F.pad(wide, (0, short[0], 0, short[1]), mode="replicate")
    return wide[..., down, across].clone()


def _blended(reference: np.ndarray, at: np.ndarray) -> torch.Tensor:
    """A BGR picture at pixels `(h, w, 2)` float32 (x, y), `(1, 3, h, w)` float32 RGB in [0, 1], 0 outside of it."""
    levels = cv2.LUT(cv2.cvtColor(reference, cv2.COLOR_BGR2RGBA), _LEVELS)  # four numbers a pixel are blended twice as fast as three
    blended = cv2.remap(levels, at, None, cv2.INTER_LINEAR)
    return torch.from_numpy(blended).permute(2, 0, 1)[None, :3]     # who needs the channels apart lays them so, just what is needed


def _check(shape: tuple[int, ...], query_H_reference: np.ndarray, size: tuple[int, int]) -> None:
    if 0 in shape or min(size) < 1:
        raise AlignmentError(f"cannot warp a picture of shape {tuple(shape)} to {size[0]}x{size[1]}")
    H = np.asarray(query_H_reference, np.float64)
    if H.shape != (3, 3) or not np.isfinite(H).all() or np.linalg.matrix_rank(H) < 3:
        raise AlignmentError(f"homography {H.tolist()} is not 3x3, finite and invertible")


def everywhere(lookup: np.ndarray, device: torch.device) -> torch.Tensor:
    """What is seen at every pixel `(1, 2, H, W)` float32, from STEP pixels before the query's first on to as many beyond its last, at least."""
    planes = sent(np.moveaxis(lookup, -1, 0)[None].astype(np.float32), device)
    return F.interpolate(planes, scale_factor=STEP, mode="bilinear", align_corners=False)


def _in_size(wide: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The reference pixel `(1, 2, H, W)` of every pixel of a query of `size` (width, height)."""
    return wide[..., STEP:STEP + size[1], STEP:STEP + size[0]]


def _normalized(seen: torch.Tensor, reference_size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and rows `(1, H, W)` of reference pixels `(1, 2, H, W)`, from -1 to 1 between the outermost centres."""
    columns, rows = (2.0 * seen[:, i] / max(side - 1, 1) - 1.0 for i, side in enumerate(reference_size))
    return columns, rows


def _within(seen: torch.Tensor, reference_size: tuple[int, int]) -> torch.Tensor:
    """Which reference pixels `(1, 2, H, W)` lie between the outermost centres, `(1, 1, H, W)` bool."""
    x, y = ((seen[:, i:i + 1] >= -_TOLERANCE_PX) & (seen[:, i:i + 1] <= side - 1 + _TOLERANCE_PX) for i, side in enumerate(reference_size))
    return x & y


def sees(H: np.ndarray, reference_size: tuple[int, int], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """The query's pixels `(1, 1, H', W')` bool that a homography shows between the reference's outermost pixel centres, up to 1e-4 px beyond.

    With (u, v, w) the homogeneous reference pixel, 0 <= u / w <= W - 1 is a pair of half-planes, linear in x and y: each leaves
    a stretch of every row, from a first column to a last.
    """
    middle = np.array([(reference_size[0] - 1) / 2, (reference_size[1] - 1) / 2, 1.0])
    u, v, w = np.linalg.inv(H) * (-1.0 if H[2] @ middle < 0 else 1.0)  # w > 0: before the reference camera, not behind it
    planes = [w, u + _TOLERANCE_PX * w, v + _TOLERANCE_PX * w,
              (reference_size[0] - 1 + _TOLERANCE_PX) * w - u, (reference_size[1] - 1 + _TOLERANCE_PX) * w - v]
    first, last = np.zeros(size[1]), np.full(size[1], size[0] - 1.0)
    for a, b, c in planes:
        rest = b * np.arange(size[1]) + c
        if abs(a) * size[0] < 1e-12 * (abs(b) * size[1] + abs(c)):   # the plane's border runs along the rows
            last[rest < 0] = -1.0
        elif a > 0:
            first = np.maximum(first, np.ceil(-rest / a))
        else:
            last = np.minimum(last, np.floor(-rest / a))
    first, last = sent(np.clip([first, last], -1, size[0]).astype(np.int32), device)[..., None]
    x = torch.arange(size[0], dtype=torch.int32, device=device)
    return ((x >= first) & (x <= last))[None, None]

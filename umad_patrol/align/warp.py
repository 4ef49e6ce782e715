"""Laying one picture on another, on the device of the picture."""

from __future__ import annotations

import numpy as np
import torch
from kornia.geometry.transform import warp_perspective

from umad_patrol.errors import AlignmentError

_TOLERANCE_PX = 1e-4   # rounding of H must not cost the border of an identical picture


def warp(image: torch.Tensor, query_H_reference: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """`image` `(B, C, H, W)` seen in a query picture of `size` (width, height), and where it is seen, `(B, 1, H', W')` bool.

    Bilinear, pixel centres at integers (Kornia with align_corners=True), on the device and in the dtype of `image`.
    A pixel is valid if all that it blends lies within `image`; elsewhere it fades to 0. Raises AlignmentError for a
    picture or size without pixels, or if the homography is singular.
    """
    width, height = size
    if image.ndim != 4 or 0 in image.shape or min(width, height) < 1:
        raise AlignmentError(f"cannot warp a picture of shape {tuple(image.shape)} to {width}x{height}")
    H = np.asarray(query_H_reference, np.float64)
    if H.shape != (3, 3) or not np.isfinite(H).all() or np.linalg.matrix_rank(H) < 3:
        raise AlignmentError(f"homography {H.tolist()} is not 3x3, finite and invertible")
    valid = _sees(H, (image.shape[3], image.shape[2]), size, image.device)
    # Kornia divides by the sides less one, so that a picture one pixel wide needs a border before it has any.
    if 1 in image.shape[2:]:
        image = torch.nn.functional.pad(image, (0, int(image.shape[3] == 1), 0, int(image.shape[2] == 1)), mode="replicate")
    target = (max(height, 2), max(width, 2))
    matrix = torch.from_numpy(H / np.abs(H).max()).to(image.device, image.dtype).expand(len(image), 3, 3)
    warped = warp_perspective(image, matrix, target, align_corners=True)
    return warped[:, :, :height, :width], valid.expand(len(image), 1, height, width)


def _sees(H: np.ndarray, reference_size: tuple[int, int], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """The query's pixels `(1, 1, H', W')` that fall between the reference's outermost pixel centres.

    With (u, v, w) the homogeneous reference pixel, 0 <= u / w <= W - 1 is a pair of half-planes, linear in x and y: no
    division, and no second warp of a picture of ones.
    """
    middle = np.array([(reference_size[0] - 1) / 2, (reference_size[1] - 1) / 2, 1.0])
    u, v, w = np.linalg.inv(H) * (-1.0 if H[2] @ middle < 0 else 1.0)  # w > 0: before the reference camera, not behind it
    planes = [w, u + _TOLERANCE_PX * w, v + _TOLERANCE_PX * w,
              (reference_size[0] - 1 + _TOLERANCE_PX) * w - u, (reference_size[1] - 1 + _TOLERANCE_PX) * w - v]
    x = torch.arange(size[0], device=device, dtype=torch.float64)
    y = torch.arange(size[1], device=device, dtype=torch.float64)[:, None]
    valid = torch.ones((size[1], size[0]), dtype=torch.bool, device=device)
    corners = np.array([[0, 0, 1], [size[0] - 1, 0, 1], [0, size[1] - 1, 1], [size[0] - 1, size[1] - 1, 1]])
    for a, b, c in planes:
        if not (corners @ (a, b, c) >= 0).all():  # a plane that leaves out no corner leaves out nothing
            valid &= float(a) * x + float(c) >= -float(b) * y
    return valid[None, None]

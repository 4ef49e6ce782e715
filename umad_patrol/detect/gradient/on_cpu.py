"""Moving pixels and sliding windows with OpenCV, which shares the memory of tensors on a CPU. See `on_any`."""

from __future__ import annotations

import cv2
import numpy as np
import torch


def log_halved(picture: torch.Tensor, dark: float) -> torch.Tensor:
    """Log of `(1, 3, H, W)` at half its size plus `dark`, smoothed by a binomial over 3 x 3; NaN is black. H and W even."""
    height, width = picture.shape[2] // 2, picture.shape[3] // 2
    halved = torch.empty((1, 3, height, width))
    for plane, half in zip(picture[0].numpy(), halved[0].numpy()):
        cv2.resize(plane, (width, height), half, interpolation=cv2.INTER_AREA)
    halved.nan_to_num_(0.0).clamp_min_(0).add_(dark)
    for half in halved[0].numpy():
        cv2.GaussianBlur(cv2.log(half), (3, 3), 0, half, borderType=cv2.BORDER_REPLICATE)
    return halved


def by_cells(planes: torch.Tensor) -> torch.Tensor:
    """`(1, C, H, W)`, H and W even, as `(1, C, 4, H / 2, W / 2)`: the pixels of each 2 x 2, row by row."""
    count, height, width = planes.shape[1], planes.shape[2] // 2, planes.shape[3] // 2
    cells = torch.empty((1, count, 4, height, width))
    for plane, four in zip(planes[0].numpy(), cells[0].numpy()):
        for row in (0, 1):
            cv2.split(plane[row::2].reshape(height, width, 2), [four[2 * row], four[2 * row + 1]])
    return cells


def highest(cells: torch.Tensor, reach: int, outside: float) -> torch.Tensor:
    """Highest value within `reach` cells, beyond the picture `outside`. `(1, C, 1, h, w)`, as what comes back."""
    out, square = torch.empty(cells.shape), np.ones((2 * reach + 1,) * 2, np.uint8)
    for plane, result in zip(cells[0, :, 0].numpy(), out[0, :, 0].numpy()):
        cv2.dilate(plane, square, result, borderType=cv2.BORDER_CONSTANT, borderValue=outside)
    return out


def mean(cells: torch.Tensor, reach: int) -> torch.Tensor:
    """Mean within `reach` cells, zero beyond the picture. `(1, C, 1, h, w)`, as what comes back."""
    out, window = torch.empty(cells.shape), (2 * reach + 1,) * 2
    for plane, result in zip(cells[0, :, 0].numpy(), out[0, :, 0].numpy()):
        cv2.blur(plane, window, result, borderType=cv2.BORDER_CONSTANT)
    return out


def doubled(cells: torch.Tensor) -> torch.Tensor:
    """`(1, 1, 4, h, w)` by cells as pixels `(1, 1, 4 h, 4 w)`, at twice the size, bilinear."""
    four, (height, width) = cells[0, 0].numpy(), cells.shape[3:]
    pixels, full = np.empty((2 * height, 2 * width), np.float32), torch.empty((1, 1, 4 * height, 4 * width))
    for row in (0, 1):
        pixels[row::2] = cv2.merge([four[2 * row], four[2 * row + 1]]).reshape(height, 2 * width)
    cv2.resize(pixels, full.shape[:1:-1], full[0, 0].numpy(), interpolation=cv2.INTER_LINEAR)
    return full

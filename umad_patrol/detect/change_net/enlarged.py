"""Planes at OUTPUT_STRIDE times their size: scores as large as the picture, and parts of pictures for a closer look."""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F

from umad_patrol.detect.change_net.network import OUTPUT_STRIDE

_HOW = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def enlarged(planes: torch.Tensor, how: str = "bilinear") -> torch.Tensor:
    """Planes `(N, C, h, w)` float32, "bilinear" or "bicubic". On a CPU by OpenCV: torch with one thread takes up to ten times as long."""
    if planes.device.type != "cpu":
        return F.interpolate(planes, scale_factor=float(OUTPUT_STRIDE), mode=how, align_corners=False)
    large = torch.empty(*planes.shape[:2], *(OUTPUT_STRIDE * side for side in planes.shape[2:]))
    for plane, target in zip(planes.float().flatten(0, 1).numpy(), large.flatten(0, 1).numpy()):
        cv2.resize(plane, target.shape[::-1], dst=target, interpolation=_HOW[how])
    return large

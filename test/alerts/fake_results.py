"""Results of the pipeline as a patrol past known things would give them, with drawn pictures."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from patrol_scene import CAMERA, GROUND, box_region

from umad_patrol.align.warp import Laid
from umad_patrol.records import COMPARED, Alignment, Camera, Frame, Match, Reference, Region, Result

SMALL = Camera(320, 180, np.array([[227.5, 0, 159.5], [0, 227.5, 89.5], [0, 0, 1]]))


def background(camera: Camera) -> np.ndarray:
    """A grey-green picture with a horizon."""
    image = np.full((camera.height, camera.width, 3), (200, 190, 170), np.uint8)
    image[camera.height // 2:] = (110, 120, 115)
    return image


def result(seconds: float, T: np.ndarray, things, camera: Camera = CAMERA, status: str = COMPARED, reason: str = "",
           noise=None, regions: tuple[Region, ...] = ()) -> Result:
    """The result of a frame at pose `T`; `things` are ((x, y), (width, depth, height), colour)."""
    plain = background(camera)
    image, mask = plain.copy(), np.zeros(plain.shape[:2], np.uint8)
    found = list(regions)
    for centre, size, colour in things:
        region = box_region(centre, size, T, camera, noise.normal(0, 0.5, 3) if noise is not None else (0.0, 0.0, 0.0))
        if region is not None:
            x, y, w, h = region.box
            cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), colour, -1)
            mask[y:y + h, x:x + w] = 255
            found.append(region)
    stamp = int(seconds * 1e9)
    frame = Frame(stamp, image, camera, T)
    if status != COMPARED:
        return Result(frame, status, reason, np.zeros_like(mask))
    reference = Reference(3, "noon", 1, plain, camera, T, None, GROUND)
    alignment = Alignment(np.eye(3), "adaptive", 200, 300, 100.0, 0.7, 1.0, True, "",
                          Laid(plain, np.eye(3), (camera.width, camera.height), torch.device("cpu")))
    return Result(frame, status, reason, mask, Match(3, 0.1, 1.0, 0.9), reference, alignment, None, tuple(found))

"""Pairs to look at: reference, query, and the query with its truth drawn in."""

from __future__ import annotations

import cv2
import numpy as np
import torch

OUTLINES = (255, 0, 0), (0, 0, 255), (255, 255, 0)     # RGB: anomaly, dynamic, changed
ACROSS = 2      # pairs side by side


def draw_sheet(samples: list[tuple[torch.Tensor, ...]]) -> np.ndarray:
    """A sheet `(H, W, 3)` uint8 BGR of samples as `data.tensors` gives them."""
    rows = [_row(*sample) for sample in samples]
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % ACROSS)
    return np.ascontiguousarray(np.vstack([np.hstack(rows[i:i + ACROSS]) for i in range(0, len(rows), ACROSS)])[:, :, ::-1])


def _row(query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> np.ndarray:
    """Reference, query, and the query with anomalies outlined red, people and vehicles blue, the changed yellow, the invalid part black."""
    shown, before = (np.ascontiguousarray(picture.numpy().transpose(1, 2, 0)) for picture in (query, reference))
    drawn = shown.copy()
    for plane, colour in zip(target.numpy(), OUTLINES):
        edges, _ = cv2.findContours((plane > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, edges, -1, colour, 2)
    drawn[valid[0].numpy() < 0.5] = 0
    return np.hstack([before, shown, drawn])

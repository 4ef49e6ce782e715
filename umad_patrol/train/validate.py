"""How a network does on pairs that training never sees: places and models of their own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from umad_patrol.detect.change_net.laid import lay
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.train.moved import moved

THRESHOLD = 0.5
SMALL_PX = 100


@dataclass(frozen=True)
class Scores:
    """F1 of each class's pixels, how many new things are touched, large and small, and false regions a pair."""

    f1: tuple[float, ...]
    large: float
    small: float
    false: float

    def row(self) -> dict:
        """For the log."""
        names = ("anomaly", "dynamic", "changed")
        return {**{f"f1_{name}": round(value, 3) for name, value in zip(names, self.f1)},
                "large": round(self.large, 3), "small": round(self.small, 3), "false": round(self.false, 3)}


@torch.no_grad()
def validate(network: nn.Module, samples: list[tuple[torch.Tensor, ...]], device: torch.device) -> Scores:
    """Scores on samples as `data.tensors` gives them, by one threshold; of the change network with references from beside, as in use."""
    both, either = np.zeros(3), np.zeros(3)
    found, things, false = np.zeros(2), np.zeros(2), 0
    for number, (query, reference, valid, target, weight) in enumerate(samples):
        pictures = (part[None].to(device).float() / 255 for part in (query, reference))
        logits, seen = _said(network, *pictures, valid[None].to(device).float(), number)
        weight = weight.float() * seen[0].cpu()
        scores = torch.nn.functional.interpolate(logits.float().sigmoid(), size=target.shape[-2:], mode="bilinear")[0].cpu().numpy()
        said = (scores >= THRESHOLD) & (weight.numpy() > 0)
        truth = (target.numpy() > 0.5) & (weight.numpy() > 0)
        both += (said & truth).sum((1, 2))
        either += said.sum((1, 2)) + truth.sum((1, 2))
        hits, of, wrong = _things(said[0], truth[0], truth.any(0))
        found, things, false = found + hits, things + of, false + wrong
    share = found / np.maximum(things, 1)
    return Scores(tuple(2 * both / np.maximum(either, 1)), float(share[0]), float(share[1]), false / max(1, len(samples)))


def _said(network: nn.Module, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a sample of this number, and where they count."""
    if not isinstance(network, ChangeNet):
        return network(query, reference, valid), valid
    elsewhere = moved(reference, valid, torch.Generator().manual_seed(number))
    reference = lay(network.encode(elsewhere.pictures), elsewhere.seen)
    return network.compare(network.encode(query), reference, elsewhere.valid), elsewhere.valid


def _things(said: np.ndarray, truth: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """New things touched and all of them, (large, small), and regions of 12 px or more away from every label."""
    hits, of = np.zeros(2), np.zeros(2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(truth.astype(np.uint8))
    touched = set(np.unique(labels[cv2.dilate(said.astype(np.uint8), np.ones((5, 5))) > 0]))
    for index in range(1, count):
        size = int(stats[index, cv2.CC_STAT_AREA] < SMALL_PX)
        of[size] += 1
        hits[size] += index in touched
    near = cv2.dilate(labelled.astype(np.uint8), np.ones((17, 17)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(said.astype(np.uint8))
    wrong = sum(1 for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= 12 and not near[labels == index].any())
    return hits, of, wrong

"""What a detector says of each pixel, class by class: regions are cut from each plane of the score map."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from umad_patrol.config import DetectSettings
from umad_patrol.detect.regions import find_regions
from umad_patrol.records import ANOMALY, ScoreMap


def class_masks(score_map: ScoreMap, settings: DetectSettings) -> dict[str, np.ndarray]:
    """The mask `(H, W)` bool of every class of the score map, as the settings cut its regions; they may overlap. That of *anomaly* is the detector's."""
    return {name: find_regions(score_map, settings)[0] > 0 if name == ANOMALY else plane_mask(score_map, place, settings)
            for place, name in enumerate(score_map.classes)}


def plane_mask(score_map: ScoreMap, place: int, settings: DetectSettings) -> np.ndarray:
    """The mask `(H, W)` bool of the regions of one plane, whatever its class."""
    alone = ScoreMap((ANOMALY,), score_map.scores[:, place:place + 1], score_map.valid)  # under a name of which regions are drawn
    return find_regions(alone, settings)[0] > 0


def apart(masks: dict[str, np.ndarray], score_map: ScoreMap, names: Container[str]) -> dict[str, np.ndarray]:
    """Of the classes named, masks that do not overlap: a pixel of several is of the one that scores highest there."""
    chosen = [name for name in score_map.classes if name in names]
    if not chosen:
        return {}
    planes = score_map.scores[0].float().cpu().numpy()
    claimed = np.stack([np.where(masks[name], planes[score_map.classes.index(name)], -1.0) for name in chosen])
    best = claimed.argmax(axis=0)
    return {name: masks[name] & (best == place) for place, name in enumerate(chosen)}

"""Detectors by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from umad_patrol.config import DetectSettings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.detect.contract import Detector
from umad_patrol.detect.gradient import GradientDetector
from umad_patrol.errors import DetectorError

if TYPE_CHECKING:
    import torch

DETECTORS = {"change_net": ChangeNetDetector, "gradient": GradientDetector}


def make_detector(settings: DetectSettings, device: str | torch.device = "cpu", threads: int = 1) -> Detector:
    """The detector that `settings.detector` names, on `device`; an engine of its own has `threads` threads a call.

    Raises DetectorError if there is none of that name.
    """
    if settings.detector not in DETECTORS:
        raise DetectorError(f"there is no detector {settings.detector!r}; known are {', '.join(DETECTORS)}")
    return DETECTORS[settings.detector](settings, device, threads)

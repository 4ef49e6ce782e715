"""The detector: what the query shows and no place near it in the reference does, light aside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from umad_patrol.config import DetectSettings
from umad_patrol.detect.contract import check_picture, check_sizes
from umad_patrol.detect.gradient import cells, evidence
from umad_patrol.detect.gradient.features import GradientFeatures, measure
from umad_patrol.records import ANOMALY


class GradientDetector:
    """New edges, new colours and changes of light beyond a shadow's, each against the best within the search range.

    Its threads are OpenCV's and torch's, whatever `threads` says.
    """

    name = "gradient"
    classes = (ANOMALY,)

    def __init__(self, settings: DetectSettings, device: str | torch.device = "cpu", threads: int = 1):
        self.device = torch.device(device)
        self._settings = settings.gradient
        self.checksum = _checksum(repr(settings.gradient))

    @torch.inference_mode()
    def prepare(self, picture: torch.Tensor, top: int = 0) -> GradientFeatures:
        """Measure one picture, `(1, 3, H, W)` float RGB in [0, 1], all of it whatever `top` says. Raises DetectorError."""
        check_picture(picture)
        return measure(picture, self._settings.noise)

    @torch.inference_mode()
    def compare(self, query: GradientFeatures, reference: GradientFeatures, valid: torch.Tensor) -> torch.Tensor:
        """Scores `(1, 1, H, W)` in [0, 1] of two measured pictures. Raises DetectorError on unequal sizes."""
        check_sizes(query.size, reference.size, valid)
        scores = evidence.score(query, reference, valid, self._settings)
        return cells.operations(scores).doubled(scores)[..., :query.size[0], :query.size[1]]

    def score(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """`compare` of the two pictures, measured. Raises DetectorError."""
        return self.compare(self.prepare(query), self.prepare(reference), valid)


def _checksum(settings: str) -> str:
    """SHA-256 of this folder's code and the settings: what stands for weights here."""
    digest = hashlib.sha256(settings.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()

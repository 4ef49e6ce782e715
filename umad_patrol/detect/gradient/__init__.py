"""A detector without weights: soft histograms of gradients and chromaticity, compared by local search."""

from umad_patrol.detect.gradient.detector import GradientDetector

__all__ = ["GradientDetector"]

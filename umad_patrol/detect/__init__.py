"""What changed between two pictures of one view: the detector contract, detectors, regions, overlays."""

from umad_patrol.detect.contract import Detector, Laying
from umad_patrol.detect.registry import make_detector

__all__ = ["Detector", "Laying", "make_detector"]

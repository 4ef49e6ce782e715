"""The change network: trained, shipped with the package."""

from umad_patrol.detect.change_net.detector import ChangeNetDetector

__all__ = ["ChangeNetDetector"]

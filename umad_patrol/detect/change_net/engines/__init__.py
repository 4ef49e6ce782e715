"""What runs the change network: torch, or a graph of it in ONNX Runtime or OpenVINO."""

from umad_patrol.detect.change_net.engines.choose import INT8, Engine, make_engine

__all__ = ["INT8", "Engine", "make_engine"]

"""Messages in, frames out: live and from recordings."""

from umad_patrol.frames.assembler import FrameAssembler
from umad_patrol.frames.items import Cloud
from umad_patrol.frames.pose_error import PoseError
from umad_patrol.frames.recording import Recording

__all__ = ["Cloud", "FrameAssembler", "PoseError", "Recording"]

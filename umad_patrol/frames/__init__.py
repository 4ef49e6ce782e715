"""Messages in, frames out: live and from recordings."""

from umad_patrol.frames.assembler import Cloud, FrameAssembler
from umad_patrol.frames.recording import Recording

__all__ = ["Cloud", "FrameAssembler", "Recording"]

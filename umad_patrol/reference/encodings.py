"""What a detector made of the keyframes, kept in the map's folder `encoded/` so that a patrol need not make it: a safetensors file each.

It can be made anew at any time, so it is no part of the map's checksum; a file of another map, model or row counts as none.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from umad_patrol.io.files import replaced
from umad_patrol.reference.folder import ENCODED

_LOG = logging.getLogger(__name__)


class Encodings:
    """Those that a model, by its checksum, made of a map, by its checksum. Safe to share between threads."""

    def __init__(self, map_path: str | Path, map_checksum: str, model: str) -> None:
        self.folder = Path(map_path) / ENCODED
        self._of = {"map": map_checksum, "model": model}
        self._known = self.folder.is_dir()

    def path(self, index: int) -> Path:
        """Where that of a keyframe lies."""
        return self.folder / f"{index:06d}.safetensors"

    def read(self, index: int, top: int) -> dict[str, torch.Tensor] | None:
        """What was kept of a keyframe from row `top` down; None, with a word in the log if a file is damaged, if there is nothing of use."""
        path = self.path(index)
        try:
            if not self._known or path.is_symlink() or not path.is_file():
                return None
            with safe_open(path, "pt") as file:
                said = file.metadata() or {}
                if any(said.get(name) != value for name, value in self._wanted(top).items()):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError, ValueError) as error:
            _LOG.warning("%s cannot be read (%s); its keyframe is encoded anew. Make it again with: umad-patrol encode MAP", path, error)
            return None
        if said.get("crc") != _crc(tensors):
            _LOG.warning("%s is damaged; its keyframe is encoded anew. Make it again with: umad-patrol encode MAP", path)
            return None
        return tensors

    def write(self, index: int, top: int, tensors: dict[str, torch.Tensor]) -> None:
        """Keep what was made of a keyframe from row `top` down: beside, then renamed."""
        self.folder.mkdir(exist_ok=True)
        self._known = True
        with replaced(self.path(index)) as file:
            file.write_bytes(save(tensors, self._wanted(top) | {"crc": _crc(tensors)}))

    def size_bytes(self) -> int:
        """What all of them take on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    def remove(self) -> None:
        """Remove them all, whatever model they are of. Of a link, to a larger disk say, what else lies there stays."""
        if self.folder.is_symlink():
            for path in self.folder.glob("*.safetensors"):
                path.unlink()
            self.folder.unlink()
        elif self.folder.is_dir():
            shutil.rmtree(self.folder)
        self._known = False

    def _wanted(self, top: int) -> dict[str, str]:
        return {**self._of, "top": str(top)}


def _crc(tensors: dict[str, torch.Tensor]) -> str:
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].contiguous().numpy(), crc)
    return f"{crc:08x}"

"""Checkpoints on disk: written beside and renamed, read as tensors and numbers alone, of the same settings."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from umad_patrol.errors import TrainingError
from umad_patrol.io.files import replaced

UNREADABLE = (OSError, KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError)
FIXED = ("seed", "batch")   # settings that a run keeps to its end


def save_checkpoint(path: Path, content: dict[str, Any], settings: Any) -> None:
    """Write `content` and the `settings`, a dataclass."""
    data = BytesIO()    # torch says of a full disk that it was an internal error
    torch.save({**content, "settings": asdict(settings)}, data)
    with replaced(path) as file:
        file.write_bytes(data.getbuffer())


def load_checkpoint(path: Path, settings: Any, device: torch.device) -> dict[str, Any]:
    """What was saved. Raises TrainingError where it is of a run with other settings, one of UNREADABLE where it is no checkpoint."""
    kept = torch.load(path, map_location=device, weights_only=True)   # weights_only: no code
    for name in FIXED:
        if kept["settings"][name] != getattr(settings, name):
            raise TrainingError(f"{path} is of a run with {name} {kept['settings'][name]}, not {getattr(settings, name)}; "
                                "say the same, or name another folder")
    return kept


def unreadable(path: Path, of: str, error: Exception) -> TrainingError:
    """What to raise for one of UNREADABLE."""
    return TrainingError(f"{path} is no checkpoint of {of} ({' '.join(str(error).split())[:160]}); name another folder")

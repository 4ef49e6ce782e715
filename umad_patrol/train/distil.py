"""The encoder's first lessons: to say of a photograph in any light what a frozen teacher says of it as it was taken.

It takes the time it is given, and goes on after a kill from its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from umad_patrol.detect.change_net.encoder import WIDTHS, Encoder
from umad_patrol.train.loop import Loop
from umad_patrol.train.photometric import photometric
from umad_patrol.train.photos import Photo
from umad_patrol.train.teacher import Teacher

CROP_PX = 256
CHECKPOINT, LOG = "distil.pt", "distil.jsonl"
RATE = 3e-3


@dataclass(frozen=True)
class DistilSettings:
    """How long and how; a checkpoint of another `seed` or `batch` is refused."""

    minutes: float = 25.0
    batch: int = 8
    seed: int = 1
    workers: int = 1


class Crops(torch.utils.data.Dataset):
    """Item i, counted from `start`: a crop of a photograph as it is and as another light would show it, each `(3, CROP_PX, CROP_PX)` float32."""

    def __init__(self, photos: list[Photo], seed: int, length: int, start: int = 0) -> None:
        self._photos, self._seed, self._length, self._start = photos, seed, length, start

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self._seed, 1, self._start + index))
        clean = crop(self._photos[int(rng.integers(len(self._photos)))].image, CROP_PX, rng)
        return _tensor(clean), _tensor(photometric(clean, rng).astype(np.float32) / 255)


def crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square of a picture at 0.6 to 1.6 times its scale, mirrored every other time, float32 in [0, 1]."""
    height, width = image.shape[:2]
    span = int(min(height, width, side / np.exp(rng.uniform(np.log(0.6), np.log(1.6)))))
    top, left = int(rng.integers(height - span + 1)), int(rng.integers(width - span + 1))
    part = image[top:top + span, left:left + span]
    part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA if span > side else cv2.INTER_LINEAR)
    part = part[:, ::-1] if rng.random() < 0.5 else part
    return part.astype(np.float32) * np.float32(1 / 255)


class Student(nn.Module):
    """The encoder with a projection onto each of the teacher's feature maps; only the encoder is kept."""

    def __init__(self, encoder: Encoder, teacher_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.projections = nn.ModuleList(nn.Conv2d(width, target, 1) for width, target in zip(WIDTHS, teacher_widths))

    def loss(self, pictures: torch.Tensor, teacher: Teacher, clean: torch.Tensor) -> torch.Tensor:
        """Angle and distance to the teacher's features of the clean pictures."""
        features = self.encoder(pictures)
        total = pictures.new_zeros(())
        for mine, project, target in zip(features, self.projections, teacher.features(clean)):
            said = project(mine)
            scale = target.std((0, 2, 3), keepdim=True) + 1e-3
            total = total + (1 - F.cosine_similarity(said, target, dim=1)).mean() + 0.2 * F.smooth_l1_loss(said / scale, target / scale)
        return total


class Distiller(Loop):
    """Teaches an encoder in a folder that holds its checkpoint and its log; goes on from there if there is one."""

    CHECKPOINT, LOG, NAME, OF = CHECKPOINT, LOG, "distilling", "this distillation"
    _every = 50

    def __init__(self, folder: str | Path, settings: DistilSettings, device: torch.device, teacher_widths: tuple[int, ...]) -> None:
        torch.manual_seed(settings.seed)
        self.student = Student(Encoder(), teacher_widths).to(device, memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW([{"params": self.student.parameters(), "base": RATE}], RATE, weight_decay=1e-4)
        self._teacher: Teacher | None = None
        super().__init__(folder, settings, device, {"student": self.student, "optimizer": self._optimizer})

    def run(self, photos: list[Photo], teacher: Teacher) -> Encoder:
        """Learn to the end. Returns the encoder."""
        if not self.done:
            self._teacher = teacher.to(self.device, memory_format=torch.channels_last)
            self._go_on(self._batches(photos))
            self._note()
        return self.student.encoder

    def _batches(self, photos: list[Photo]) -> torch.utils.data.DataLoader:
        """Batches from the step on at which the run stands."""
        return self._loader(Crops(photos, self.settings.seed, 10**8, self.step * self.settings.batch))

    def _learn(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        clean, other = (pictures.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last) for pictures in batch)
        return self._descend(self.student.loss(other, self._teacher, clean), self.student, self._optimizer)

    def _note(self) -> None:
        self._write_line({})


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

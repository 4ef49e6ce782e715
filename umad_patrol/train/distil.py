"""The encoder's first lessons: to say of a photograph in any light what a frozen teacher says of it as it was taken.

It takes the time it is given, and goes on after a kill from its checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from umad_patrol.detect.change_net.encoder import WIDTHS, Encoder
from umad_patrol.train.checkpoint import UNREADABLE, load_checkpoint, save_checkpoint, unreadable
from umad_patrol.train.photometric import photometric
from umad_patrol.train.photos import Photo
from umad_patrol.train.teacher import Teacher

CROP_PX = 256
CHECKPOINT, LOG = "distil.pt", "distil.jsonl"
RATE, LAST_RATE, WARM_UP = 3e-3, 0.01, 50   # learning rate, share of it at the end, steps
GRADIENT = 2.0                              # largest norm
NOTED = 50                                  # every so many steps
SAVE_S = 60.0


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


class Distiller:
    """Teaches an encoder in a folder that holds its checkpoint and its log; goes on from there if there is one."""

    def __init__(self, folder: str | Path, settings: DistilSettings, device: torch.device, teacher_widths: tuple[int, ...]) -> None:
        torch.manual_seed(settings.seed)
        self.folder, self.settings, self.device = Path(folder), settings, device
        self.student = Student(Encoder(), teacher_widths).to(device, memory_format=torch.channels_last)
        self.step, self.seconds, self.loss = 0, 0.0, math.nan
        self._optimizer = torch.optim.AdamW(self.student.parameters(), RATE, weight_decay=1e-4)
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT).is_file():
            self._load()

    @property
    def done(self) -> bool:
        """Whether the time is used up."""
        return self.seconds >= self.settings.minutes * 60

    def run(self, photos: list[Photo], teacher: Teacher) -> Encoder:
        """Learn to the end. Returns the encoder."""
        if self.done:
            return self.student.encoder
        teacher = teacher.to(self.device, memory_format=torch.channels_last)
        bar = tqdm(total=round(self.settings.minutes * 60), initial=round(self.seconds), desc="distilling", unit="s", disable=None)
        start = saved = time.monotonic()
        for clean, other in self._batches(photos):
            self._learn(clean.to(self.device, non_blocking=True), other.to(self.device, non_blocking=True), teacher)
            self.seconds, start = self.seconds + time.monotonic() - start, time.monotonic()
            bar.update(round(self.seconds) - bar.n)
            bar.set_postfix(loss=f"{self.loss:.3f}", refresh=False)
            if self.step % NOTED == 0 or self.done:
                self._note()
            if self.done:
                break
            if start - saved > SAVE_S:
                self.save()
                saved = start
        bar.close()
        self.save()
        return self.student.encoder

    def save(self) -> None:
        """Write the checkpoint: beside, then renamed."""
        content = {"student": self.student.state_dict(), "optimizer": self._optimizer.state_dict(), "step": self.step, "seconds": self.seconds,
                   "loss": self.loss}
        save_checkpoint(self.folder / CHECKPOINT, content, self.settings)

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        try:
            kept = load_checkpoint(path, self.settings, self.device)
            self.student.load_state_dict(kept["student"])
            self._optimizer.load_state_dict(kept["optimizer"])
            self.step, self.seconds, self.loss = int(kept["step"]), float(kept["seconds"]), float(kept["loss"])
        except UNREADABLE as error:
            raise unreadable(path, "this distillation", error) from error

    def _batches(self, photos: list[Photo]) -> torch.utils.data.DataLoader:
        """Batches from the step on at which the run stands."""
        cv2.setNumThreads(1)    # ends OpenCV's threads, which a worker would inherit as locks that nobody opens
        crops = Crops(photos, self.settings.seed, 10**8, self.step * self.settings.batch)
        return torch.utils.data.DataLoader(crops, self.settings.batch, num_workers=self.settings.workers, pin_memory=self.device.type == "cuda",
                                           **({"prefetch_factor": 6} if self.settings.workers else {}))

    def _learn(self, clean: torch.Tensor, other: torch.Tensor, teacher: Teacher) -> None:
        done = min(1.0, self.seconds / (self.settings.minutes * 60))
        for group in self._optimizer.param_groups:
            group["lr"] = RATE * (0.5 * (1 + math.cos(math.pi * done)) + LAST_RATE) * min(1.0, (self.step + 1) / WARM_UP)
        loss = self.student.loss(_last(other), teacher, _last(clean))
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), GRADIENT)
        self._optimizer.step()
        self.step += 1
        value = float(loss.detach())
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value

    def _note(self) -> None:
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(self.loss, 4)}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _last(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

"""The loop: from pairs to weights, to be stopped and gone on with at any time."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch import nn
from tqdm import tqdm

from umad_patrol.train.checkpoint import UNREADABLE, load_checkpoint, save_checkpoint, unreadable
from umad_patrol.train.loss import change_loss
from umad_patrol.train.validate import Scores, validate

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
ENCODER_RATE = 0.3      # learning rate of an encoder that has had lessons against that of the rest
WARM_UP = 50            # steps
LAST_RATE = 0.01
AVERAGED = 0.998        # the shipped weights are a running mean of the trained ones
GRADIENT = 2.0          # largest norm
SAVE_S = 120.0


@dataclass(frozen=True)
class TrainSettings:
    """How long and how. `minutes` are of training, over all sessions of a run; a checkpoint of another `seed` or `batch` is refused."""

    minutes: float = 150.0
    batch: int = 6
    rate: float = 2e-3
    seed: int = 1
    workers: int = 1
    validate_every: int = 500
    half: bool = False
    encoder_rate: float = ENCODER_RATE


class Trainer:
    """Trains a network in a folder that holds its checkpoint and its log; goes on from there if there is one."""

    def __init__(self, network: nn.Module, folder: str | Path, settings: TrainSettings, device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.folder, self.settings, self.device = Path(folder), settings, device
        self.step, self.seconds = 0, 0.0
        self._optimizer = torch.optim.AdamW(_groups(self.network, settings), weight_decay=1e-4)
        self._scaler = torch.amp.GradScaler(device.type, enabled=settings.half and device.type == "cuda")
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT).is_file():
            self._load()

    @property
    def done(self) -> bool:
        """Whether the time is used up."""
        return self.seconds >= self.settings.minutes * 60

    def run(self, pairs: Callable[[int], torch.utils.data.Dataset], held_out: list[tuple[torch.Tensor, ...]],
            noted: Callable[[], None] = lambda: None) -> Scores:
        """Train to the end on `pairs(start)`, the data set from item `start` on; `noted` is called after each line of the log.

        Returns the last scores on `held_out`.
        """
        bar = tqdm(total=round(self.settings.minutes * 60), initial=round(self.seconds), desc="training", unit="s", disable=None)
        saved, mean = time.monotonic(), None
        for batch in () if self.done else self._batches(pairs):
            start = time.monotonic()
            loss = self._learn(batch)
            mean = loss if mean is None else 0.98 * mean + 0.02 * loss
            self.seconds += time.monotonic() - start + batch[-1]
            bar.update(round(self.seconds) - bar.n)
            bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
            if self.done:
                break
            if self.step % self.settings.validate_every == 0:
                self._note(mean, validate(self.average, held_out, self.device))
                noted()
            if time.monotonic() - saved > SAVE_S:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.save()
        scores = validate(self.average, held_out, self.device)
        if mean is not None:
            self._note(mean, scores)
            noted()
        return scores

    def save(self) -> None:
        """Write the checkpoint: beside, then renamed."""
        content = {"network": self.network.state_dict(), "average": self.average.state_dict(), "optimizer": self._optimizer.state_dict(),
                   "scaler": self._scaler.state_dict(), "step": self.step, "seconds": self.seconds}
        save_checkpoint(self.folder / CHECKPOINT, content, self.settings)

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        try:
            kept = load_checkpoint(path, self.settings, self.device)
            self.network.load_state_dict(kept["network"])
            self.average.load_state_dict(kept["average"])
            self._optimizer.load_state_dict(kept["optimizer"])
            self._scaler.load_state_dict(kept["scaler"])
            self.step, self.seconds = int(kept["step"]), float(kept["seconds"])
        except UNREADABLE as error:
            raise unreadable(path, "this network", error) from error

    def _batches(self, pairs: Callable[[int], torch.utils.data.Dataset]) -> Iterator[tuple]:
        """Batches from the step on at which the run stands, each with the seconds that were waited for it."""
        cv2.setNumThreads(1)    # ends OpenCV's threads, which a worker would inherit as locks that nobody opens
        loader = torch.utils.data.DataLoader(pairs(self.step * self.settings.batch), self.settings.batch, num_workers=self.settings.workers,
                                             drop_last=True, pin_memory=self.device.type == "cuda",
                                             **({"prefetch_factor": 6, "persistent_workers": True} if self.settings.workers else {}))
        start = time.monotonic()
        for batch in loader:
            yield *batch, time.monotonic() - start
            start = time.monotonic()

    def _learn(self, batch: tuple) -> float:
        query, reference, valid, target, weight = (part.to(self.device, non_blocking=True) for part in batch[:5])
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * self._rate()
        with torch.autocast(self.device.type, torch.float16 if self.device.type == "cuda" else torch.bfloat16, enabled=self.settings.half):
            logits = self.network(_scaled(query), _scaled(reference), valid)
        loss = change_loss(logits, target, weight)
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.step += 1
        self._follow()
        return float(loss.detach())

    def _rate(self) -> float:
        """Share of the learning rate now: a short rise, then a cosine down over the time that is given."""
        done = min(1.0, self.seconds / (self.settings.minutes * 60))
        return min(1.0, (self.step + 1) / WARM_UP) * (LAST_RATE + 0.5 * (1 - LAST_RATE) * (1 + math.cos(math.pi * done)))

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(AVERAGED, self.step / (self.step + 20))
        for mine, new in zip(self.average.state_dict().values(), self.network.state_dict().values()):
            mine.lerp_(new, 1 - keep) if mine.dtype.is_floating_point else mine.copy_(new)

    def _note(self, loss: float, scores: Scores) -> None:
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(loss, 4), **scores.row()}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        tqdm.write("  ".join(f"{name} {value}" for name, value in line.items()), file=sys.stderr)


def _groups(network: nn.Module, settings: TrainSettings) -> list[dict]:
    """The encoder learns at a rate of its own."""
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.")]
    rest = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": part, "base": base, "lr": base} for part, base in ((encoder, settings.rate * settings.encoder_rate), (rest, settings.rate))]
    return [group for group in groups if group["params"]]


def _scaled(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures.float() / 255).contiguous(memory_format=torch.channels_last)

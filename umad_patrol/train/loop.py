"""Learning for the time that is given, to be stopped and gone on with at any time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import nn
from tqdm import tqdm

from umad_patrol.train.checkpoint import UNREADABLE, load_checkpoint, save_checkpoint, unreadable
from umad_patrol.train.signals import undisturbed

WARM_UP = 50        # steps
LAST_RATE = 0.01    # share of the learning rate at the end
GRADIENT = 2.0      # largest norm
SAVE_S = 120.0
SMOOTH = 0.98       # the loss that is shown is a running mean


class Loop:
    """Learns batch by batch in a folder that holds its checkpoint and its log; goes on from there if there is one.

    `settings` has minutes, batch, seed and workers. A subclass names its files and itself, learns with `_learn` from a batch
    (returning the loss, detached) and with `_note` what goes into the log every `_every` steps and at the end, and lists in
    `_parts` what has a state to keep.
    """

    CHECKPOINT = LOG = NAME = OF = ""
    _every = 1

    def __init__(self, folder: str | Path, settings: Any, device: torch.device, parts: dict[str, Any]) -> None:
        self.folder, self.settings, self.device = Path(folder), settings, device
        self.step, self.seconds = 0, 0.0
        self.loss: float | torch.Tensor = math.nan      # on a GPU a number only when asked for: it would have to be waited for
        self._parts = parts
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / self.CHECKPOINT).is_file():
            self._load()

    @property
    def done(self) -> bool:
        """Whether the time is used up."""
        return self.seconds >= self.settings.minutes * 60

    def save(self) -> None:
        """Write the checkpoint: beside, then renamed."""
        states = {name: part.state_dict() for name, part in self._parts.items()}
        save_checkpoint(self.folder / self.CHECKPOINT, {**states, "step": self.step, "seconds": self.seconds, "loss": float(self.loss)}, self.settings)

    def _go_on(self, batches: Iterable[Any]) -> None:
        """Learn from one batch after the other until the time is used up."""
        with tqdm(total=round(self.settings.minutes * 60), initial=round(self.seconds), desc=self.NAME, unit="s", disable=None) as bar:
            try:
                self._learn_all(batches, bar)
            except KeyboardInterrupt:   # between two steps
                self.save()
                raise
        self.save()

    def _learn_all(self, batches: Iterable[Any], bar: tqdm) -> None:
        start, saved = math.nan, time.monotonic()
        for batch in batches:
            start = time.monotonic() if math.isnan(start) else start    # what has to be got ready first is no learning
            with undisturbed():     # half a step is no state to go on from
                loss = self._learn(batch)
                self.step += 1
                self.loss = loss if self.step == 1 else SMOOTH * self.loss + (1 - SMOOTH) * loss
                self.seconds += time.monotonic() - start
            if bar.update(round(self.seconds) - bar.n):
                bar.set_postfix(loss=f"{float(self.loss):.3f}", refresh=False)
            if self.step % self._every == 0 and not self.done:
                self._note()
            if self.done:
                break
            start = time.monotonic()
            if start - saved > SAVE_S:
                self.save()
                saved = start

    def _learn(self, batch: Any) -> torch.Tensor:
        raise NotImplementedError

    def _note(self) -> None:
        raise NotImplementedError

    def _descend(self, loss: torch.Tensor, network: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None = None) -> torch.Tensor:
        """One step down the loss at the rate of now, of each group's `base`, along a gradient that is held short. Returns the loss, detached."""
        scaler = scaler or torch.amp.GradScaler(self.device.type, enabled=False)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * self._rate()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT)
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    def _write_line(self, more: dict[str, Any]) -> dict[str, Any]:
        """Add a line to the log. Returns it."""
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(float(self.loss), 4), **more}
        path = self.folder / self.LOG
        cut_off = path.is_file() and not path.read_bytes().endswith(b"\n")     # a run was, in the middle of a line
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" * cut_off + json.dumps(line) + "\n")
        return line

    def _rate(self) -> float:
        """Share of the learning rate now: a short rise, then a cosine down over the time that is given."""
        done = min(1.0, self.seconds / (self.settings.minutes * 60))
        return min(1.0, (self.step + 1) / WARM_UP) * (LAST_RATE + 0.5 * (1 - LAST_RATE) * (1 + math.cos(math.pi * done)))

    def _loader(self, items: torch.utils.data.Dataset) -> torch.utils.data.DataLoader:
        cv2.setNumThreads(1)    # ends OpenCV's threads, which a worker would inherit as locks that nobody opens
        ahead = {"prefetch_factor": 6, "persistent_workers": True} if self.settings.workers else {}
        return torch.utils.data.DataLoader(items, self.settings.batch, num_workers=self.settings.workers, drop_last=True,
                                           pin_memory=self.device.type == "cuda", **ahead)

    def _load(self) -> None:
        path = self.folder / self.CHECKPOINT
        try:
            kept = load_checkpoint(path, self.settings, self.device)
            for name, part in self._parts.items():
                part.load_state_dict(kept[name])
            self.step, self.seconds, self.loss = int(kept["step"]), float(kept["seconds"]), float(kept["loss"])
        except UNREADABLE as error:
            raise unreadable(path, self.OF, error) from error

"""A network of its own for the closer look: it learns from windows in which the network that looks first says that something is perhaps new."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from umad_patrol.config import OWN_REGIONS
from umad_patrol.detect.change_net.closer import CLOSER, LEAST, SIDE_PX, find_windows, place
from umad_patrol.detect.change_net.enlarged import enlarged
from umad_patrol.detect.change_net.folded import folded
from umad_patrol.detect.change_net.laid import lay
from umad_patrol.detect.change_net.network import OUTPUT_STRIDE, ChangeNet, less_gone
from umad_patrol.errors import TrainingError
from umad_patrol.train.echo import echoed
from umad_patrol.train.loop import Loop
from umad_patrol.train.loss import agreement_loss, change_loss
from umad_patrol.train.moved import moved
from umad_patrol.train.trainer import CHECKPOINT, LOG, Mean, TrainSettings, parameter_groups

MOST = 8            # windows of a pair
AT_ONCE = 48        # windows a step
POOL = 8192         # windows at hand, 0.6 GB
BARREN = 200        # pairs without a window, at which it is given up
ELSEWHERE = 0.25    # what weighs so much: what is said where nothing is perhaps new, and of *dynamic* and *changed*, which nobody asks for
FALSE = 0.03        # of the windows that show nothing new are called new by both looks: with that the made pairs have 0.1 false regions each at most
SEEN_PX = 10        # of a new thing, or it is neither asked for nor nothing
SAID = OWN_REGIONS["change_net"]["threshold"]
Batch = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Told:
    """Of windows in which something is new, and of those in which nothing is, how many are said to hold something new: by the first look, by both.

    Of a network that was lowered on the same windows the false share of both is FALSE at most by making; what it still finds is what tells.
    """

    new: int
    nothing: int
    first: tuple[int, int]
    both: tuple[int, int]

    def row(self) -> dict:
        """For the log."""
        shares = {f"{kind}_{who}": round(said / max(1, of), 4) for who in ("first", "both")
                  for kind, said, of in zip(("found", "false"), getattr(self, who), (self.new, self.nothing))}
        return {"windows_new": self.new, "windows_nothing": self.nothing, **shares}


class CloserTrainer(Loop):
    """Teaches a network to look closer at what `first`, which stays as it is, says to be perhaps new: `closer`, or a copy of the first.

    Normalisations stay as they are, as in use. What small things are made of it learns from few pixels that weigh much, and so says too often that
    something is new: `taught`, the running mean of the weights, is lowered to call no more than FALSE of what is held out new. A run that was cut off
    goes on with other windows than it would have had.
    """

    CHECKPOINT, LOG, NAME, OF = CHECKPOINT, LOG, "learning to look closer", "this network"

    def __init__(self, first: ChangeNet, folder: str | Path, settings: TrainSettings, device: torch.device, closer: ChangeNet | None = None) -> None:
        self._first = folded(first).to(device, memory_format=torch.channels_last)
        self.network = copy.deepcopy(closer or first).to(device, memory_format=torch.channels_last).eval().requires_grad_(True)
        self._mean = Mean(self.network)
        self.taught = self._mean.network
        self._every = settings.validate_every
        self._optimizer = torch.optim.AdamW(parameter_groups(self.network, settings), weight_decay=1e-4, fused=device.type == "cuda")
        self._held_out: list[Batch] = []
        super().__init__(folder, settings, device, {"network": self.network, "average": self._mean.network, "optimizer": self._optimizer})

    def run(self, pairs: Callable[[int], torch.utils.data.Dataset], held_out: list[Batch]) -> Told:
        """Learn to the end from windows of `pairs(start)`, the data set from item `start` on. Returns the last figures on windows of `held_out`."""
        draw = torch.Generator().manual_seed(0)
        windows = [self._windows(tuple(part[None] for part in pair), draw) for pair in held_out]
        self._held_out = list(zip(*(torch.cat(parts).split(AT_ONCE) for parts in zip(*windows))))
        if self.done:
            return self._lowered()
        draw.manual_seed(self.settings.seed + self.step)
        batches = self._loader(pairs(self.step // self.settings.echo * AT_ONCE // MOST))
        self._go_on(echoed(self._at_once(batches, draw), self.settings.echo, self.device, lambda _: draw, POOL))
        return self._note()

    def _at_once(self, batches: Iterable[Batch], draw: torch.Generator) -> Iterator[Batch]:
        """The windows of one batch of pairs after the other, AT_ONCE at a time."""
        waiting: Batch = ()
        barren = 0
        for batch in batches:
            come = self._windows(batch, draw)
            barren = 0 if len(come[0]) else barren + len(batch[0])
            if barren >= BARREN:
                raise TrainingError(f"in {barren} pairs the network that looks first says nowhere that something small is perhaps new: give --init one that "
                                    "has learnt")
            waiting = tuple(map(torch.cat, zip(waiting, come))) if waiting else come
            while len(waiting[0]) >= AT_ONCE:
                yield tuple(part[:AT_ONCE] for part in waiting)
                waiting = tuple(part[AT_ONCE:] for part in waiting)

    def _windows(self, batch: Batch, draw: torch.Generator) -> Batch:
        return windows_of(self._first, tuple(part.to(self.device, non_blocking=True) for part in batch), draw)

    def _learn(self, batch: Batch) -> torch.Tensor:
        query, reference, valid, target, weight, _, perhaps = (part.float() for part in batch)
        said, exchanged = _says_both_ways(self.network, query, reference, valid)
        asked = torch.full_like(target, ELSEWHERE)
        asked[:, :1] += (1 - ELSEWHERE) * perhaps
        loss = change_loss(less_gone(said), target, weight * valid * asked) + agreement_loss(said[:, 3:], exchanged[:, :1], valid)
        loss = self._descend(loss, self.network, self._optimizer)
        self._mean.follow(self.network, self.step + 1)
        return loss

    def _note(self) -> Told:
        told = self._lowered()
        line = self._write_line(told.row())
        tqdm.write("  ".join(f"{name} {value}" for name, value in line.items()), file=sys.stderr)
        return told

    def _lowered(self) -> Told:
        self.taught = copy.deepcopy(self._mean.network)
        lower(self.taught, doubt(self.taught, self._held_out))
        return told_apart(self.taught, self._held_out)


@torch.no_grad()
def windows_of(first: ChangeNet, batch: Batch, draw: torch.Generator) -> Batch:
    """Windows of samples as `data.tensors` gives them, `(N, C, SIDE_PX, SIDE_PX)`: the five of each, what `first` scores (float16), and where
    something is perhaps new (uint8).

    `first` has references' features laid that are seen from beside; a closer look sees them laid, as the samples have them: as in use.
    """
    query, reference, valid = batch[:3]
    pictures = [(part.float() / 255).contiguous(memory_format=torch.channels_last) for part in (query, reference)]
    elsewhere = moved(pictures[1], valid.float(), draw)
    logits = first.compare(first.encode(pictures[0]), lay(first.encode(elsewhere.pictures), elsewhere.seen), elsewhere.valid)
    scores = enlarged(logits[:, :1].float().sigmoid()) * elsewhere.valid
    planes = (*batch, scores.half())
    found = [(number, window) for number, new in enumerate(scores[:, 0].cpu().numpy()) for window in find_windows(new, MOST)]
    if not found:
        return tuple(part.new_empty(0, part.shape[1], SIDE_PX, SIDE_PX) for part in (*planes, valid.byte()))
    cut = [torch.stack([plane[(number, slice(None), *place(window))] for number, window in found]) for plane in planes]
    return (*cut, torch.stack([torch.from_numpy(window.perhaps)[None] for _, window in found]).to(query.device, torch.uint8))


def _says_both_ways(network: ChangeNet, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """As ChangeNet's, of windows, float in [0, 255], enlarged as `look_closer` does it."""
    large = (enlarged(part / 255, "bicubic").clamp_(0, 1).contiguous(memory_format=torch.channels_last) for part in (query, reference))
    return network.says_both_ways(*large, F.interpolate(valid, scale_factor=float(OUTPUT_STRIDE)))


@torch.no_grad()
def told_apart(network: ChangeNet, windows: list[Batch]) -> Told:
    """How a network that looks closer does on windows, batch by batch, with what the first look said."""
    new, nothing, loudest = _loudest(network, windows)
    loud = loudest >= torch.logit(torch.tensor(SAID))
    return Told(int(new.sum()), int(nothing.sum()), *((int((said & new).sum()), int((said & nothing).sum())) for said in loud))


@torch.no_grad()
def doubt(network: ChangeNet, windows: list[Batch]) -> float:
    """By how much its logits of *anomaly* are to be lowered for both looks to call no more than FALSE of the windows new that show nothing new."""
    _, nothing, (_, both) = _loudest(network, windows)
    if not nothing.any():
        return 0.0
    return max(0.0, float(both[nothing].quantile(1 - FALSE) - torch.logit(torch.tensor(SAID))) / CLOSER)


@torch.no_grad()
def lower(network: ChangeNet, by: float) -> None:
    """Lower its logits of *anomaly* by so much, for good."""
    network.out[-1].bias[:OUTPUT_STRIDE ** 2] -= by


def _loudest(network: ChangeNet, windows: list[Batch]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Window by window: whether it shows something new, whether nothing, and the highest logits `(2, N)` of the first look and of both."""
    new, nothing, loudest = [], [], []
    for query, reference, valid, target, weight, scores, perhaps in ((part.float() for part in batch) for batch in windows):
        if not len(query):
            continue
        first, again = torch.logit(scores, LEAST), less_gone(_says_both_ways(network, query, reference, valid)[0])[:, :1]
        shown = target[:, :1] * perhaps
        new.append((shown * (weight[:, :1] > 0)).sum((1, 2, 3)) >= SEEN_PX)
        nothing.append(shown.sum((1, 2, 3)) == 0)
        loudest.append(torch.stack([logits.where(perhaps > 0, -torch.inf).amax((1, 2, 3)) for logits in (first, first.lerp(again, CLOSER))]))
    if not new:
        return torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.bool), torch.zeros(2, 0)
    return torch.cat(new).cpu(), torch.cat(nothing).cpu(), torch.cat(loudest, 1).cpu()

"""From pairs to weights."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from umad_patrol.detect.change_net.network import ChangeNet, less_gone
from umad_patrol.train.echo import POOL, echoed
from umad_patrol.train.loop import Loop
from umad_patrol.train.loss import agreement_loss, change_loss
from umad_patrol.train.moved import moved
from umad_patrol.train.validate import Scores, validate

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
ENCODER_RATE = 0.3      # learning rate of an encoder that has had lessons against that of the rest
HELD_SHARE = 0.2        # of the time, at its end, in which normalisations hold what they have seen: as in use, and unlike batches
SEEDS = 10**9           # steps that no run reaches
ABOUT_NEW_PX = 2        # so near to what is new nothing is kept
MISTAKEN, MISTAKEN_GAIN = -0.8, 4.0     # logit, a score of 0.3: what the network that is kept so calls new and is not weighs 1 + this, and is not kept
AVERAGED = 0.998        # the shipped weights are a running mean of the trained ones


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
    held_share: float = HELD_SHARE
    keep: float = 0.0
    echo: int = 1


class Trainer(Loop):
    """Trains a network in a folder that holds its checkpoint and its log; goes on from there if there is one.

    Of references it learns to have the features laid, and to say to be gone what it says to be new where the pictures are exchanged.
    With `settings.keep` it also learns, weighted so, to say of them what `kept`, a network that stays as it is, says of the reference's
    picture laid; but of what is new, and of what that one mistakes for new, the truth alone is heeded.
    """

    CHECKPOINT, LOG, NAME, OF = CHECKPOINT, LOG, "training", "this network"

    def __init__(self, network: nn.Module, folder: str | Path, settings: TrainSettings, device: torch.device, kept: ChangeNet | None = None) -> None:
        self._kept = kept.to(device, memory_format=torch.channels_last).eval().requires_grad_(False) if kept is not None else None
        self.network = network.to(device, memory_format=torch.channels_last)
        self._mean = Mean(self.network)
        self._every = settings.validate_every
        self._optimizer = torch.optim.AdamW(parameter_groups(self.network, settings), weight_decay=1e-4, fused=device.type == "cuda")
        self._scaler = torch.amp.GradScaler(device.type, enabled=settings.half and device.type == "cuda")
        self._held_out: list[tuple[torch.Tensor, ...]] = []
        self._noted: Callable[[], None] = lambda: None
        super().__init__(folder, settings, device, {"network": self.network, "average": self.average, "optimizer": self._optimizer,
                                                    "scaler": self._scaler})

    @property
    def average(self) -> nn.Module:
        """The running mean of the weights: what ships."""
        return self._mean.network

    def run(self, pairs: Callable[[int], torch.utils.data.Dataset], held_out: list[tuple[torch.Tensor, ...]],
            noted: Callable[[], None] = lambda: None) -> Scores:
        """Train to the end on `pairs(start)`, the data set from item `start` on; `noted` is called after each line of the log.

        Returns the last scores on `held_out`.
        """
        if self.done:
            return validate(self.average, held_out, self.device)
        self._held_out, self._noted = held_out, noted
        times, batch = self.settings.echo, self.settings.batch
        first = self.step // times if times == 1 else max(0, self.step // times + 1 - math.ceil(POOL / batch))    # the pool is filled as it was
        batches = self._loader(pairs(first * batch))
        self._go_on(batches if times == 1 else echoed(batches, times, self.device, lambda step: self._dice(SEEDS // 2 + step), first=first, begin=self.step))
        return self._note()

    def _dice(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.settings.seed * SEEDS + step)

    def _learn(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        query, reference, valid, target, weight = (part.to(self.device, non_blocking=True).float() for part in batch)
        self._hold_normalisations()
        with torch.autocast(self.device.type, torch.float16 if self.device.type == "cuda" else torch.bfloat16, enabled=self.settings.half):
            loss = self._loss(_scaled(query), _scaled(reference), valid, target, weight)
        loss = self._descend(loss, self.network, self._optimizer, self._scaler)
        self._mean.follow(self.network, self.step + 1)
        return loss

    def _loss(self, query: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if not isinstance(self.network, ChangeNet):
            torch.manual_seed(self.settings.seed * SEEDS + self.step)   # what it drops out, a run that was cut off drops out as well
            return change_loss(self.network(query, reference, valid), target, weight)
        elsewhere = moved(reference, valid, self._dice(self.step))
        said, exchanged = self.network.says_both_ways(query, elsewhere.pictures, elsewhere.valid, elsewhere.seen)
        gone = agreement_loss(said[:, 3:], exchanged[:, :1].float(), elsewhere.valid)
        now, weight = less_gone(said), weight * elsewhere.valid
        if self._kept is None:
            return change_loss(now, target, weight) + gone
        with torch.no_grad():
            before = self._kept(query, reference, valid).float()
            nothing = 1 - F.max_pool2d(target[:, :1], 2 * ABOUT_NEW_PX + 1, 1, ABOUT_NEW_PX)
            mistaken = nothing * F.interpolate((before[:, :1] > MISTAKEN).float(), size=target.shape[-2:])
            weight = torch.cat([weight[:, :1] * (1 + MISTAKEN_GAIN * mistaken), weight[:, 1:]], 1)
        heeded = elsewhere.valid * nothing * (1 - mistaken)
        return change_loss(now, target, weight) + gone + self.settings.keep * agreement_loss(now, before, heeded)

    def _hold_normalisations(self) -> None:
        """Near the end batches are normalised as single pictures will be: else what is rare in a batch can run away in use."""
        hold = self.seconds >= (1 - self.settings.held_share) * self.settings.minutes * 60
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not hold)

    def _note(self) -> Scores:
        scores = validate(self.average, self._held_out, self.device)
        line = self._write_line(scores.row())
        tqdm.write("  ".join(f"{name} {value}" for name, value in line.items()), file=sys.stderr)
        self._noted()
        return scores


class Mean:
    """A running mean of a network's weights, and of what its normalisations have seen: `network`, in eval mode."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, steps: int) -> None:
        """Take in the weights after so many steps."""
        keep = min(AVERAGED, steps / (steps + 20))
        both = [pair for pair in zip(self.network.state_dict().values(), network.state_dict().values()) if pair[0].dtype.is_floating_point]
        get_ema_multi_avg_fn(keep)(*map(list, zip(*both)), None)


def parameter_groups(network: nn.Module, settings: TrainSettings) -> list[dict]:
    """The encoder learns at a rate of its own."""
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.")]
    rest = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": part, "base": base, "lr": base} for part, base in ((encoder, settings.rate * settings.encoder_rate), (rest, settings.rate))]
    return [group for group in groups if group["params"]]


def _scaled(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures / 255).contiguous(memory_format=torch.channels_last)

"""What the halves of the change network are asked as pairs are compared: ranges of a graph in 8 bits are taken from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from umad_patrol.config import DetectSettings, Settings
from umad_patrol.detect.change_net import ChangeNetDetector
from umad_patrol.detect.change_net.engines import Engine
from umad_patrol.detect.change_net.graphs import INPUTS, fed
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.compare import PairComparer
from umad_patrol.evaluate.detection import read_truth
from umad_patrol.evaluate.pairs import Pair

PAIRS = 40          # of all, evenly chosen
LOOKS = 8           # closer ones a pair
Feeds = dict[str, np.ndarray]


class Asked:
    """The inputs by name of `encode` and `compare`, of the network that looks first or closer, one after the other as `pairs` are compared.

    They are made anew each time, pair by pair: all of them would take gigabytes.
    """

    def __init__(self, weights: str, pairs: list[Pair]) -> None:
        settings = DetectSettings(weights=weights, engine="torch", closer_looks=LOOKS)
        self._detector = ChangeNetDetector(settings)
        self._first, self._closer = _Noted(self._detector.engine), _Noted(self._detector.closer_engine)
        self._detector.engine, self._detector.closer_engine = self._first, self._closer
        self._comparer = PairComparer(replace(Settings(), device="cpu", detect=settings), align=False, detector=self._detector)
        count = min(PAIRS, len(pairs))
        self._pairs = [pairs[number * len(pairs) // count] for number in range(count)]

    def of(self, part: str, closer: bool) -> Iterator[Feeds]:
        """Raises DatasetError where nothing is asked: where in no pair is anything to look at closer."""
        count = 0
        for pair in tqdm(self._pairs, f"{'closer ' * closer}{part}", unit="pair", disable=None):
            reference, query = pair.pictures()
            truth = read_truth(pair, query.shape[:2])
            self._comparer.compare(reference, query, truth.valid, truth.horizon)
            noted = (self._closer if closer else self._first).taken(part)
            count += len(noted)
            yield from noted
        if not count:
            raise DatasetError(f"in these {len(self._pairs)} pairs nothing is perhaps new and looked at closer; give pairs that show new things")


class _Noted:
    """An engine that notes what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.name, self._engine = engine.name, engine
        self._asked: dict[str, list[Feeds]] = defaultdict(list)

    def encode(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._run("encode", (picture,), lambda: self._engine.encode(picture))

    def compare(self, query: tuple[torch.Tensor, ...], reference: tuple[torch.Tensor, ...], valid: torch.Tensor) -> torch.Tensor:
        return self._run("compare", (*query, *reference, valid), lambda: self._engine.compare(query, reference, valid))

    def taken(self, part: str) -> list[Feeds]:
        """What was asked since the last time; all else is forgotten."""
        asked = self._asked.pop(part, [])
        self._asked.clear()
        return asked

    def _run(self, part: str, tensors: tuple[torch.Tensor, ...], call: Callable[[], Any]) -> Any:
        self._asked[part].append(fed(INPUTS[part], tensors))
        return call()

"""Pairs that were taken, not made: a folder of pairs, UMAD-1.0, or a change set, cut and varied into samples as the data engine's."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.change_sets import ChangePair, find_changes, is_change_set
from umad_patrol.evaluate.pairs import Pair, find_pairs, place_of
from umad_patrol.evaluate.umad_data import UmadPair, decode_labels, find_umad, read_labels
from umad_patrol.evaluate.warp_border import shown
from umad_patrol.io.images import read_mask
from umad_patrol.train.data import SEEN_PX, SIDE_PX, Sample, heed, tensors
from umad_patrol.train.photometric import photometric, random_softness, softened
from umad_patrol.train.photos import HELD_OUT
from umad_patrol.train.residual import laid, residual_lookup

_LOG = logging.getLogger(__name__)
SMALLEST_SCALE, LARGEST_SCALE = 0.7, 2.0
WITH_ANOMALY = 0.5      # of the crops, where there is an anomaly to hold
RESIDUAL = 0.25         # of the data engine's residual: such pairs bring their own
NEVER_TRAINED = "test"  # the split of a change set that is left for scoring
TOGETHER = 8            # items in a row that are of one pair, whether all of them are asked for or, mixed with made ones, some
NUMBER = re.compile(r"\d{1,20}$")    # at the end of a name
STRETCHES, GAPS = 10, 5     # of one place; and the fifth part of one at most lies between what is held back and what is trained on


@dataclass(frozen=True, eq=False)
class Labelled:
    """A pair and its labels: pictures `(H, W, 3)` uint8 RGB, `valid` `(H, W)` bool, `query_shows` and `reference_shows` `(3, H, W)` bool.

    `known` says of each class whether the labels tell of it at all.
    """

    query: np.ndarray
    reference: np.ndarray
    valid: np.ndarray
    query_shows: np.ndarray
    reference_shows: np.ndarray
    known: tuple[bool, bool, bool]


@dataclass(frozen=True)
class RealPair:
    """One pair by its files, read when asked for; pairs of one `place` are trained on together or held back together."""

    source: Pair | UmadPair | ChangePair
    place: str

    @property
    def name(self) -> str:
        """What tells it from others: its folders and the name of its query."""
        return "/".join(self.source.query.parts[-3:])

    def read(self) -> Labelled:
        """Raises ImageError or DatasetError naming the file that cannot be read or does not fit the others."""
        reference, query = self.source.pictures()
        size = query.shape[:2]
        if reference.shape != query.shape:
            raise ImageError(f"{self.source.query} and its reference differ in size")
        if isinstance(self.source, ChangePair):
            nothing = np.zeros(size, bool)
            shows, known = (np.stack([self.source.changed(size), nothing, nothing]), np.zeros((3, *size), bool)), (True, False, False)
        else:
            labels = self.source.labels() if isinstance(self.source, UmadPair) else read_labels(self.source.labels)
            if labels.shape != size:
                raise DatasetError(f"the labels of {self.source.query} are of another size")
            shows, known = _shown_by(labels), (True, True, True)
        return Labelled(_rgb(query), _rgb(reference), self._valid(reference), *shows, known)

    def _valid(self, reference: np.ndarray) -> np.ndarray:
        """As the pair's file has it, else all but the black that a warp left at the border."""
        path = getattr(self.source, "valid", None)
        if path is None:
            return shown(reference)
        valid = read_mask(path)
        if valid.shape != reference.shape[:2]:
            raise DatasetError(f"{path} is not of the size of its pictures")
        return valid


def find_real(pairs: str | Path | None, umad: str | Path | None, hold: Iterable[str] = ()) -> tuple[list[RealPair], list[RealPair]]:
    """The pairs of a folder of pairs and of UMAD-1.0 or a change set, to train on and held back.

    `hold` names UMAD's scenes or sequences to hold back; else, and of the other kinds, a tenth of the places are, by their names. Of a folder of
    pairs the place is what poses.yaml says, or the name up to the last "_"; frames of one place, named by their stamps, are held back by stretches.
    Raises DatasetError, also for `hold` where there are no scenes.
    """
    training, held = [], []
    if pairs is not None:
        training, held = _of_folder(find_pairs(pairs, ("labels",)))
    if umad is not None:
        more = _changes(umad, tuple(hold)) if is_change_set(umad) else _umad(umad, tuple(hold))
        training, held = training + more[0], held + more[1]
    return training, held


def _of_folder(pairs: list[Pair]) -> tuple[list[RealPair], list[RealPair]]:
    """By place where there are several; frames of one place, of which the names end in numbers as stamps are, by stretches of them, and none next to
    one that is held back is trained on; else pair by pair."""
    places = [place_of(pair) for pair in pairs]
    numbers = [found[0] for pair in pairs if (found := NUMBER.search(pair.id))]
    if 1 < len(set(places)) < len(pairs):
        return _split([RealPair(pair, place) for pair, place in zip(pairs, places)])
    if not STRETCHES <= len(pairs) == len(numbers):
        return _split([RealPair(pair, pair.id) for pair in pairs])
    ordered = [pair for _, pair in sorted(zip(map(int, numbers), pairs), key=lambda item: item[0])]
    stretches = [rank * STRETCHES // len(ordered) for rank in range(len(ordered))]
    training, held = _split([RealPair(pair, f"stretch {stretch}") for pair, stretch in zip(ordered, stretches)])
    ranks, gap = {pair.id: rank for rank, pair in enumerate(ordered)}, max(1, len(ordered) // (STRETCHES * GAPS))
    taken = [ranks[pair.source.id] for pair in held]
    return [pair for pair in training if min(abs(ranks[pair.source.id] - rank) for rank in taken) > gap], held


def _changes(root: str | Path, hold: tuple[str, ...]) -> tuple[list[RealPair], list[RealPair]]:
    if hold:
        raise DatasetError(f"--hold {' '.join(hold)} names scenes of UMAD-1.0, and {root} is a change set, which has none: put what is never to be trained "
                           f"on into its split {NEVER_TRAINED}")
    found = [pair for pair in find_changes(root) if pair.scene != NEVER_TRAINED]
    if not found:
        raise DatasetError(f"{root} has a split {NEVER_TRAINED} alone, which is never trained on")
    return _split([RealPair(pair, f"{pair.scene}/{pair.name.partition('_')[0]}") for pair in found])


def _umad(root: str | Path, hold: tuple[str, ...]) -> tuple[list[RealPair], list[RealPair]]:
    found = find_umad(root)
    if not hold:
        return _split([_of_umad(pair) for pair in found])
    training, held = ([_of_umad(pair) for pair in part] for part in found.split(hold))
    if not training:
        raise DatasetError(f"--hold {' '.join(hold)} holds all of {root} back")
    return training, held


def _of_umad(pair: UmadPair) -> RealPair:
    return RealPair(pair, f"{pair.scene}/{pair.sequence}")


def _split(pairs: list[RealPair]) -> tuple[list[RealPair], list[RealPair]]:
    """By place: those whose name falls into a tenth are held back, at least one of several, never all."""
    places = sorted({pair.place for pair in pairs}, key=_number)
    count = min(max(1, sum(_number(place) < HELD_OUT for place in places)), len(places) - 1)
    held = set(places[:count])
    return [pair for pair in pairs if pair.place not in held], [pair for pair in pairs if pair.place in held]


def _number(place: str) -> float:
    """From 0 to 1, the same for the same name."""
    return zlib.crc32(place.encode()) / 2**32


def _shown_by(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What UMAD's bits say of the query and of the reference; "below the horizon" says nothing of either."""
    masks = decode_labels(labels)
    return (np.stack([masks.anomaly, masks.dynamic_query, masks.moved_query]),
            np.stack([np.zeros_like(masks.anomaly), masks.dynamic_reference, masks.moved_reference]))


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, :, ::-1])


def real_sample(pair: Labelled, side: int, rng: np.random.Generator, plain: bool = False) -> Sample:
    """A square of a pair at 0.7 to 2 times its scale, mirrored, in another light and off by a few px; `plain`: only cut."""
    part = _cut(pair, _window(pair, side, rng), side, not plain and rng.random() < 0.5)
    query, reference = part.query, part.reference
    lookup = np.dstack(np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32)))
    if not plain:
        softness = random_softness(rng)
        query, reference = (photometric(softened(image.astype(np.float32) / 255, softness), rng) for image in (query, reference))
        lookup += RESIDUAL * (residual_lookup((side, side), rng) - lookup)
    valid = laid(part.valid.astype(np.uint8), lookup, smooth=False) > 0
    reference = laid(reference, lookup) * valid[..., None]
    there = laid(np.ascontiguousarray(part.reference_shows.transpose(1, 2, 0)).astype(np.float32), lookup).transpose(2, 0, 1) > 0.5
    weight = np.array(pair.known, np.float32)[:, None, None] * valid
    weight[0] *= _heed(part.query_shows[0])
    return Sample(query, reference, valid, (part.query_shows | there).astype(np.float32), weight)


def _window(pair: Labelled, side: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Top, left and side of a square, every other time around one of the anomalies."""
    height, width = pair.valid.shape
    span = int(min(height, width, side / np.exp(rng.uniform(np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE)))))
    low, high = (0, 0), (height - span, width - span)
    if pair.query_shows[0].any() and rng.random() < WITH_ANOMALY:
        count, things = cv2.connectedComponents(pair.query_shows[0].astype(np.uint8))
        places = np.argwhere(things == rng.integers(1, count))
        place = places[int(rng.integers(len(places)))]
        low, high = np.clip(place - span + 1, 0, high), np.clip(place, 0, high)
    top, left = (int(rng.integers(a, b + 1)) for a, b in zip(low, high))
    return top, left, span


def _cut(pair: Labelled, window: tuple[int, int, int], side: int, mirrored: bool) -> Labelled:
    """The window of everything, `side` px wide and high."""
    top, left, span = window

    def cut(plane: np.ndarray, how: int) -> np.ndarray:
        resized = cv2.resize(plane[top:top + span, left:left + span], (side, side), interpolation=how)
        return np.ascontiguousarray(resized[:, ::-1] if mirrored else resized)

    def bits(plane: np.ndarray) -> np.ndarray:
        return cut(plane.astype(np.uint8), cv2.INTER_NEAREST) > 0

    how = cv2.INTER_AREA if span > side else cv2.INTER_LINEAR
    shows = (np.stack([bits(plane) for plane in planes]) for planes in (pair.query_shows, pair.reference_shows))
    return Labelled(cut(pair.query, how), cut(pair.reference, how), bits(pair.valid), *shows, pair.known)


def _heed(anomaly: np.ndarray) -> np.ndarray:
    """Weights `(H, W)` by which small things count as things, as in the data engine; what is too small to be seen counts nothing."""
    _, things, stats, _ = cv2.connectedComponentsWithStats(anomaly.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    weights = np.where(areas < SEEN_PX, 0, heed(areas)).astype(np.float32)
    weights[0] = 1
    return weights[things]


class RealPairs(torch.utils.data.Dataset):
    """Item i, counted from `start`, of a run with a seed: always the same sample of the same pair, as `data.tensors` gives it.

    A pair that cannot be read is told of and passed over, as long as any can. What lies within the same `together` is of one pair, which is read
    once for all of them.
    """

    def __init__(self, pairs: list[RealPair], seed: int, length: int, start: int = 0, plain: bool = False, side: int = SIDE_PX,
                 together: int = TOGETHER) -> None:
        self._pairs, self._seed, self._length, self._start, self._plain, self._side, self._together = pairs, seed, length, start, plain, side, together
        self._read: tuple[int, Labelled] | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        cv2.setNumThreads(1)
        number = self._start + index
        return tensors(real_sample(self._pair(number // self._together), self._side, np.random.default_rng((self._seed, 4, number)), self._plain))

    def _pair(self, group: int) -> Labelled:
        if self._read is None or self._read[0] != group:
            self._read = group, self._drawn(np.random.default_rng((self._seed, 6, group)))
        return self._read[1]

    def _drawn(self, rng: np.random.Generator) -> Labelled:
        """Any pair that can be read. Raises ImageError or DatasetError where none can: a run of hours does not end for less."""
        untried = list(range(len(self._pairs)))
        while True:
            try:
                return self._pairs[untried.pop(int(rng.integers(len(untried))))].read()
            except (ImageError, DatasetError) as error:
                if not untried:
                    raise
                _LOG.warning("%s: passed over", error)


class Mixed(torch.utils.data.Dataset):
    """Item i: in a share of all cases that of `real`, else that of `made`, the same for the same seed and start."""

    def __init__(self, made: torch.utils.data.Dataset, real: torch.utils.data.Dataset, share: float, seed: int, start: int = 0) -> None:
        self._made, self._real, self._share, self._seed, self._start = made, real, share, seed, start

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        of_real = np.random.default_rng((self._seed, 5, self._start + index)).random() < self._share
        return (self._real if of_real else self._made)[index]

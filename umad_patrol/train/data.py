"""The data engine: pairs made of one photograph, with things that are new, gone, moved or swapped, people and vehicles,
and with everything that must not alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

from umad_patrol.detect.change_net.network import CLASSES
from umad_patrol.train import paste, weather
from umad_patrol.train.erase import PERHAPS, SURELY, erased, shown
from umad_patrol.train.photometric import photometric, random_softness, softened
from umad_patrol.train.photos import Photo
from umad_patrol.train.residual import laid, residual_lookup, with_border
from umad_patrol.train.sprites import CYCLIST, PERSON, THING, Sprite
from umad_patrol.train.view import View, far_foot, height_px, random_foot, random_view

SIDE_PX = 320
SMALLEST_PX, LARGEST_THING_PX, LARGEST_DYNAMIC_PX = 6, 320, 420
TINY_PX, TINY_SHARE = 20, 0.33  # so high at most are so many of the things
FAR_PX, FAR_SHARE = (8, 40), 0.2    # so high are so many of the people and vehicles, far away
CLOSE, CLOSE_SHARE = (1.0, 2.8), 0.2    # so many sides of the picture high are so many of those who pass: they show a wheel or legs alone
NEAR_PX = 40                    # what stands in both and looks lower than this is far away, and shows so much less parallax
SEEN_PX = 10                    # fewer pixels of a thing are not asked for
UNSURE = 0.5 * (PERHAPS + SURELY) / 255
HEEDED_PX, MOST_HEED = 900, 8.0 # a thing of this many pixels or more weighs 1 a pixel, a smaller one more
MISTAKEN_WEIGHT = 4.0           # people, vehicles, what was moved or taken away and spots of light are what is most easily called new
CYCLISTS = 0.3                  # of all who pass
RIDERLESS = 0.5                 # of the cyclists, where there is a bicycle among the models: a person is put on it
REAL_SHARE = 0.5                # of the people and vehicles that are put in: cut out of photographs, if there are such
KERBS = 0.25                    # of the views without people and vehicles show a kerb more than the photograph has, for shadows to lie on
MOVED_WEIGHT = 0.3              # whether a thing is new or moved is often unknowable


@dataclass(frozen=True)
class Mixture:
    """How often what happens. `shadows` false and `dynamic` false leave those out, to measure what they bring."""

    things: tuple[float, ...] = (0.22, 0.26, 0.24, 0.16, 0.12)      # none, one, two… new things
    standing: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)              # none, one… things in both
    removed: tuple[float, ...] = (0.45, 0.3, 0.17, 0.08)            # none, one… things that were there
    moved: float = 0.15
    swapped: float = 0.1
    people: float = 0.5
    beside: float = 0.25        # of those who pass in the query have something new beside them
    absent: float = 0.5         # of the people and vehicles that the photograph shows
    shadow: float = 0.6
    shadows: bool = True
    dynamic: bool = True


@dataclass(eq=False)
class Picture:
    """One of the two pictures as it grows: `image` `(S, S, 3)` float32 and what has happened where, `(S, S)` bool or float each.

    `heed` weighs pixels so that small things count as things, not as pixels.
    """

    image: np.ndarray
    anomaly: np.ndarray
    dynamic: np.ndarray
    changed: np.ndarray
    tiny: np.ndarray
    moved: np.ndarray
    heed: np.ndarray
    sun: paste.Sun

    @classmethod
    def of(cls, view: View, sun: paste.Sun) -> Picture:
        """A picture that shows the view as it is."""
        empty = [np.zeros(view.dynamic.shape, bool) for _ in range(4)]
        return cls(view.image.copy(), empty[0], view.dynamic.astype(np.float32) / 255, *empty[1:], np.ones(view.dynamic.shape, np.float32), sun)

    def covered(self, mask: np.ndarray) -> None:
        """What `mask` covers shows nothing else any more."""
        for plane in (self.anomaly, self.dynamic, self.changed, self.tiny, self.moved):
            plane[mask] = 0
        self.heed[mask] = 1

    def shows_new(self, mask: np.ndarray) -> None:
        """A new thing is seen in `mask`; if that is next to nothing it need not be found."""
        area = int(mask.sum())
        (self.anomaly if area >= SEEN_PX else self.tiny)[mask] = True
        self.heed[mask] = heed(area)


def heed(areas: np.ndarray | int) -> np.ndarray:
    """What a pixel weighs of a new thing that shows so many pixels: small things count as things, not as pixels."""
    return np.clip(np.sqrt(HEEDED_PX / np.maximum(areas, 1)), 1, MOST_HEED).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Sample:
    """A pair and its truth: pictures `(S, S, 3)` uint8 RGB, `valid` `(S, S)` bool, `target` and `weight` `(3, S, S)` float32, CLASSES in order."""

    query: np.ndarray
    reference: np.ndarray
    valid: np.ndarray
    target: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class PairMaker:
    """Makes pairs of photographs and sprites."""

    photos: list[Photo]
    sprites: list[Sprite]
    mixture: Mixture = field(default_factory=Mixture)
    side: int = SIDE_PX

    def make(self, rng: np.random.Generator) -> Sample:
        """A pair, the same for the same state of `rng`."""
        view = random_view(self._any(self.photos, rng), self.side, rng)
        stones = weather.kerb(view.image, rng) if rng.random() < KERBS and not view.dynamic.any() else None
        query, reference = (Picture.of(view, paste.Sun.random(rng)) for _ in range(2))
        _Events(self, view, query, reference, rng).happen()
        for picture in (query, reference):
            spots = self._weather(picture.image, rng, stones)
            query.heed[spots & ~query.anomaly] = MISTAKEN_WEIGHT
        return _finished(query, reference, rng)

    def kind(self, *kinds: str) -> list[Sprite]:
        """The sprites of these kinds."""
        return [sprite for sprite in self.sprites if sprite.kind in kinds]

    def _weather(self, image: np.ndarray, rng: np.random.Generator, stones: weather.Kerb | None = None) -> np.ndarray:
        """Let it come over a picture; returns where spots are lit as if something lay there, `(S, S)` bool."""
        mixture = self.mixture
        shaded = mixture.shadows and rng.random() < mixture.shadow
        spots = weather.shadows(image, self.sprites, rng, stones) if shaded else np.zeros(image.shape[:2], bool)
        chances = ((0.5, lambda: weather.wash(image, rng)),
                   (0.15, lambda: weather.wet(image, rng)), (0.12, lambda: weather.leaves(image, rng)), (0.2, lambda: weather.glare(image, rng)),
                   (0.1, lambda: weather.dirt(image, rng)))
        for chance, change in chances:
            if rng.random() < chance:
                change()
        np.clip(image, 0, 1, out=image)
        return spots

    @staticmethod
    def _any(items: list, rng: np.random.Generator):
        return items[int(rng.integers(len(items)))]


class _Events:
    """What happens between reference and query in one view."""

    def __init__(self, maker: PairMaker, view: View, query: Picture, reference: Picture, rng: np.random.Generator) -> None:
        self._maker, self._view, self._query, self._reference, self._rng = maker, view, query, reference, rng
        self._things = maker.kind(THING)
        self._dynamic = [s for s in maker.sprites if s.dynamic]

    def happen(self) -> None:
        rng, mixture = self._rng, self._maker.mixture
        if mixture.dynamic:
            self._absent()
        for _ in range(_count(mixture.standing, rng)):
            self._stands()
        for _ in range(_count(mixture.removed, rng)):
            self._removed()
        for chance, event in ((mixture.moved, self._moved), (mixture.swapped, self._swapped)):
            if rng.random() < chance:
                event()
        for _ in range(_count(mixture.things, rng)):
            self._new()
        if mixture.dynamic and rng.random() < mixture.people:
            for _ in range(int(rng.integers(1, 4))):
                self._passes()

    def _absent(self) -> None:
        """Those whom the photograph shows were not all there both times: one of the pictures shows the ground beside them instead."""
        seen = self._view.dynamic
        for mask in shown(seen):
            if self._rng.random() < self._maker.mixture.absent:
                here, there = (self._query, self._reference)[::self._rng.choice([-1, 1])]
                if erased(there.image, mask, seen, self._rng):
                    fringe = mask & (seen < SURELY)
                    there.dynamic[mask] = 0
                    here.dynamic[fringe] = UNSURE
                    self._query.tiny |= fringe

    def _stands(self) -> None:
        """In both, a few pixels apart: what alignment leaves of a thing that stands off the ground's plane."""
        sprite = self._maker._any(self._maker.sprites, self._rng)
        image, foot = self._placed(sprite)
        shift = np.clip(self._rng.normal(0, (3, 1)), -10, 10) * min(1.0, image.shape[0] / NEAR_PX)
        for picture, place in ((self._query, foot), (self._reference, (foot[0] + shift[0], foot[1] + shift[1]))):
            mask = self._drawn(picture, image, place)
            picture.dynamic[mask] = float(sprite.dynamic)

    def _new(self) -> None:
        image, foot = self._placed(self._maker._any(self._things, self._rng))
        self._query.shows_new(self._drawn(self._query, image, foot))

    def _removed(self) -> None:
        image, foot = self._placed(self._maker._any(self._things, self._rng))
        self._reference.changed[self._drawn(self._reference, image, foot)] = True

    def _moved(self) -> None:
        image, foot = self._placed(self._maker._any(self._things, self._rng))
        mask = self._drawn(self._reference, image, foot)
        self._reference.changed[mask] = True
        away = self._rng.uniform(0.6, 2.5) * image.shape[1] * self._rng.choice([-1, 1])
        mask = self._drawn(self._query, image, (foot[0] + away, foot[1] + self._rng.normal(0, 4)))
        self._query.changed[mask] = True
        self._query.moved[mask] = True

    def _swapped(self) -> None:
        before, foot = self._placed(self._maker._any(self._things, self._rng))
        self._reference.changed[self._drawn(self._reference, before, foot)] = True
        sprite = self._maker._any(self._things, self._rng)
        after = paste.sized(sprite, float(np.clip(before.shape[0] * self._rng.uniform(0.6, 1.6), SMALLEST_PX, LARGEST_THING_PX)), self._rng)
        self._query.shows_new(self._drawn(self._query, after, foot))

    def _passes(self) -> None:
        picture = self._query if self._rng.random() < 0.6 else self._reference
        placed = self._close if self._rng.random() < CLOSE_SHARE else self._placed
        if self._rng.random() < CYCLISTS and self._rides(picture, placed):
            return
        wanted = [s for s in self._dynamic if s.kind == PERSON] if self._rng.random() < 0.65 else self._dynamic
        real = [s for s in wanted if s.of_photo]
        sprite = self._maker._any(real if real and self._rng.random() < REAL_SHARE else wanted or self._dynamic, self._rng)
        image, foot = placed(sprite)
        picture.dynamic[self._drawn(picture, image, foot)] = 1
        if picture is self._query and self._rng.random() < self._maker.mixture.beside:
            self._beside(sprite, image.shape[0], foot)

    def _beside(self, passer: Sprite, high: int, foot: tuple[float, float]) -> None:
        """Something new before or close by one who passes and looks `high` px, mostly as large beside him as it is."""
        sprite = self._maker._any(self._things, self._rng)
        size = high * sprite.height_m / passer.height_m if min(sprite.height_m, passer.height_m) > 0 else high * self._rng.uniform(0.1, 0.7)
        place = foot[0] + self._rng.normal(0, 0.4 * high), foot[1] + abs(self._rng.normal(0, 0.05 * high))
        thing = paste.sized(sprite, float(np.clip(size * self._rng.uniform(0.8, 1.25), SMALLEST_PX, LARGEST_THING_PX)), self._rng)
        self._query.shows_new(self._drawn(self._query, self._lit(thing, place), place))

    def _rides(self, picture: Picture, placed: Callable[[Sprite], tuple[np.ndarray, tuple[float, float]]]) -> bool:
        """Somebody on a bicycle, if there are cyclists or bicycles."""
        bicycles, cyclists = ([s for s in self._dynamic if word in s.name] for word in ("bicycle", CYCLIST))
        if bicycles and self._rng.random() < (RIDERLESS if cyclists else 1):
            bicycle, foot = placed(self._maker._any(bicycles, self._rng))
            parts = (bicycle, foot), self._rider(bicycle.shape[0], foot)
        elif cyclists:
            parts = (placed(self._maker._any(cyclists, self._rng)),)
        else:
            return False
        for image, place in parts:
            picture.dynamic[self._drawn(picture, image, place)] = 1
        return True

    def _rider(self, height: int, foot: tuple[float, float]) -> tuple[np.ndarray, tuple[float, float]]:
        """A person on a bicycle of this height: the feet are at the pedals, the head is well above the handlebars."""
        rider = self._maker._any([s for s in self._dynamic if s.kind == PERSON] or self._dynamic, self._rng)
        seated = self._lit(paste.sized(rider, height * self._rng.uniform(1.2, 1.6), self._rng), foot)
        return seated, (foot[0] + self._rng.normal(0, 0.05 * height), foot[1] - 0.2 * height)

    def _close(self, sprite: Sprite) -> tuple[np.ndarray, tuple[float, float]]:
        """So near that the picture shows a part alone."""
        side = self._maker.side
        foot = self._rng.uniform(0, side), self._rng.uniform(0.6, 1.4) * side
        return self._lit(paste.sized(sprite, self._rng.uniform(*CLOSE) * side, self._rng), foot), foot

    def _placed(self, sprite: Sprite) -> tuple[np.ndarray, tuple[float, float]]:
        foot = random_foot(self._view, self._rng)
        smallest, largest = (2 * SMALLEST_PX, LARGEST_DYNAMIC_PX) if sprite.dynamic else (SMALLEST_PX, LARGEST_THING_PX)
        share, small = (FAR_SHARE, FAR_PX) if sprite.dynamic else (TINY_SHARE, (SMALLEST_PX, TINY_PX))
        if self._rng.random() < share:
            high = self._rng.uniform(*small)
            foot = far_foot(self._view, foot, sprite.height_m, high, self._rng)
        else:
            high = height_px(self._view, foot, sprite.height_m, smallest, largest, self._rng)
        image = paste.sized(sprite, high, self._rng, self._texture() if not sprite.dynamic and self._rng.random() < 0.3 else None)
        return self._lit(image, foot), foot

    def _texture(self) -> np.ndarray:
        """A patch of another photograph."""
        photo = self._maker._any(self._maker.photos, self._rng).image
        size = int(self._rng.integers(16, 120))
        y, x = (int(self._rng.integers(side - size)) for side in photo.shape[:2])
        return photo[y:y + size, x:x + size].astype(np.float32) / 255

    def _lit(self, image: np.ndarray, foot: tuple[float, float]) -> np.ndarray:
        """As bright, by half, as the photograph is where it is put."""
        side = self._view.image.shape[0]
        y, x = int(np.clip(foot[1], 8, side - 8)), int(np.clip(foot[0], 8, side - 8))
        light = float(self._view.image[y - 8:y + 8, x - 8:x + 8].mean())
        return np.dstack([np.clip(image[..., :3] * np.clip((light / 0.5) ** 0.5, 0.5, 1.3), 0, 1), image[..., 3:]])

    def _drawn(self, picture: Picture, image: np.ndarray, foot: tuple[float, float]) -> np.ndarray:
        mask = paste.drawn(picture.image, image, foot, picture.sun, self._rng)
        picture.covered(mask)
        return mask


def _finished(query: Picture, reference: Picture, rng: np.random.Generator) -> Sample:
    """The pictures as the cameras give them, the reference laid on the query, and the truth of the pair."""
    softness = random_softness(rng)     # one camera took both
    q, r = (photometric(softened(picture.image, softness), rng) for picture in (query, reference))
    lookup = with_border(residual_lookup(q.shape[:2], rng), rng)
    valid = laid(np.ones(q.shape[:2], np.uint8), lookup, smooth=False) > 0
    gone = laid(reference.changed.astype(np.float32), lookup)
    passed = laid(reference.dynamic, lookup)
    dynamic = np.maximum(query.dynamic, passed)
    anomaly, changed = query.anomaly, query.changed | (gone > 0.5)
    weight = np.ones((len(CLASSES), *valid.shape), np.float32) * valid
    weight[0] *= np.where(((dynamic >= SURELY / 255) | changed) & ~anomaly, MISTAKEN_WEIGHT, query.heed)
    weight[0][query.tiny] = 0
    weight[0][query.moved] *= MOVED_WEIGHT
    weight[1][(dynamic > PERHAPS / 255) & (dynamic < SURELY / 255)] = 0
    target = np.stack([anomaly, dynamic >= SURELY / 255, changed]).astype(np.float32)
    return Sample(q, laid(r, lookup), valid, target, weight)


def _count(chances: tuple[float, ...], rng: np.random.Generator) -> int:
    return int(rng.choice(len(chances), p=np.array(chances) / sum(chances)))


class Pairs(torch.utils.data.Dataset):
    """Item i of a run with a seed: always the same pair, so that a run that was cut off goes on as if it had not been."""

    def __init__(self, maker: PairMaker, seed: int, length: int, start: int = 0) -> None:
        self._maker, self._seed, self._length, self._start = maker, seed, length, start

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        """As `tensors` gives them."""
        cv2.setNumThreads(1)
        return tensors(self._maker.make(np.random.default_rng((self._seed, 2, self._start + index))))


def tensors(sample: Sample) -> tuple[torch.Tensor, ...]:
    """A sample as tensors, channels first: query and reference `(3, S, S)`, valid `(1, S, S)`, target `(3, S, S)` uint8, weight `(3, S, S)` float16.

    Small, since every one of them goes from a worker's memory to the trainer's.
    """
    planes = (sample.query.transpose(2, 0, 1), sample.reference.transpose(2, 0, 1), sample.valid[None].astype(np.uint8), sample.target.astype(np.uint8),
              sample.weight.astype(np.float16))
    return tuple(torch.from_numpy(np.ascontiguousarray(plane)) for plane in planes)

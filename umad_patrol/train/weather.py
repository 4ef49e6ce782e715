"""What comes and goes on a route without being a thing: shadows, washes of light, glare, wet patches, leaves, dirt on the lens.

Each works on a picture `(H, W, 3)` float32 RGB in [0, 1], in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.train.paste import Sun, cast
from umad_patrol.train.sprites import Sprite

LEAF_PX = 4
GAPS = 0.25     # of the shadows leave a spot lit and darken all else
DARK = 0.35     # of those are a dark spot instead: of a lamp's head, a sign, leaves
POSTS = 0.12    # of the others are of posts and climb what stands upright
STEPPED = 0.35  # of the others fall on kerbs and walls
KERB_PX, WALL_PX = 24.0, 70.0   # so high they look at most
AWAY = 0.3      # of the steps are so far to one side that all of the band is lit or in the shade


@dataclass(frozen=True)
class Kerb:
    """A band that stands upright across the picture, `high` px from the line y = `top` + `slope` x down: shadows lie otherwise on it."""

    top: float
    slope: float
    high: float

    @classmethod
    def random(cls, shape: tuple[int, int], highest: float, rng: np.random.Generator) -> Kerb:
        """One that looks 3 px to `highest` px high."""
        return cls(rng.uniform(0, 1) * shape[0], rng.normal(0, 0.13), np.exp(rng.uniform(np.log(3), np.log(highest))))

    def band(self, shape: tuple[int, int]) -> np.ndarray:
        """Where it is, `(H, W)` bool."""
        rows, columns = np.ogrid[:shape[0], :shape[1]]
        down = rows - self.slope * columns - self.top
        return (down >= 0) & (down < self.high)


def kerb(image: np.ndarray, rng: np.random.Generator) -> Kerb:
    """Lay a kerb across a picture: mostly brighter than the ground, of which something shows through."""
    stones = Kerb.random(image.shape[:2], KERB_PX, rng)
    grey = rng.uniform(0.3, 0.9) * np.array([1.0, rng.uniform(0.95, 1.0), rng.uniform(0.85, 1.0)], np.float32)
    cover = cv2.GaussianBlur(stones.band(image.shape[:2]).astype(np.float32), (0, 0), 0.6)[..., None] * np.float32(rng.uniform(0.5, 0.95))
    image += cover * (grey.astype(np.float32) - image)
    return stones


def shadows(image: np.ndarray, sprites: list[Sprite], rng: np.random.Generator, stones: Kerb | None = None) -> np.ndarray:
    """One to four cast shadows: of houses, poles, foliage, or of things and people outside the picture; on a kerb, if there is one, they lie otherwise.

    Returns `(H, W)` bool what is most easily taken for a thing: spots that gaps in them leave lit, dark ones, posts' shadows that stand, chimneys'
    and aerials', what is lit or dark on a kerb where the ground beside it is not.
    """
    shade = np.ones(image.shape[:2], np.float32)
    spots = np.zeros(shade.shape, bool)
    for _ in range(int(rng.integers(1, 5))):
        kind = rng.random()
        if kind < 0.25:
            _cast_by_sprite(shade, sprites, rng)
            continue
        if rng.random() < GAPS:
            spot = _spot(shade.shape, rng)
            spots |= spot > 0.3
            mask = spot if rng.random() < DARK else 1 - spot
        elif rng.random() < POSTS:
            mask = _post(shade.shape, rng)
            spots |= mask > 0.3
        elif kind < 0.4:
            mask, fine = _skyline(shade.shape, rng)
            spots |= fine
        else:
            mask = _polygon(shade.shape, rng) if kind < 0.5 else _straight(shade.shape, rng) if kind < 0.7 else _foliage(shade.shape, rng)
            if stones is not None or rng.random() < STEPPED:
                plain, mask = mask, _stepped(mask, stones or Kerb.random(shade.shape, WALL_PX, rng), rng)
                spots |= np.abs(mask - plain) > 0.3
        shade *= 1 - mask * rng.uniform(0.2, 0.75)
    tint = np.array([rng.uniform(0.95, 1.06), 1.0, rng.uniform(0.85, 1.03)], np.float32)   # the sky lights a shadow: bluer
    image *= shade[..., None] ** tint
    return spots


def wash(image: np.ndarray, rng: np.random.Generator) -> None:
    """Light that falls off to one side, and large soft patches of it."""
    height, width = image.shape[:2]
    small = rng.normal(0, rng.uniform(0.05, 0.3), (3, 4)).astype(np.float32) + np.linspace(-1, 1, 4, dtype=np.float32) * rng.uniform(-0.4, 0.4)
    field = np.exp(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
    warm = rng.uniform(-0.1, 0.1)
    image *= field[..., None] * np.array([1 + warm, 1.0, 1 - warm], np.float32)


def glare(image: np.ndarray, rng: np.random.Generator) -> None:
    """Bright spots and upright streaks, as the sun or lamps leave on smooth ground and in the lens."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        axes = rng.uniform(4, 60), rng.uniform(4, 60) * rng.choice([1, 3])
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        spot = np.exp(-(((np.arange(width) - x) / axes[0]) ** 2)[None] / 2 - (((np.arange(height) - y) / axes[1]) ** 2)[:, None] / 2)
        image += (spot * rng.uniform(0.15, 0.9)).astype(np.float32)[..., None]


def wet(image: np.ndarray, rng: np.random.Generator) -> None:
    """Darker patches that mirror a little of what is above them."""
    mask = _blob(image.shape[:2], rng, rng.uniform(0.5, 3))[..., None]
    mirror = cv2.GaussianBlur(image[::-1], (0, 0), 3) if rng.random() < 0.5 else image
    image += mask * ((image * rng.uniform(0.55, 0.9)) * 0.85 + 0.15 * mirror - image)


def leaves(image: np.ndarray, rng: np.random.Generator) -> None:
    """A scatter of specks too small to be things."""
    height, width = image.shape[:2]
    middle, spread = rng.uniform(0, 1, 2) * (width, height), rng.uniform(20, 150)
    colour = np.array([rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.6), rng.uniform(0.05, 0.3)])
    for x, y in rng.normal(middle, (spread, spread * 0.4), (int(rng.integers(10, 150)), 2)):
        axes = int(rng.integers(1, LEAF_PX // 2 + 1)), 1
        cv2.ellipse(image, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, (colour * rng.uniform(0.7, 1.3)).tolist(), -1)


def dirt(image: np.ndarray, rng: np.random.Generator) -> None:
    """Soft spots on the lens, darker or milky."""
    for _ in range(int(rng.integers(1, 4))):
        mask = _blob(image.shape[:2], rng, rng.uniform(4, 12), 0.15)[..., None] * rng.uniform(0.1, 0.45)
        image += mask * (rng.uniform(0.1, 0.8) - image)


def _cast_by_sprite(shade: np.ndarray, sprites: list[Sprite], rng: np.random.Generator) -> None:
    sprite = sprites[int(rng.integers(len(sprites)))].image
    scale = rng.uniform(20, 200) / sprite.shape[0]
    small = cv2.resize(sprite, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    sun = Sun(rng.uniform(-2, 2), rng.uniform(-0.8, 0.8), rng.uniform(0.25, 0.7), rng.uniform(0.3, 3))
    cast(shade, small, (rng.uniform(-0.2, 1.2) * shade.shape[1], rng.uniform(0.1, 1.2) * shade.shape[0]), sun)


def _polygon(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(3, 10))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.05, 0.5) * max(shape) * rng.uniform(0.4, 1, count)
    middle = rng.uniform(-0.1, 1.1, 2) * (shape[1], shape[0])
    corners = middle + np.stack([np.cos(angles) * rng.uniform(0.6, 2.5), np.sin(angles) * rng.uniform(0.2, 1)], 1) * radius[:, None]
    return _soft(cv2.fillPoly(np.zeros(shape, np.float32), [corners.astype(np.int32)], 1.0), rng)


def _spot(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A small patch with corners or round, mostly wide and flat: sun between two houses or under a car, what a kerb still catches of it."""
    size = np.exp(rng.uniform(np.log(3), np.log(45)))
    middle, flat, slope = rng.uniform(0, 1, 2) * (shape[1], shape[0]), rng.uniform(0.25, 1.2), rng.uniform(-1, 1)
    count = int(rng.choice([4, 4, 6, 10]))
    angles = 2 * np.pi * (np.arange(count) + 0.5) / count
    corners = np.sqrt(2) * np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.5, 1, (count, 1)) * (size, size * flat)
    corners[:, 0] += slope * corners[:, 1]
    mask = cv2.fillPoly(np.zeros(shape, np.float32), [(middle + corners).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))


def _post(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Where a post's shadow climbs a wall or the side of a car: upright, thin, with two ends, perhaps thicker towards one."""
    length = np.exp(rng.uniform(np.log(8), np.log(160)))
    foot, lean, wide = rng.uniform(0, 1, 2) * (shape[1], shape[0]), rng.normal(0, 0.08), length * rng.uniform(0.03, 0.25)
    half = np.maximum(wide * rng.uniform(0.3, 1, 3), 1) / 2
    down = np.array([0, rng.uniform(0.2, 0.8), 1]) * length
    sides = [np.column_stack([foot[0] + lean * down + side * half, foot[1] - down]) for side in (-1, 1)]
    mask = cv2.fillPoly(np.zeros(shape, np.float32), [np.vstack([sides[0], sides[1][::-1]]).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.5))


def _skyline(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A house's shadow with what stands on its roof, and `(H, W)` bool what stands there."""
    width = shape[1]
    top = rng.uniform(0.1, 0.9) * shape[0] + rng.normal(0, 0.3) * (np.arange(width) - width / 2)
    line = top.copy()
    for _ in range(int(rng.integers(1, 6))):
        first, across, high = int(rng.integers(width)), int(np.exp(rng.uniform(np.log(3), np.log(40)))), np.exp(rng.uniform(np.log(4), np.log(60)))
        part = slice(first, first + across)
        line[part] = np.minimum(line[part], top[part] - high * np.linspace(rng.uniform(0.2, 1), 1, across)[:len(line[part])])
    rows = np.arange(shape[0])[:, None]
    turn = cv2.getRotationMatrix2D((width / 2, shape[0] / 2), rng.uniform(-180, 180), 1.5)
    shade = np.clip(rows - line + 0.5, 0, 1)
    mask, fine = (cv2.warpAffine(part.astype(np.float32), turn, shape[::-1]) for part in (shade, shade * (rows < top)))
    return cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 2)), fine > 0.5


def _stepped(mask: np.ndarray, band: Kerb, rng: np.random.Generator) -> np.ndarray:
    """A shadow that falls over kerbs, steps or along a wall: within the band it lies further to one side."""
    across = np.arange(mask.shape[1])
    step = int(rng.normal(0, 30)) if rng.random() >= AWAY else int(rng.choice([-1, 1])) * mask.shape[1]
    return np.where(band.band(mask.shape), mask[:, np.clip(across + step, 0, len(across) - 1)], mask)


def _straight(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The edge of a house's shadow, or the two of a pole's."""
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.6, 0.6) * max(shape)
    width = rng.uniform(2, 25) if rng.random() < 0.5 else 4 * max(shape)
    rows, columns = (side.astype(np.float32) for side in np.ogrid[:shape[0], :shape[1]])
    across = (columns - shape[1] / 2) * np.float32(np.cos(angle)) + (rows - shape[0] / 2) * np.float32(np.sin(angle)) - np.float32(offset)
    return _soft(((across > 0) & (across < width)).astype(np.float32), rng)


def _foliage(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Leaves against the sun: clumps and the gaps in them, flat as they lie on the ground."""
    across = np.exp(rng.uniform(np.log(4), np.log(30)))
    down = across * rng.uniform(0.25, 1)
    coverage = _grains(shape, (2.5 * across, 2.5 * down), rng) * rng.uniform(0, 1.2) + _grains(shape, (across, down), rng)
    return _soft((coverage > rng.uniform(-0.6, 0.8)) * _blob(shape, rng, 12, rng.choice([0.4, 0.8])), rng)


def _grains(shape: tuple[int, int], size: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise with grains `size` px wide and high."""
    small = rng.standard_normal((int(shape[0] / size[1]) + 3, int(shape[1] / size[0]) + 3)).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _blob(shape: tuple[int, int], rng: np.random.Generator, softness: float, size: float = 0.3) -> np.ndarray:
    """A round patch with a ragged edge, 1 inside."""
    rows, columns = np.ogrid[:shape[0], :shape[1]]
    x, y = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    reach = rng.uniform(0.2, 1) * size * max(shape)
    ragged = cv2.resize(rng.normal(0, 0.35, (8, 8)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    across, down = (((columns - x) / reach) ** 2).astype(np.float32), (((rows - y) / (reach * rng.uniform(0.3, 1))) ** 2).astype(np.float32)
    distance = np.sqrt(across + down) + ragged
    return np.clip((1 - distance) * reach / (2 * softness) + 0.5, 0, 1)


def _soft(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), np.exp(rng.uniform(np.log(0.4), np.log(6))))

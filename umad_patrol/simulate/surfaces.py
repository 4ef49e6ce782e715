"""Pictures of paving, asphalt, grass and such, made of noise: each repeats seamlessly and is `(h, w, 3)` uint8 sRGB."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.simulate.noise import blots, octaves, veins

GROUND_TEXEL = 0.00625  # metres; what a pixel covers 3 m away across the view, and finer detail is laid over it
RUN_PX = 4096  # 25.6 m along the route before the ground repeats


def paving(rng: np.random.Generator) -> np.ndarray:
    """4 m of pavement, 25.6 m long: slabs with joints, stains, cracks, chewing gum, leaves and covers."""
    shape = (640, RUN_PX)
    length, width = (64, 64) if rng.random() < 0.3 else (128, 64) if rng.random() < 0.5 else (128, 128)
    slab, joint = _slabs(shape, length, width, shift=length // 2 if rng.random() < 0.6 else 0)
    tone = rng.normal(0, 7.0, slab.max() + 1).astype(np.float32)[slab]
    band = (np.arange(shape[1]) // (16 * length) % 2 == 0)[None, :] & (rng.random() < 0.6)
    tone = tone - 26.0 * band
    grain = 13.0 * octaves(shape, 8, 1, rng, 1.1) + 8.0 * octaves(shape, 128, 8, rng, 0.8) + 7.0 * octaves(shape, 512, 128, rng)
    dirt = np.clip(octaves(shape, 64, 4, rng) + 0.3, 0, 2)
    gray = tone + grain - joint * (55.0 + 12.0 * dirt) - 14.0 * dirt * cv2.blur(joint, (15, 15)) * 4
    gray -= 45.0 * veins(shape, 128, 4, rng) * (rng.random(slab.max() + 1) < 0.05)[slab]
    gray -= 38.0 * blots(shape, 800, (1, 5), rng) - 16.0 * blots(shape, 260, (1, 4), rng)
    gray -= 22.0 * cv2.GaussianBlur(blots(shape, 26, (10, 60), rng), (0, 0), 5)
    picture = _tinted(gray + rng.uniform(140, 172), rng.uniform((1.0, 0.97, 0.90), (1.04, 1.0, 0.98)))
    _litter(picture, 150, rng)
    for x in np.linspace(0.2, 0.8, 2) * shape[1] + rng.uniform(-500, 500, 2):
        _cover(picture, int(x) % (shape[1] - 200) + 100, int(rng.integers(90, 550)), rng)
    return _bytes(picture)


def road(rng: np.random.Generator) -> np.ndarray:
    """6.4 m of asphalt, 25.6 m long, from kerb to kerb: aggregate, wheel tracks, patches, tar lines, markings, drains."""
    shape = (1024, RUN_PX)
    across = np.arange(shape[0], dtype=np.float32)[:, None]
    stones = rng.standard_normal(shape, dtype=np.float32)
    gray = (
        15.0 * cv2.GaussianBlur(stones, (0, 0), 0.6) / 0.5
        + 6.0 * octaves(shape, 32, 2, rng, 0.8)
        + 8.0 * octaves(shape, 512, 64, rng)
    )
    gray += 6.0 * np.cos((across - 420) / 80.0) * np.ones((1, shape[1]), np.float32)
    for _ in range(5):
        x, y = int(rng.integers(shape[1] - 900)), int(rng.integers(150, 900))
        w, h = int(rng.integers(150, 900)), int(rng.integers(80, 330))
        gray[y : y + h, x : x + w] += rng.uniform(-26, 6)
        cv2.rectangle(gray, (x, y), (x + w, min(y + h, shape[0] - 1)), float(rng.uniform(-40, -20)), 3)
    gray -= (
        45.0
        * np.clip(1.6 * cv2.GaussianBlur(veins(shape, 512, 16, rng), (0, 0), 0.8), 0, 1)
        * (octaves(shape, 512, 512, rng) > 0.4)
    )
    gray -= 25.0 * cv2.GaussianBlur(blots(shape, 30, (6, 40), rng), (0, 0), 4)
    picture = _tinted(gray + rng.uniform(88, 112), (1.0, 1.0, 0.985))
    worn = np.clip(0.75 + 0.35 * octaves(shape, 32, 1, rng, 0.85), 0, 1)
    _paint(picture, worn, rng)
    for x in range(300, shape[1], 2048):
        _drain(picture, x, shape[0] - 42, rng)
    for x in rng.integers(300, shape[1] - 300, 2):
        _cover(picture, int(x), int(rng.integers(250, 800)), rng)
    return _bytes(picture)


def grass(rng: np.random.Generator) -> np.ndarray:
    """4.1 m of lawn at 4 mm: blades, clumps, bare and dry spots."""
    shape = (1024, 1024)
    seeds = rng.standard_normal((2, *shape), dtype=np.float32)
    blades = sum(np.roll(seeds[0], (k, k), (0, 1)) + np.roll(seeds[1], (-2 * k, k), (0, 1)) for k in range(6)) / 3.0
    gray = 26.0 * blades + 14.0 * octaves(shape, 32, 2, rng, 0.9) + 8.0 * octaves(shape, 512, 128, rng)
    dry = np.clip(octaves(shape, 256, 8, rng) - 0.6, 0, 1.5)[..., None]
    green, straw = np.array([88, 108, 52], np.float32), np.array([128, 116, 78], np.float32)
    picture = green + (straw - green) * dry * 0.6 + gray[..., None] * [1.0, 1.0, 0.7]
    _litter(picture, 60, rng)
    return _bytes(picture)


def pavers(rng: np.random.Generator) -> np.ndarray:
    """5.1 m of small concrete bricks at 5 mm."""
    shape = (1024, 1024)
    slab, joint = _slabs(shape, 32, 16, shift=16)
    gray = (
        rng.normal(0, 13.0, slab.max() + 1).astype(np.float32)[slab]
        + 8.0 * octaves(shape, 8, 1, rng, 0.9)
        + 9.0 * octaves(shape, 512, 16, rng)
    )
    gray -= 46.0 * joint + 25.0 * cv2.GaussianBlur(blots(shape, 60, (2, 22), rng), (0, 0), 2)
    tint = np.array([(1.12, 0.94, 0.84), (1.0, 0.99, 0.96), (1.04, 0.97, 0.86)][int(rng.integers(3))])
    picture = _tinted(gray + 124, tint)
    _litter(picture, 40, rng)
    return _bytes(picture)


def concrete(rng: np.random.Generator) -> np.ndarray:
    """4.1 m of kerb stone at 4 mm, a joint every 1.02 m, dirty and chipped."""
    shape = (1024, 1024)
    gray = 9.0 * octaves(shape, 8, 1, rng, 0.9) + 12.0 * octaves(shape, 256, 8, rng)
    gray[:, 250::256] -= 60
    gray[:, 251::256] -= 60
    gray -= 40.0 * blots(shape, 300, (1, 7), rng)
    return _bytes(_tinted(gray + 150, (1.0, 0.99, 0.95)))


def bark(rng: np.random.Generator) -> np.ndarray:
    """Vertical fissures: 0.5 m at 2 mm."""
    shape = (256, 256)
    tall = cv2.resize(octaves((64, 256), 16, 1, rng, 0.8), (256, 256), interpolation=cv2.INTER_CUBIC)
    return _bytes(_tinted(128 + 34 * tall + 10 * octaves(shape, 8, 1, rng), (1.0, 0.97, 0.9)))


def detail(rng: np.random.Generator) -> np.ndarray:
    """Neutral grey variation laid over everything: three independent fields of noise round 128, 1 m at 1 mm."""
    shape = (1024, 1024)
    fields = [octaves(shape, 32, 1, rng, 1.0), octaves(shape, 16, 1, rng, 1.0), octaves(shape, 512, 32, rng, 0.6)]
    return _bytes(np.stack([128 + 34 * f for f in fields], -1))


def clouds(rng: np.random.Generator) -> np.ndarray:
    """Two octave noises (red: shape, green: shading) for the sky."""
    return _bytes(
        np.stack(
            [
                128 + 42 * octaves((1024, 1024), 512, 2, rng, 0.62),
                128 + 42 * octaves((1024, 1024), 256, 4, rng, 0.6),
                np.zeros((1024, 1024)),
            ],
            -1,
        )
    )


def _slabs(shape: tuple[int, int], length: int, width: int, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of the slab at each texel, and how much it lies in a joint, [0, 1]."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    row = rows // width
    along = (columns + shift * (row % 2)) % shape[1]
    joint = ((along % length < 1) | (rows % width < 1)).astype(np.float32)
    return row * (shape[1] // length) + along // length, cv2.blur(joint, (2, 2)) * 1.6


def _litter(picture: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Fallen leaves and scraps of paper, drawn in place."""
    for _ in range(count):
        x, y = int(rng.integers(picture.shape[1])), int(rng.integers(picture.shape[0]))
        color = [(120, 84, 42), (96, 92, 44), (70, 52, 34), (150, 118, 60), (205, 203, 196)][int(rng.integers(5))]
        axes = (int(rng.integers(2, 7)), int(rng.integers(1, 4)))
        cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA)


def _cover(picture: np.ndarray, x: int, y: int, rng: np.random.Generator) -> None:
    """An iron manhole cover, round or square, drawn in place."""
    r, iron = int(rng.integers(40, 56)), float(rng.uniform(60, 85))
    y = min(max(y, r + 3), picture.shape[0] - r - 3)
    rows, columns = np.mgrid[-r : r + 1, -r : r + 1]
    inside = (np.hypot(rows, columns) <= r) if rng.random() < 0.5 else np.ones(rows.shape, bool)
    rim = (np.hypot(rows, columns) > r - 5) if not inside.all() else (np.maximum(abs(rows), abs(columns)) > r - 5)
    studs = ((rows // 6 + columns // 6) % 2) * 26.0
    value = iron + studs + 9.0 * octaves((128, 128), 16, 1, rng)[: rows.shape[0], : rows.shape[1]] - 34.0 * rim
    patch = picture[y - r : y + r + 1, x - r : x + r + 1]
    patch[inside] = (value[..., None] * [1.04, 0.98, 0.9])[inside]


def _drain(picture: np.ndarray, x: int, y: int, rng: np.random.Generator) -> None:
    """A gully grate by the kerb, drawn in place."""
    patch = picture[y - 36 : y + 36, x : x + 80]
    bars = np.where(np.arange(80)[None, :] // 5 % 2 == 0, 74.0, 16.0) + 7.0 * rng.standard_normal((72, 80))
    bars[:5], bars[-5:] = 80.0, 80.0
    patch[:] = bars[..., None] * [1.02, 0.98, 0.93]


def _paint(picture: np.ndarray, worn: np.ndarray, rng: np.random.Generator) -> None:
    """Lane markings, drawn in place: a broken line in the middle, an edge line, a crossing where there is one."""
    white, yellow = np.array([205, 204, 196], np.float32), np.array([196, 158, 62], np.float32)

    def lay(rows: slice, columns: slice, color: np.ndarray) -> None:
        share = worn[rows, columns, None] * 0.92
        picture[rows, columns] = picture[rows, columns] * (1 - share) + color * share

    for start in range(0, picture.shape[1], 1024):
        lay(slice(500, 520), slice(start, start + 512), white)
    lay(slice(picture.shape[0] - 100, picture.shape[0] - 82), slice(None), yellow if rng.random() < 0.5 else white)
    lay(slice(40, 56), slice(None), white)
    start = int(rng.integers(500, 3000))
    for row in range(110, 900, 160):
        lay(slice(row, row + 80), slice(start, start + 480), white)


def _tinted(gray: np.ndarray, tint: np.ndarray) -> np.ndarray:
    return gray[..., None].astype(np.float32) * np.asarray(tint, np.float32)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture, 4, 251).astype(np.uint8)

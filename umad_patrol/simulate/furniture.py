"""What stands in a street: lamps, bollards, trees, hedges, benches, bins, signs, cabinets; on z = 0 round the origin."""

from __future__ import annotations

import numpy as np

from umad_patrol.simulate import materials as m
from umad_patrol.simulate.mesh import Mesh, box, capsule, lathe, leaves, make, merge, quad
from umad_patrol.simulate.things import BLACK, BRIGHT, GREY, WHITE, linear, pick


def lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp of 5 m with an arm along +y."""
    color = linear(60, 66, 64) * rng.uniform(0.7, 2.2)
    pole = lathe(
        [(0.11, 0.0), (0.11, 0.5), (0.06, 0.55), (0.04, 5.0), (0.0, 5.0)], [0.8 * color, color, color, color], m.METAL, 14
    )
    arm = capsule((0, 0, 4.9), (0, 1.1, 5.2), (0.03, 0.025), color, m.METAL)
    return merge(
        [
            pole,
            arm,
            box((0.16, 0.5, 0.07), 0.8 * color, m.METAL).placed((0, 1.2, 5.14)),
            box((0.12, 0.02, 0.2), WHITE, m.MATTE).placed((0, -0.07, 1.5)),
        ]
    )


def post(rng: np.random.Generator) -> Mesh:
    """A permanent cast-iron bollard."""
    dark = linear(48, 50, 52)
    return lathe(
        [(0.09, 0.0), (0.09, 0.12), (0.06, 0.16), (0.055, 0.62), (0.055, 0.7), (0.07, 0.74), (0.06, 0.86), (0.0, 0.9)],
        [dark, dark, dark, linear(200, 198, 190), dark, dark, dark],
        m.METAL,
        14,
    )


def tree(rng: np.random.Generator) -> Mesh:
    """A street tree: trunk, some boughs, a crown of loose leaves in clumps; a grid round its foot."""
    h, brown = rng.uniform(2.3, 3.0), linear(112, 98, 82)
    lean = rng.normal(0, 0.05, 2)
    top = np.array([lean[0] * h, lean[1] * h, h])
    r = rng.uniform(0.09, 0.15)
    parts = [capsule((0, 0, -0.05), top, (1.25 * r, 0.75 * r), brown, m.BARK, 12)]
    centres = []
    for angle in np.linspace(0, 2 * np.pi, 6)[:-1] + rng.uniform(0, 1):
        end = top + np.array([np.cos(angle), np.sin(angle), 0]) * rng.uniform(0.7, 1.3) + [0, 0, rng.uniform(0.6, 1.7)]
        parts.append(capsule(top - [0, 0, 0.15], end, (0.5 * r, 0.2 * r), brown, m.BARK, 7))
        centres.append(end)
    centres += [top + [0, 0, 1.3], top + [0, 0, 2.2]]
    green = linear(84, 112, 46) * rng.uniform(0.7, 1.3) * rng.uniform((0.85, 0.9, 0.8), (1.25, 1.1, 1.1))
    for centre in centres:
        n = 260
        offset = rng.standard_normal((n, 3))
        offset *= (
            (rng.uniform(0.5, 1.0, (n, 1)) / np.linalg.norm(offset, axis=1, keepdims=True))
            * rng.uniform(0.7, 1.05)
            * [1.0, 1.0, 0.75]
        )
        shade = green * np.clip(0.95 + 0.28 * rng.standard_normal((n, 1)), 0.45, 1.7)
        parts.append(leaves(centre + offset, 0.1, shade, m.LEAF, rng))
    parts.append(box((1.1, 1.1, 0.012), linear(92, 78, 62), m.GRASS))
    return merge(parts)


def hedge(length: float, rng: np.random.Generator) -> Mesh:
    """A clipped hedge along x."""
    h, d = rng.uniform(0.7, 1.1), rng.uniform(0.5, 0.7)
    green = linear(66, 92, 40) * rng.uniform(0.8, 1.3)
    core = box((length, 0.8 * d, 0.92 * h), 0.35 * green, m.LEAF)
    n = int(330 * length)
    points = np.stack([rng.uniform(-length / 2, length / 2, n), rng.uniform(-d / 2, d / 2, n), rng.uniform(0.03, h, n)], 1)
    face = rng.integers(3, size=n)
    points[face == 0, 1] = np.sign(points[face == 0, 1]) * d / 2
    points[face == 1, 1] = -d / 2 + d * (rng.random((face == 1).sum()) < 0.5)
    points[face == 2, 2] = h
    points += rng.normal(0, 0.025, points.shape)
    shade = green * np.clip(1.0 + 0.3 * rng.standard_normal((n, 1)), 0.4, 1.8)
    return merge([core, leaves(points, 0.055, shade, m.LEAF, rng)])


def bush(rng: np.random.Generator) -> Mesh:
    """A round shrub."""
    n, r, h = 420, rng.uniform(0.4, 0.7), rng.uniform(0.6, 1.1)
    offset = rng.standard_normal((n, 3))
    offset /= np.linalg.norm(offset, axis=1, keepdims=True)
    points = offset * rng.uniform(0.75, 1.0, (n, 1)) * [r, r, h / 2] + [0, 0, h / 2]
    green = linear(90, 108, 52) * rng.uniform(0.6, 1.3) * rng.uniform((0.9, 0.9, 0.7), (1.4, 1.1, 1.2))
    shade = green * np.clip(1.0 + 0.3 * rng.standard_normal((n, 1)), 0.4, 1.8) * (0.4 + 0.6 * points[:, 2:] / h)
    return leaves(points, 0.09, shade, m.LEAF, rng)


def bench(rng: np.random.Generator) -> Mesh:
    """A wooden bench along x, seen from -y."""
    wood, iron = linear(140, 98, 62) * rng.uniform(0.6, 1.3), linear(44, 46, 48)
    parts = [box((1.7, 0.085, 0.035), wood * rng.uniform(0.85, 1.1), m.BARK).placed((0, y, 0.42)) for y in (-0.2, -0.1, 0.0, 0.1)]
    parts += [
        box((1.7, 0.03, 0.09), wood * rng.uniform(0.85, 1.1), m.BARK).placed((0, 0.19 + 0.05 * i, 0.52 + 0.14 * i))
        for i in range(3)
    ]
    for x in (-0.7, 0.7):
        parts += [
            box((0.05, 0.06, 0.42), iron, m.METAL).placed((x, -0.2, 0)),
            box((0.05, 0.06, 0.42), iron, m.METAL).placed((x, 0.13, 0)),
            capsule((x, 0.16, 0.4), (x, 0.32, 0.92), (0.025, 0.02), iron, m.METAL),
            box((0.05, 0.4, 0.04), iron, m.METAL).placed((x, -0.05, 0.38)),
        ]
    return merge(parts)


def bin_(rng: np.random.Generator) -> Mesh:
    """A litter bin with a hood."""
    color = pick([linear(40, 74, 52), linear(72, 76, 80), linear(36, 56, 96), linear(130, 60, 44)], rng)
    return lathe(
        [(0.0, 0.0), (0.21, 0.0), (0.22, 0.1), (0.24, 0.68), (0.24, 0.82), (0.25, 0.84), (0.12, 0.98), (0.0, 1.0)],
        [color, 0.7 * color, color, 0.12 * color, color, 0.85 * color, 0.85 * color],
        m.PLASTIC,
        22,
    )


def cabinet(rng: np.random.Generator) -> Mesh:
    """A grey street cabinet with doors and a sticker, its back to +y."""
    color = linear(142, 148, 142) * rng.uniform(0.7, 1.1)
    parts = [
        box((0.9, 0.4, 1.15), color, m.MATTE),
        box((0.96, 0.46, 0.06), 0.8 * color, m.MATTE).placed((0, 0, 1.15)),
        box((0.01, 0.02, 1.0), 0.4 * color, m.MATTE).placed((0, -0.2, 0.08)),
        box((0.2, 0.008, 0.14), pick(BRIGHT, rng), m.MATTE).placed((0.2, -0.202, 0.7)),
        box((0.94, 0.44, 0.08), 0.5 * color, m.MATTE),
    ]
    return merge(parts)


def sign(rng: np.random.Generator) -> Mesh:
    """A traffic sign on a pole; it faces -x."""
    parts = [lathe([(0.03, 0.0), (0.03, 2.5), (0.0, 2.5)], [GREY, GREY], m.METAL, 10)]
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    blue = rng.random() < 0.5
    for radius, x, color in (
        (0.3, -0.035, linear(30, 80, 160) if blue else linear(190, 36, 36)),
        (0.22, -0.04, linear(40, 96, 176) if blue else WHITE),
    ):
        disc = np.vstack([[x, 0, 2.2], np.c_[np.full(24, x), radius * np.cos(angle), 2.2 + radius * np.sin(angle)]])
        parts.append(make(disc, np.array([[0, i + 1, (i + 1) % 24 + 1] for i in range(24)]), color, m.MATTE))
    parts.append(
        quad(
            np.array([[-0.045, -0.04, 2.06], [-0.045, 0.04, 2.06], [-0.045, 0.04, 2.34], [-0.045, -0.04, 2.34]]),
            WHITE if blue else BLACK,
            m.MATTE,
        )
    )
    return merge(parts)


def planter(rng: np.random.Generator) -> Mesh:
    """A concrete trough with a shrub."""
    return merge([box((0.9, 0.9, 0.5), linear(160, 156, 148), m.KERB, 1.08), bush(rng).placed((0, 0, 0.42))])

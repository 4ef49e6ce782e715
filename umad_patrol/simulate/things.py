"""Things that somebody left behind: procedural meshes of UMAD's kinds, in metres, standing on z = 0 round the origin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from umad_patrol.simulate import materials as m
from umad_patrol.simulate.mesh import Mesh, box, capsule, lathe, merge, soft_box

T = TypeVar("T")
Maker = Callable[[np.random.Generator], Mesh]


def linear(red: float, green: float, blue: float) -> np.ndarray:
    """Linear light of an sRGB colour given in 0 to 255, about (exponent 2.2)."""
    return (np.array([red, green, blue], np.float64) / 255.0) ** 2.2


def pick(items: Sequence[T], rng: np.random.Generator) -> T:
    """One of these, each as likely."""
    return items[int(rng.integers(len(items)))]


WHITE, BLACK, GREY = linear(232, 230, 224), linear(34, 34, 36), linear(128, 130, 132)
BRIGHT = [
    linear(196, 40, 36),
    linear(30, 74, 150),
    linear(36, 112, 66),
    linear(224, 160, 28),
    linear(222, 98, 26),
    linear(120, 46, 110),
    linear(24, 128, 140),
    linear(206, 72, 110),
]
DARK = [linear(38, 40, 46), linear(46, 54, 74), linear(70, 52, 40), linear(52, 64, 48), linear(92, 36, 40), linear(84, 86, 90)]


def cone(rng: np.random.Generator) -> Mesh:
    """A traffic cone with two white bands on a square foot."""
    h, orange = rng.uniform(0.45, 0.72), linear(232, 84, 24)
    r = lambda z: 0.26 * h - (0.26 - 0.055) * z  # noqa: E731
    stops = [0.05 * h, 0.32 * h, 0.48 * h, 0.62 * h, 0.76 * h, h]
    profile = [(r(z), z) for z in stops] + [(0.0, h)]
    body = lathe(profile, [orange, WHITE, orange, WHITE, orange, BLACK], m.PLASTIC)
    return merge([body, box((0.62 * h, 0.62 * h, 0.05 * h), linear(206, 70, 22), m.PLASTIC)])


def bottle(rng: np.random.Generator) -> Mesh:
    """A drinking bottle with a label and a cap."""
    h, r = rng.uniform(0.22, 0.31), rng.uniform(0.031, 0.042)
    glass = pick([linear(60, 110, 70), linear(176, 200, 210), linear(120, 70, 34), linear(110, 160, 190)], rng)
    label, cap = pick(BRIGHT, rng), pick(BRIGHT, rng)
    profile = [
        (0.0, 0.0),
        (0.92 * r, 0.0),
        (r, 0.02),
        (r, 0.25 * h),
        (r, 0.55 * h),
        (r, 0.66 * h),
        (0.42 * r, 0.86 * h),
        (0.42 * r, 0.92 * h),
        (0.46 * r, 0.92 * h),
        (0.46 * r, h),
        (0.0, h),
    ]
    return lathe(profile, [glass, glass, glass, label, glass, glass, glass, cap, cap, cap], m.GLASS)


def can(rng: np.random.Generator) -> Mesh:
    """A drinks can."""
    h, r = rng.uniform(0.115, 0.168), 0.033
    color, band, tin = pick(BRIGHT, rng), WHITE, linear(180, 182, 186)
    profile = [
        (0.0, 0.0),
        (0.8 * r, 0.0),
        (r, 0.1 * h),
        (r, 0.4 * h),
        (r, 0.6 * h),
        (r, 0.9 * h),
        (0.82 * r, h),
        (0.0, h - 0.003),
    ]
    return lathe(profile, [tin, tin, color, band, color, tin, tin], m.METAL)


def backpack(rng: np.random.Generator) -> Mesh:
    """A rucksack with pocket, lid and straps."""
    w, d, h = rng.uniform(0.28, 0.34), rng.uniform(0.17, 0.22), rng.uniform(0.42, 0.52)
    color = pick(DARK + BRIGHT[:4], rng)
    parts = [
        soft_box((w, d, h), color, m.FABRIC, 3.6),
        soft_box((0.8 * w, 0.09, 0.45 * h), 0.7 * color, m.FABRIC, 4.0).placed((0, -d / 2 - 0.01, 0.05)),
        soft_box((0.95 * w, 0.9 * d, 0.12), 0.6 * color, m.FABRIC, 3.0).placed((0, 0, h - 0.1)),
        capsule((-0.06, 0, h - 0.01), (0.06, 0, h + 0.02), (0.012, 0.012), BLACK, m.FABRIC),
    ]
    for x in (-0.3 * w, 0.3 * w):
        parts += [
            capsule((x, d / 2, 0.08), (x, d / 2 + 0.06, 0.5 * h), (0.02, 0.025), BLACK, m.FABRIC),
            capsule((x, d / 2 + 0.06, 0.5 * h), (x, d / 2 - 0.02, 0.95 * h), (0.025, 0.02), BLACK, m.FABRIC),
        ]
    parts.append(box((0.5 * w, 0.012, 0.02), linear(200, 200, 195), m.MATTE).placed((0, -d / 2 - 0.055, 0.36 * h)))
    return merge(parts)


def bag(rng: np.random.Generator) -> Mesh:
    """A shopping bag with handles: paper, or plastic and crumpled."""
    w, d, h = rng.uniform(0.26, 0.38), rng.uniform(0.12, 0.18), rng.uniform(0.3, 0.42)
    color = pick([linear(176, 140, 96), WHITE, linear(40, 90, 160), linear(210, 50, 60), linear(60, 60, 62)], rng)
    body = soft_box((w, d, h), color, m.CARD, 7.0, 12)
    wave = 0.012 * np.sin(body.vertices[:, 2] * 31 + body.vertices[:, 0] * 23 + rng.uniform(0, 6))
    body.vertices[:, 1] += wave.astype(np.float32)
    parts = [
        body,
        box((0.5 * w, 0.006, 0.3 * h), pick(BRIGHT, rng), m.MATTE).placed((0, -d / 2 - 0.012, 0.35 * h)),
    ]
    for y in (-0.3 * d, 0.3 * d):
        for x0, z0, x1, z1 in (
            (-0.08, h - 0.02, -0.06, h + 0.1),
            (-0.06, h + 0.1, 0.06, h + 0.1),
            (0.06, h + 0.1, 0.08, h - 0.02),
        ):
            parts.append(capsule((x0, y, z0), (x1, y, z1), (0.006, 0.006), 0.5 * color, m.FABRIC, 6))
    return merge(parts)


def carton(rng: np.random.Generator) -> Mesh:
    """A cardboard box with tape, a label and open flaps."""
    w, d, h, brown = (
        rng.uniform(0.28, 0.55),
        rng.uniform(0.25, 0.42),
        rng.uniform(0.2, 0.42),
        linear(172, 130, 84) * rng.uniform(0.8, 1.15),
    )
    parts = [
        box((w, d, h), brown, m.CARD),
        box((0.055, d + 0.004, h + 0.003), linear(196, 172, 130), m.PLASTIC),
        box((0.3 * w, 0.004, 0.3 * h), WHITE, m.CARD).placed((0.22 * w, -d / 2 - 0.002, 0.45 * h)),
        box((0.004, 0.4 * d, 0.2 * h), WHITE, m.CARD).placed((-w / 2 - 0.002, 0.1 * d, 0.3 * h)),
    ]
    if rng.random() < 0.6:
        parts.append(box((0.02 * w, d, 0.5 * w), 0.8 * brown, m.CARD).placed((w / 2, 0, h - 0.01), pitch=0.9))
        parts.append(box((0.02 * w, d, 0.5 * w), 0.9 * brown, m.CARD).placed((-w / 2, 0, h - 0.01), pitch=-1.1))
    return merge(parts)


def crate(rng: np.random.Generator) -> Mesh:
    """A plastic transport box with ribs and a rim."""
    w, d, h, color = rng.uniform(0.4, 0.6), rng.uniform(0.3, 0.4), rng.uniform(0.22, 0.34), pick(BRIGHT, rng)
    parts = [
        box((0.92 * w, 0.92 * d, 0.9 * h), color, m.PLASTIC, 1.06),
        box((w, d, 0.06 * h), 0.8 * color, m.PLASTIC).placed((0, 0, 0.88 * h)),
        box((0.84 * w, 0.84 * d, 0.01), 0.15 * color, m.PLASTIC).placed((0, 0, 0.945 * h)),
    ]
    for x in np.linspace(-0.4, 0.4, 5):
        parts.append(box((0.02, 0.97 * d, 0.9 * h), 0.75 * color, m.PLASTIC).placed((x * w, 0, 0)))
    for y in np.linspace(-0.36, 0.36, 3):
        parts.append(box((0.97 * w, 0.02, 0.9 * h), 0.75 * color, m.PLASTIC).placed((0, y * d, 0)))
    return merge(parts)


def bollard(rng: np.random.Generator) -> Mesh:
    """A warning post with reflecting bands on a heavy foot."""
    h = rng.uniform(0.75, 1.0)
    color = pick([linear(216, 60, 40), linear(232, 120, 24), linear(226, 180, 40)], rng)
    stops = [0.06, 0.45 * h, 0.58 * h, 0.7 * h, 0.83 * h, 0.97 * h]
    post = lathe(
        [(0.042, z) for z in stops] + [(0.025, h), (0.0, h)], [color, WHITE, color, WHITE, color, color, color], m.PLASTIC
    )
    return merge([post, lathe([(0.16, 0.0), (0.16, 0.04), (0.07, 0.08), (0.0, 0.08)], [BLACK] * 3, m.PLASTIC)])


def trolley(rng: np.random.Generator) -> Mesh:
    """A hand truck with wheels and a load of boxes."""
    steel, parts = pick(BRIGHT, rng), []
    for y in (-0.2, 0.2):
        parts += [
            capsule((0, y, 0.12), (0.12, y, 1.1), (0.016, 0.016), steel, m.METAL),
            _wheel(0.12, 0.05).placed((0.06, 1.25 * y, 0.12), yaw=np.pi / 2),
        ]
    for z in (0.3, 0.55, 0.8, 1.1):
        parts.append(capsule((0.12 * (z - 0.12), -0.2, z), (0.12 * (z - 0.12), 0.2, z), (0.014, 0.014), steel, m.METAL))
    parts.append(box((0.28, 0.42, 0.012), GREY, m.METAL).placed((-0.15, 0, 0.06)))
    parts.append(box((0.28, 0.36, rng.uniform(0.2, 0.3)), linear(166, 126, 84), m.CARD).placed((-0.16, 0, 0.075)))
    return merge(parts)


def suitcase(rng: np.random.Generator) -> Mesh:
    """A wheeled suitcase with ribs, its handle pulled out."""
    w, d, h = rng.uniform(0.36, 0.46), rng.uniform(0.22, 0.28), rng.uniform(0.52, 0.68)
    color = pick(BRIGHT + DARK, rng)
    parts = [soft_box((w, d, h), color, m.PLASTIC, 7.0, 12).placed((0, 0, 0.05))]
    for x in np.linspace(-0.34, 0.34, 4):
        parts.append(soft_box((0.03, d + 0.016, 0.9 * h), 0.8 * color, m.PLASTIC, 6.0, 6).placed((x * w, 0, 0.05 + 0.05 * h)))
    for x in (-0.35 * w, 0.35 * w):
        parts += [_wheel(0.03, 0.025).placed((x, 0.3 * d, 0.03)), _wheel(0.03, 0.025).placed((x, -0.3 * d, 0.03))]
    for x in (-0.08, 0.08):
        parts.append(capsule((x, 0.35 * d, h), (x, 0.35 * d, h + 0.32), (0.008, 0.008), linear(170, 172, 176), m.METAL, 6))
    parts.append(capsule((-0.09, 0.35 * d, h + 0.33), (0.09, 0.35 * d, h + 0.33), (0.016, 0.016), BLACK, m.PLASTIC))
    return merge(parts)


KINDS: dict[str, Maker] = {
    "cone": cone,
    "backpack": backpack,
    "bottle": bottle,
    "can": can,
    "bag": bag,
    "carton": carton,
    "box": crate,
    "bollard": bollard,
    "trolley": trolley,
    "suitcase": suitcase,
}


def _wheel(radius: float, width: float) -> Mesh:
    """A wheel whose axle lies along x."""
    disc = lathe(
        [
            (0.0, -width / 2),
            (0.6 * radius, -width / 2),
            (radius, -width / 2),
            (radius, width / 2),
            (0.6 * radius, width / 2),
            (0.0, width / 2),
        ],
        [GREY, BLACK, BLACK, BLACK, GREY],
        m.PLASTIC,
        16,
    )
    return disc.placed((0, 0, 0), pitch=np.pi / 2)

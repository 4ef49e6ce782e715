"""Who moves: people on foot, a cyclist, cars; their shape at an instant and the way they take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from umad_patrol.simulate import materials as m
from umad_patrol.simulate.mesh import Mesh, box, capsule, lathe, make, merge, soft_box
from umad_patrol.simulate.route import Route
from umad_patrol.simulate.things import BLACK, BRIGHT, DARK, GREY, WHITE, linear, pick

SKINS = [linear(222, 176, 146), linear(186, 132, 98), linear(120, 78, 54), linear(236, 196, 170)]
HAIR = [linear(38, 30, 26), linear(84, 56, 36), linear(160, 128, 80), linear(120, 118, 116)]
PAINTS = [linear(170, 172, 176), linear(36, 38, 42), linear(210, 210, 208), linear(120, 26, 30), linear(34, 60, 110), linear(84, 92, 92)]
WHEEL_R = 0.32
STRIDE_M, POSES = 1.4, 14


@dataclass(frozen=True, eq=False)
class Actor:
    """Moves along the route at `speed_mps` (negative: towards the robot), `d_m` beside it on the side of the houses.

    At time 0 it is `s0_m` along the route; `z_m` is the ground there. `model` is its shape along +x; without one it is made from its kind and `look`, a random number.
    """

    id: str
    kind: str
    look: int
    s0_m: float
    d_m: float
    speed_mps: float
    z_m: float = 0.0
    sway_m: float = 0.0
    model: Mesh | None = None

    def place(self, route: Route, time_s: float) -> tuple[np.ndarray, float]:
        """Position `(3,)` in the map and yaw at `time_s` since the start of the run."""
        s = self.s0_m + self.speed_mps * time_s
        d = route.side * (self.d_m + self.sway_m * np.sin(0.4 * time_s + self.look))
        yaw = float(route.heading(s)) + (0.0 if self.speed_mps >= 0 else np.pi)
        return np.append(route.point(s, d), self.z_m), yaw

    def mesh(self, route: Route, time_s: float) -> Mesh:
        """Its surface in the map at `time_s`."""
        position, yaw = self.place(route, time_s)
        if self.model is not None:
            return self.model.placed(position, yaw)
        return posed(self.kind, self.look, int(abs(self.speed_mps) * time_s / STRIDE_M * POSES) % POSES).placed(position, yaw)


@lru_cache(maxsize=512)
def posed(kind: str, look: int, pose: int) -> Mesh:
    """Somebody of this look at one of POSES instants of a stride, at the origin along +x."""
    return {"person": person, "cyclist": cyclist, "car": car}[kind](np.random.default_rng([look, 5]), pose / POSES)


def person(rng: np.random.Generator, phase: float) -> Mesh:
    """Somebody who walks along +x; `phase` [0, 1) is where in a double step."""
    h = rng.uniform(1.58, 1.88)
    skin, hair = pick(SKINS, rng), pick(HAIR, rng)
    shirt, trousers = pick(BRIGHT + DARK + [WHITE, GREY], rng), pick(DARK, rng)
    shoe = BLACK if rng.random() < 0.6 else WHITE
    sleeve = shirt if rng.random() < 0.6 else skin
    wide, satchel = rng.uniform(0.9, 1.15), rng.random() < 0.5
    swing = np.sin(2 * np.pi * phase)
    hip, shoulder = 0.52 * h, 0.81 * h
    parts = [
        capsule((0, 0, hip - 0.02), (0.02, 0, hip + 0.12), (0.15 * wide, 0.145 * wide), trousers, m.FABRIC, 14).scaled(
            (0.75, 1.1, 1)
        ),
        capsule((0.02, 0, hip + 0.1), (0.03, 0, shoulder - 0.06), (0.145 * wide, 0.17 * wide), shirt, m.FABRIC, 14).scaled(
            (0.7, 1.12, 1)
        ),
        capsule((0.03, 0, shoulder), (0.045, 0, 0.87 * h), (0.055, 0.05), skin, m.SKIN, 10),
        soft_box((0.19, 0.155, 0.235), skin, m.SKIN, 2.3, 8).placed((0.055, 0, h - 0.235)),
        soft_box((0.2, 0.175, 0.15), hair, m.FABRIC, 2.3, 8).placed((0.035, 0, h - 0.14)),
    ]
    for side in (-1, 1):
        ahead = side * swing
        thigh, bend = 0.42 * ahead, 0.25 + 0.3 * max(0.0, -ahead)
        top = np.array([0.0, 0.09 * side * wide, hip])
        knee = top + 0.25 * h * np.array([np.sin(thigh), 0, -np.cos(thigh)])
        foot = knee + 0.25 * h * np.array([np.sin(thigh - bend), 0, -np.cos(thigh - bend)])
        foot[2] = max(foot[2], 0.05)
        parts += [
            capsule(top, knee, (0.085 * wide, 0.06), trousers, m.FABRIC),
            capsule(knee, foot, (0.06, 0.042), trousers, m.FABRIC),
            soft_box((0.27, 0.095, 0.09), shoe, m.MATTE, 3.0, 6).placed(foot + [0.06, 0, -0.05]),
        ]
        arm = -0.4 * ahead
        start = np.array([0.03, 0.2 * side * wide, shoulder - 0.02])
        elbow = start + 0.17 * h * np.array([np.sin(arm), 0.1 * side, -np.cos(arm)])
        hand = elbow + 0.15 * h * np.array([np.sin(arm + 0.35), 0.0, -np.cos(arm + 0.35)])
        parts += [
            capsule(start, elbow, (0.058, 0.046), shirt, m.FABRIC),
            capsule(elbow, hand, (0.044, 0.034), sleeve, m.FABRIC),
            capsule(hand, hand + [0.02, 0, -0.07], (0.035, 0.025), skin, m.SKIN, 8),
        ]
    if satchel:
        parts.append(
            soft_box((0.16, 0.28, 0.4), pick(DARK, rng), m.FABRIC, 3.5, 8).placed((-0.17, 0, hip + 0.16))
        )
    return merge(parts)


def cyclist(rng: np.random.Generator, phase: float) -> Mesh:
    """Somebody on a bicycle, along +x; `phase` [0, 1) is where the pedals are."""
    frame, shirt, trousers, skin = (pick(colors, rng) for colors in (BRIGHT, BRIGHT, DARK, SKINS))
    turn = -2 * np.pi * phase
    parts = [_tyre().placed((x, 0, 0.34)) for x in (-0.52, 0.52)]
    bars = [
        ((-0.52, 0, 0.34), (-0.12, 0, 0.3)),
        ((-0.12, 0, 0.3), (-0.25, 0, 0.85)),
        ((-0.12, 0, 0.3), (0.36, 0, 0.8)),
        ((-0.22, 0, 0.8), (0.36, 0, 0.86)),
        ((0.36, 0, 0.95), (0.52, 0, 0.34)),
        ((-0.25, 0, 0.8), (-0.52, 0, 0.34)),
        ((0.36, -0.25, 1.0), (0.36, 0.25, 1.0)),
    ]
    parts += [capsule(a, b, (0.018, 0.018), frame, m.METAL, 7) for a, b in bars]
    hip, shoulder = np.array([-0.25, 0, 0.98]), np.array([0.12, 0, 1.42])
    parts += [
        capsule(hip, shoulder, (0.14, 0.16), shirt, m.FABRIC, 12),
        soft_box((0.2, 0.165, 0.24), skin, m.SKIN, 2.3, 8).placed((0.2, 0, 1.5)),
        soft_box((0.25, 0.19, 0.15), pick(BRIGHT, rng), m.PLASTIC, 2.5, 8).placed((0.19, 0, 1.63)),
    ]
    for side in (-1, 1):
        pedal = np.array(
            [-0.12 + 0.16 * np.cos(turn + np.pi * (side > 0)), 0.1 * side, 0.3 + 0.16 * np.sin(turn + np.pi * (side > 0))]
        )
        knee = 0.5 * (hip + pedal) + np.array([0.24, 0.05 * side, 0.1])
        parts += [
            capsule(hip + [0, 0.08 * side, 0], knee, (0.085, 0.06), trousers, m.FABRIC),
            capsule(knee, pedal, (0.058, 0.045), trousers, m.FABRIC),
            soft_box((0.24, 0.09, 0.08), BLACK, m.MATTE, 3.0, 6).placed(pedal + [0.03, 0, -0.04]),
            capsule(shoulder + [0, 0.18 * side, -0.02], (0.34, 0.24 * side, 1.03), (0.055, 0.038), shirt, m.FABRIC),
        ]
    return merge(parts)


def car(rng: np.random.Generator, phase: float = 0.0) -> Mesh:
    """A hatchback or saloon along +x, 4.2 m long: body lofted along its side view, glasshouse, wheels, lights."""
    paint, roof = pick(PAINTS, rng), rng.uniform(1.42, 1.55)
    tail = rng.uniform(-2.05, -1.55)
    side = np.array([(-2.1, 0.25), (-2.15, 0.55), (-2.1, 0.88), (-1.9, 0.94), (-1.0, 0.97),
                     (0.85, 0.95), (1.75, 0.84), (2.1, 0.68), (2.15, 0.42), (2.05, 0.25)])
    cabin = np.array(
        [(tail, 0.93), (tail + 0.45, roof - 0.06), (tail + 0.75, roof), (0.1, roof), (0.35, roof - 0.05), (1.05, 0.93)]
    )
    parts = [
        _loft(side, 0.86, 0.9, paint, m.METAL),
        _loft(cabin, 0.6, 0.8, linear(26, 30, 34), m.GLASS, base=0.93),
        _loft(cabin[1:-1] + [0, 0.012], 0.59, 0.72, paint, m.METAL, base=roof - 0.05),
    ]
    for x in (-0.35, tail + 0.6):
        parts.append(box((0.07, 1.48, roof - 0.95), paint, m.METAL, 0.88).placed((x, 0, 0.94)))
    for x in (-1.3, 1.3):
        for y in (-0.8, 0.8):
            parts.append(_car_wheel().placed((x, y, WHEEL_R), yaw=0.0 if y < 0 else np.pi))
    for y in (-0.62, 0.62):
        parts += [
            box((0.06, 0.34, 0.13), WHITE, m.GLASS).placed((2.1, y, 0.6)),
            box((0.06, 0.3, 0.18), linear(170, 20, 22), m.GLASS).placed((-2.12, y, 0.68)),
        ]
    for x in (2.13, -2.14):
        parts += [
            box((0.04, 0.5, 0.11), WHITE, m.MATTE).placed((x, 0, 0.42)),
            box((0.05, 1.3, 0.12), BLACK, m.PLASTIC).placed((x - 0.01 * np.sign(x), 0, 0.26)),
        ]
    return merge(parts)


def _loft(
    outline: np.ndarray, top_half: float, low_half: float, color: np.ndarray, material: int, base: float | None = None
) -> Mesh:
    """The body under a side view `(N, 2)` of (x, z), closed below at `base`; narrower (`top_half`) towards its top."""
    floor = float(outline[:, 1].min()) if base is None else base
    z = outline[:, 1]
    share = (z - floor) / max(float(z.max()) - floor, 1e-6)
    half = low_half + (top_half - low_half) * share
    left, right = np.c_[outline[:, 0], half, z], np.c_[outline[:, 0], -half, z]
    foot_l, foot_r = (
        np.c_[outline[:, 0], np.full(len(z), low_half), np.full(len(z), floor)],
        np.c_[outline[:, 0], np.full(len(z), -low_half), np.full(len(z), floor)],
    )
    n, faces = len(outline), []
    for i in range(n - 1):
        faces += [[i, i + 1, n + i + 1], [i, n + i + 1, n + i]]  # top
        faces += [[i, 2 * n + i, 2 * n + i + 1], [i, 2 * n + i + 1, i + 1]]  # left
        faces += [[n + i, 3 * n + i + 1, 3 * n + i], [n + i, n + i + 1, 3 * n + i + 1]]  # right
    return make(np.vstack([left, right, foot_l, foot_r]), np.array(faces), color, material)


def _car_wheel() -> Mesh:
    tyre = lathe(
        [(0.0, -0.02), (0.2, -0.01), (0.22, -0.03), (WHEEL_R - 0.02, -0.03), (WHEEL_R, 0.0), (WHEEL_R, 0.17), (0.0, 0.17)],
        [linear(140, 142, 146), linear(60, 60, 62), BLACK, BLACK, BLACK, BLACK],
        m.PLASTIC,
        24,
    )
    return tyre.placed((0, -0.06, 0), roll=-np.pi / 2)


def _tyre() -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 21)
    rim = [
        capsule(
            (0.33 * np.cos(a), 0, 0.33 * np.sin(a)), (0.33 * np.cos(b), 0, 0.33 * np.sin(b)), (0.02, 0.02), BLACK, m.PLASTIC, 6
        )
        for a, b in zip(angle[:-1], angle[1:])
    ]
    spokes = [capsule((0, 0, 0), (0.32 * np.cos(a), 0, 0.32 * np.sin(a)), (0.004, 0.004), GREY, m.METAL, 4) for a in angle[::2]]
    return merge(rim + spokes)

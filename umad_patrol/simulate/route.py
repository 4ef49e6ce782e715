"""The line that the robot drives: straight, a turn, straight; and places given along and beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Route:
    """Starts at the map's origin along x. `turn_rad` is positive to the left, `radius_m` that of the turn."""

    straight_m: float
    turn_rad: float
    radius_m: float
    length_m: float

    @property
    def side(self) -> float:
        """+1 if the route turns to the left, -1 if to the right. The houses stand on this side, the road lies on the other."""
        return 1.0 if self.turn_rad >= 0 else -1.0

    @property
    def bend(self) -> tuple[float, float]:
        """Where the turn starts and ends, in metres along the route."""
        return self.straight_m, self.straight_m + abs(self.turn_rad) * self.radius_m

    def heading(self, s: np.ndarray | float) -> np.ndarray:
        """Direction of the route at `s` metres along it, radians from the map's x axis."""
        start, _ = self.bend
        return self.side * np.clip((np.asarray(s, np.float64) - start) / self.radius_m, 0.0, abs(self.turn_rad))

    def point(self, s: np.ndarray | float, d: np.ndarray | float) -> np.ndarray:
        """Map `(..., 2)` of the place `s` metres along the route and `d` metres to its left; it goes on straight at both ends."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        start, end = self.bend
        along, phi = np.minimum(s, start), self.heading(s)
        beyond = np.maximum(s - end, 0.0)
        x = along + self.radius_m * np.sin(np.abs(phi)) + beyond * np.cos(phi) - d * np.sin(phi)
        y = self.side * self.radius_m * (1 - np.cos(phi)) + beyond * np.sin(phi) + d * np.cos(phi)
        return np.stack([x, y], axis=-1)

    def direction(self, s: np.ndarray | float) -> np.ndarray:
        """Unit vector `(..., 3)` along the route."""
        phi = self.heading(s)
        return np.stack([np.cos(phi), np.sin(phi), np.zeros_like(phi)], axis=-1)


def make_route(rng: np.random.Generator, length_m: float) -> Route:
    """A route of `length_m` metres with one turn of 55 to 85 degrees a little past its middle, to either side."""
    radius = 9.0
    turn = np.radians(rng.uniform(55.0, 85.0)) * rng.choice([-1.0, 1.0])
    straight = max(1.0, 0.55 * length_m - 0.3 * abs(turn) * radius)
    return Route(float(straight), float(turn), radius, float(length_m))

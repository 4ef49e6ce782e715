"""The street along the route: ground in strips, kerbs, house fronts, and what stands there for good."""

from __future__ import annotations

import numpy as np

from umad_patrol.simulate import actors, furniture
from umad_patrol.simulate import materials as m
from umad_patrol.simulate.mesh import Mesh, box, make, merge, quad
from umad_patrol.simulate.route import Route
from umad_patrol.simulate.things import linear, pick

MARGIN_M = 70.0  # the street goes on so far before and behind the route
ROAD_Z = -0.12
NEAR_KERB, FAR_KERB, EDGE = -2.0, -8.65, -12.5  # metres towards the houses; negative is the side of the road
YARD = 2.0  # where the pavement ends and the front yards begin
NO_TINT = np.ones(3)


class Street:
    """Makes the parts of one street; `d` counts towards the houses, whichever side they stand on."""

    def __init__(self, route: Route, rng: np.random.Generator) -> None:
        self.route = route
        self.rng = rng

    def point(self, s: float | np.ndarray, d: float | np.ndarray, z: float | np.ndarray = 0.0) -> np.ndarray:
        """Map place `(..., 3)`."""
        flat = self.route.point(s, self.route.side * np.asarray(d))
        return np.concatenate([flat, np.broadcast_to(np.asarray(z, np.float64), flat.shape[:-1])[..., None]], -1)

    def stand(self, mesh: Mesh, s: float, d: float, z: float = 0.0, turn: float = 0.0) -> Mesh:
        """A thing put there, its +x along the route (plus `turn`)."""
        return mesh.placed(self.point(s, d, z), float(self.route.heading(s)) + turn)

    def ground(self) -> Mesh:
        """Road, kerbs, pavements and yards."""
        s = self._stations(-MARGIN_M, self.route.length_m + MARGIN_M)
        parts = [
            self._strip(s, (NEAR_KERB, 0.0), (YARD, 0.0), m.PAVING, NEAR_KERB),
            self._strip(s, (NEAR_KERB, 0.0), (NEAR_KERB - 0.15, 0.0), m.KERB),
            self._strip(s, (NEAR_KERB - 0.15, 0.0), (NEAR_KERB - 0.15, ROAD_Z), m.KERB),
            self._strip(s, (NEAR_KERB - 0.15, ROAD_Z), (FAR_KERB + 0.15, ROAD_Z), m.ROAD, FAR_KERB + 0.15),
            self._strip(s, (FAR_KERB + 0.15, ROAD_Z), (FAR_KERB + 0.15, 0.0), m.KERB),
            self._strip(s, (FAR_KERB + 0.15, 0.0), (FAR_KERB, 0.0), m.KERB),
            self._strip(s, (FAR_KERB, 0.0), (EDGE, 0.0), m.PAVERS),
        ]
        edges = np.unique(np.r_[s[0], self._yard_edges(), s[-1]])
        kinds = self.rng.permutation(np.resize([m.GRASS, m.PAVERS, m.GRASS], len(edges)))
        for a, b, kind in zip(edges[:-1], edges[1:], kinds):
            part = s[(s > a) & (s < b)]
            parts.append(self._strip(np.r_[a, part, b], (YARD, 0.0), (8.9, 0.0), int(kind)))
            if kind == m.GRASS:
                parts += self._curb_stones(a, b)
        far = 400.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return merge([*parts, quad(np.c_[far, np.full(4, ROAD_Z - 0.02)], NO_TINT, m.GRASS, far)])

    def houses(self) -> Mesh:
        """Fronts on both sides, 5.2 to 8 m beside the route on the near side but for the bend, and larger blocks behind them."""
        parts, (bend_start, bend_end) = [], self.route.bend
        for near in (True, False):
            s = -MARGIN_M
            while s < self.route.length_m + MARGIN_M:
                length = 3.2 * float(self.rng.integers(3, 6))
                on_bend = s + length > bend_start - 1.5 and s < bend_end + 1.5
                if not (near and on_bend):
                    pieces = self._cuts(s, length, on_bend)
                    parts += self._house(
                        pieces, self.rng.uniform(5.2, 8.0) if near else EDGE - self.rng.uniform(0.0, 1.5), 1.0 if near else -1.0
                    )
                s += length + (self.rng.uniform(1.5, 5.0) if self.rng.random() < 0.4 else 0.0)
        for _ in range(26):
            angle, distance = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(110, 220)
            centre = self.route.point(self.route.length_m / 2, 0.0) + distance * np.array([np.cos(angle), np.sin(angle)])
            parts.append(self._block(centre))
        return merge(parts)

    def fixtures(self) -> Mesh:
        """Lamps, posts, trees, hedges, signs, cabinets, planters and parked cars that never move."""
        rng, length = self.rng, self.route.length_m
        across, bend = self.route.side * np.pi / 2, self.route.bend  # the turn that points +x at the houses
        trees, bushes, cars = ([make_one(rng) for _ in range(5)] for make_one in (furniture.tree, furniture.bush, actors.car))
        lamp, post, hedge = furniture.lamp(rng), furniture.post(rng), furniture.hedge(3.6, rng)
        parts = [self.stand(lamp, s, -1.75, turn=-across - np.pi / 2) for s in np.arange(-40, length + 50, 17.0)]
        parts += [self.stand(post, s, -1.85) for s in np.arange(-6.0, length + 20, 1.9) if np.sin(s / 9.0) > 0.25]
        for s in np.arange(-45, length + 50, 8.5):
            for chance, d in ((0.62, rng.uniform(2.9, 3.6)), (0.75, -10.3)):
                if rng.random() < chance:
                    parts.append(self._grown(trees, s + rng.uniform(-2, 2), d))
        for s in np.arange(-20, length + 30, 7.0):
            if rng.random() < 0.42 and not bend[0] - 3 < s < bend[1] + 3:
                parts.append(self.stand(hedge, s, rng.uniform(4.1, 4.5)))
            elif rng.random() < 0.5:
                parts.append(self._grown(bushes, s + rng.uniform(-2, 2), rng.uniform(4.0, 4.8)))
        for s in np.arange(3, length + 20, 13.0) + rng.uniform(0, 4):
            kind = pick([furniture.sign, furniture.cabinet, furniture.planter], rng)
            d, turn = (-1.8, 0.0) if kind is furniture.sign else (2.4, across - np.pi / 2)
            parts.append(self.stand(kind(rng), s + rng.uniform(-2, 2), d, turn=turn))
        for s in np.arange(-50, length + 55, 6.2):
            if rng.random() < 0.45:
                parts.append(self.stand(pick(cars, rng), s + rng.uniform(-0.5, 0.5), FAR_KERB + 1.0, ROAD_Z))
        return merge(parts)

    def _grown(self, shapes: list[Mesh], s: float, d: float) -> Mesh:
        """One of these plants, turned and sized at random."""
        plant = pick(shapes, self.rng).scaled(float(self.rng.uniform(0.85, 1.15)))
        return self.stand(plant, s, d, turn=float(self.rng.uniform(-np.pi, np.pi)))

    def _stations(self, a: float, b: float) -> np.ndarray:
        start, end = self.route.bend
        inside = np.arange(start, end, 0.3)
        return np.unique(np.r_[np.arange(a, b, 8.0), inside[(inside > a) & (inside < b)], np.clip([start, end], a, b), b])

    def _yard_edges(self) -> np.ndarray:
        steps = self.rng.uniform(5.0, 12.0, 30)
        return (-MARGIN_M + np.cumsum(steps))[np.cumsum(steps) < self.route.length_m + 2 * MARGIN_M - 1.0]

    def _strip(
        self, s: np.ndarray, near: tuple[float, float], far: tuple[float, float], material: int, v_from: float | None = None
    ) -> Mesh:
        """Ground between two lines (d, z) along the route; u runs along it, v from the first line or from `v_from`."""
        (d0, z0), (d1, z1) = near, far
        points = np.concatenate([self.point(s, d0, z0), self.point(s, d1, z1)])
        across = abs(d1 - d0) + abs(z1 - z0)
        low = 0.0 if v_from is None else min(d0, d1) - v_from
        v = (low, low + across) if d1 >= d0 else (low + across, low)
        n = len(s)
        uv = np.concatenate([np.c_[s, np.full(n, v[0])], np.c_[s, np.full(n, v[1])]])
        i = np.arange(n - 1)
        faces = np.concatenate([np.c_[i, i + 1, n + i + 1], np.c_[i, n + i + 1, n + i]])
        return make(points, faces, NO_TINT, material, uv[faces])

    def _curb_stones(self, a: float, b: float) -> list[Mesh]:
        """A low edging between pavement and lawn."""
        s = np.r_[a, [x for x in self._stations(a, b) if a < x < b], b]
        return [
            self._strip(s, (YARD, 0.0), (YARD, 0.07), m.KERB),
            self._strip(s, (YARD, 0.07), (YARD + 0.08, 0.07), m.KERB),
            self._strip(s, (YARD + 0.08, 0.07), (YARD + 0.08, 0.0), m.KERB),
        ]

    def _cuts(self, s: float, length: float, on_bend: bool) -> list[tuple[float, float]]:
        """A front is flat; on the bend it is cut into short flat pieces."""
        if not on_bend:
            return [(s, s + length)]
        edges = np.linspace(s, s + length, max(2, int(length / 1.6) + 1))
        return list(zip(edges[:-1], edges[1:]))

    def _house(self, pieces: list[tuple[float, float]], d: float, outward: float) -> list[Mesh]:
        rng, parts = self.rng, []
        wall = int(rng.choice(m.WALLS))
        shop = wall - m.WALLS[0] + m.SHOPS[0]
        tint, floors, offset = (
            rng.uniform(0.8, 1.1) * rng.uniform(0.94, 1.06, 3),
            int(rng.integers(2, 6)),
            3.2 * float(rng.integers(4)),
        )
        top = 3.2 * (floors + 1)
        u = offset
        for a, b in pieces:
            p, q = self.point(a, d), self.point(b, d)
            width = float(np.linalg.norm(q - p))
            parts += [
                _panel(p, q, 0.0, 3.2, (u, u + width), tint, shop),
                _panel(p, q, 3.2, top, (u, u + width), tint, wall),
                _panel(p, q, top, top + 0.4, (u, u + width), 0.7 * tint, m.KERB),
            ]
            u += width
        first, last = self.point(pieces[0][0], d), self.point(pieces[-1][1], d)
        back = [self.point(pieces[0][0], d + outward * 9.0), self.point(pieces[-1][1], d + outward * 9.0)]
        for p, q in ((first, back[0]), (last, back[1])):
            parts.append(_panel(p, q, 0.0, top + 0.4, (0.0, 9.0), tint * 0.9, m.KERB))
        centre, yaw = 0.5 * (first + last), np.arctan2(*(last - first)[1::-1])
        width = float(np.linalg.norm(last - first))
        if len(pieces) == 1:
            parts.append(box((width, 0.3, 0.14), linear(150, 146, 138), m.KERB).placed(centre + [0, 0, top - 0.1], yaw))
            x = rng.uniform(-0.45, 0.45) * width
            side = self.point(0.5 * (pieces[0][0] + pieces[0][1]) + x, d - outward * 0.06)
            parts.append(box((0.09, 0.09, top), linear(110, 112, 112), m.METAL).placed(side))
        roof = np.array([first, last, back[1], back[0]]) + [0, 0, top + 0.4]
        parts.append(quad(roof, NO_TINT * 0.3, m.KERB))
        return parts

    def _block(self, centre: np.ndarray) -> Mesh:
        rng = self.rng
        wall, yaw, top = int(rng.choice(m.WALLS)), rng.uniform(0, np.pi), 3.2 * float(rng.integers(4, 14))
        w, d, tint = rng.uniform(14, 40), rng.uniform(12, 20), rng.uniform(0.7, 1.1)
        corners = np.array([[-w, -d], [w, -d], [w, d], [-w, d]]) / 2
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        corners = np.c_[corners @ turn.T + centre, np.zeros(4)]
        sides = [
            _panel(corners[i], corners[(i + 1) % 4], 0.0, top, (0.0, w if i % 2 == 0 else d), NO_TINT * tint, wall)
            for i in range(4)
        ]
        return merge(sides + [quad(corners + [0, 0, top], NO_TINT * 0.3, m.KERB)])


def _panel(
    p: np.ndarray, q: np.ndarray, low: float, high: float, u: tuple[float, float], tint: np.ndarray, material: int
) -> Mesh:
    """An upright wall from p to q; v runs up from `low`."""
    up = np.array([0.0, 0.0, 1.0])
    corners = np.array([p + low * up, q + low * up, q + high * up, p + high * up])
    return quad(corners, tint, material, np.array([[u[0], 0.0], [u[1], 0.0], [u[1], high - low], [u[0], high - low]]))

"""The map plot of a report: everything in map coordinates turned to pixels of an SVG, y up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from umad_patrol.alerts.store import Stretch
from umad_patrol.records import ACTIVE, CLEARED, DISMISSED, Alert

WIDTH, MARGIN = 1060, 48
HEIGHTS = 240, 720   # of the plot, least and most
APART_M = 2.5        # positions that lie further apart are not joined by a line
COLOURS = {ACTIVE: "--alert", CLEARED: "--good", DISMISSED: "--none"}


def draw_plot(route: np.ndarray, way: Sequence[Stretch], alerts: Sequence[Alert], truth: Sequence[Mapping], css: Mapping[str, str]) -> dict:
    """What the page's SVG shows. `route` `(N, 3)` is the taught way; `css` names the style of a status."""
    route = route[np.isfinite(route).all(axis=1)]
    track = np.array([s.position for s in way]).reshape(-1, 3)
    marks = np.array([a.position for a in alerts] + [t["position"] for t in truth], dtype=np.float64).reshape(-1, 3)
    every = np.vstack([route, track, marks])[:, :2]
    low, high = (every.min(axis=0), every.max(axis=0)) if len(every) else (np.zeros(2), np.ones(2))
    span = np.maximum(high - low, 2.0)
    low = (low + high - span) / 2
    scale = min((WIDTH - 2 * MARGIN) / span[0], (HEIGHTS[1] - 2 * MARGIN) / span[1])
    height = int(max(HEIGHTS[0], span[1] * scale + 2 * MARGIN))
    offset = np.array([(WIDTH - span[0] * scale) / 2, (height - span[1] * scale) / 2])

    def pixel(position: Sequence[float]) -> tuple[float, float]:
        return (round(float(offset[0] + (position[0] - low[0]) * scale), 1),
                round(float(height - offset[1] - (position[1] - low[1]) * scale), 1))

    step = _round_number(110 / scale)
    return {
        "width": WIDTH, "height": height, "grid": _grid(low, pixel, step, height),
        "routes": [_points(part, pixel) for part in _pieces(route)], "track": _track(way, css, pixel),
        "start": pixel(track[0]) if len(track) else None,
        "rings": [dict(zip("xy", pixel(t["position"])), name=f"{t.get('kind', '')} {t.get('id', '')}".strip()) for t in truth],
        "marks": [dict(zip("xy", pixel(a.position)), number=i, anchor=f"alert-{i}", name=f"{a.id} {a.class_name} ({a.state})",
                       colour=COLOURS.get(a.state, "--none")) for i, a in reversed(list(enumerate(alerts, 1)))],     # the first lies on top
        "bar": {"x": 20, "y": height - 16, "length": round(step * scale, 1), "text": f"{step:g} m"},
    }


def _track(way: Sequence[Stretch], css: Mapping[str, str], pixel) -> list[dict]:
    """Lines from each piece of the way to the next, joined as long as the status stays."""
    parts: list[dict] = []
    for i, stretch in enumerate(way):
        here = [stretch.position]
        if i + 1 < len(way) and _near(stretch.position, way[i + 1].position):
            here.append(way[i + 1].position)
        points = [pixel(p) for p in here]
        name = css.get(stretch.status, "no-reference")
        if parts and parts[-1]["css"] == name and parts[-1]["ends"] == points[0]:
            parts[-1]["points"] += "".join(f" {x},{y}" for x, y in points[1:])
        else:
            parts.append({"css": name, "points": " ".join(f"{x},{y}" for x, y in points)})
        parts[-1]["ends"] = points[-1]
    return parts


def _pieces(route: np.ndarray) -> list[np.ndarray]:
    if len(route) < 2:
        return []
    breaks = np.nonzero(np.linalg.norm(np.diff(route[:, :2], axis=0), axis=1) > APART_M)[0] + 1
    return [part for part in np.split(route, breaks) if len(part) > 1]


def _near(a: Sequence[float], b: Sequence[float]) -> bool:
    return float(np.hypot(a[0] - b[0], a[1] - b[1])) <= APART_M


def _points(part: np.ndarray, pixel) -> str:
    return " ".join("{},{}".format(*pixel(p)) for p in part)


def _grid(low: np.ndarray, pixel, step: float, height: int) -> list[tuple]:
    lines = []
    for k in range(-60, 160):
        x, y = pixel((np.floor(low[0] / step) * step + k * step, np.floor(low[1] / step) * step + k * step))
        if 0 < x < WIDTH:
            lines.append((x, 0, x, height))
        if 0 < y < height:
            lines.append((0, y, WIDTH, y))
    return lines


def _round_number(value: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... up to `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(m for m in (1, 2, 5) if m * power <= value * (1 + 1e-9)))

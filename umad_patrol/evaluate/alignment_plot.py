"""PME over what was varied from pair to pair, drawn."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.evaluate.alignment_tables import FACTORS
from umad_patrol.evaluate.pme import MOST_PX

_PANEL, _LEFT, _TOP, _BELOW = (620, 380), 60, 40, 50  # width and height of a panel, its margins in pixels
_LOW_PX = 0.1
_COLOURS = ((40, 40, 200), (150, 150, 150), (60, 160, 60), (140, 200, 60), (200, 120, 30), (160, 60, 160), (30, 180, 220), (0, 0, 0))  # BGR, a method each
_FONT, _INK = cv2.FONT_HERSHEY_SIMPLEX, (60, 60, 60)


def draw_sweep(result: dict) -> np.ndarray:
    """A panel each for PME over offset, rotation, noise and light on all points, and on ground and far points where there are
    any; logarithmic, `(H, W, 3)` uint8 BGR. Takes what `evaluate alignment` returns, with a sweep in it."""
    names = list(result["methods"])
    panels = [_panel(f"{'all' if key == 'pme_px' else key[:-3]} points", title, result["sweep"][factor], key, names)
              for factor, title in FACTORS.items() for key in ("pme_px", "ground_px", "far_px")
              if len(result["sweep"][factor]) > 1 and any(key in of for of in result["sweep"][factor].values())]
    panels.append(_legend(names))
    columns = 3
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % columns)
    return np.vstack([np.hstack(panels[i:i + columns]) for i in range(0, len(panels), columns)])


def _panel(points: str, title: str, values: dict, key: str, names: list[str]) -> np.ndarray:
    width, height = _PANEL
    image = np.full((height, width, 3), 255, np.uint8)
    _text(image, f"PME in px, {points}, over {title}", (_LEFT, 24), 0.5)
    for px in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50):
        y = _row(px)
        cv2.line(image, (_LEFT, y), (width - 20, y), (225, 225, 225), 1)
        _text(image, f"{px:g}", (14, y + 5), 0.42)
    across = np.linspace(_LEFT + 30, width - 60, len(values)).round().astype(int).tolist()
    for x, value in zip(across, values):
        _text(image, value, (x - 4 * len(value), height - 22), 0.42)
    for name, colour in zip(names, _COLOURS):
        at = [(x, _row(of[key][name])) for x, of in zip(across, values.values()) if key in of]
        cv2.polylines(image, [np.array(at, np.int32).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        for place in at:
            cv2.circle(image, place, 4, colour, -1, cv2.LINE_AA)
    return image


def _legend(names: list[str]) -> np.ndarray:
    image = np.full((_PANEL[1], _PANEL[0], 3), 255, np.uint8)
    for i, (name, colour) in enumerate(zip(names, _COLOURS)):
        y = _TOP + 30 * i
        cv2.line(image, (_LEFT, y), (_LEFT + 40, y), colour, 3, cv2.LINE_AA)
        _text(image, name, (_LEFT + 55, y + 5), 0.5)
    _text(image, "means of the pairs; a failure counts 60 px", (_LEFT, _TOP + 30 * len(names) + 10), 0.45)
    return image


def _row(px: float) -> int:
    """Where a PME lies in a panel, from the top."""
    share = np.log(np.clip(px, _LOW_PX, MOST_PX) / _LOW_PX) / np.log(MOST_PX / _LOW_PX)
    return round(_PANEL[1] - _BELOW - float(share) * (_PANEL[1] - _BELOW - _TOP))


def _text(image: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(image, text, place, _FONT, size, _INK, 1, cv2.LINE_AA)

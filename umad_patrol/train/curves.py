"""How a training went, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from umad_patrol.errors import TrainingError

PANELS = (("loss", ("loss",)), ("F1 of pixels", ("f1_anomaly", "f1_dynamic", "f1_changed")),
          ("share of new things found", ("large", "small")), ("false regions a pair", ("false",)))
NEEDED = {"step", "seconds", *(name for _, names in PANELS for name in names)}
_SIZE, _LEFT, _RIGHT, _TOP, _BELOW = (560, 340), 60, 20, 40, 40  # width and height of a panel, its margins in pixels
_FONT, _INK, _GRID = cv2.FONT_HERSHEY_SIMPLEX, (60, 60, 60), (225, 225, 225)
_COLOURS = (40, 40, 200), (190, 120, 30), (60, 160, 60)  # BGR
_STEPS = 4


def read_log(path: str | Path) -> list[dict]:
    """The lines of a log by step; a session that went on from an earlier step replaces what came after.

    A line that a kill left unfinished is passed over. Raises TrainingError where there is no log.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no log of a training ({error})") from error
    rows: list[dict] = []
    for row in filter(None, map(_row, lines)):
        rows = [kept for kept in rows if kept["step"] < row["step"]] + [row]
    return rows


def _row(line: str) -> dict | None:
    """A line with all that is drawn; None for another."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and NEEDED <= row.keys() else None


def draw_curves(rows: list[dict]) -> np.ndarray:
    """Loss, F1, share found and false regions over the minutes of training: `(H, W, 3)` uint8 BGR."""
    minutes = np.array([row["seconds"] / 60 for row in rows])
    panels = [_panel(title, names, minutes, np.array([[row[name] for name in names] for row in rows], float).reshape(-1, len(names)))
              for title, names in PANELS]
    return np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])])


def _panel(title: str, names: tuple[str, ...], minutes: np.ndarray, values: np.ndarray) -> np.ndarray:
    width, height = _SIZE
    image = np.full((height, width, 3), 255, np.uint8)
    most = 1.0 if values.size and values.max() <= 1 else float(values.max(initial=1.0)) * 1.05
    end = float(minutes.max(initial=0.0)) or 1.0
    _text(image, f"{title}, over minutes", (_LEFT, 24), 0.5)
    for step in range(_STEPS + 1):
        share = step / _STEPS
        x, y = _place(share, share)
        cv2.line(image, (_LEFT, y), (width - _RIGHT, y), _GRID, 1)
        _text(image, f"{share * most:.3g}", (10, y + 5), 0.4)
        _text(image, f"{share * end:.3g}", (x - 10, height - 16), 0.4)
    for index, (name, colour) in enumerate(zip(names, _COLOURS)):
        at = [_place(minute / end, value / most) for minute, value in zip(minutes, values[:, index])]
        cv2.polylines(image, [np.array(at, np.int32).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        for point in at[-1:]:
            cv2.circle(image, point, 3, colour, -1, cv2.LINE_AA)
        if len(names) > 1:
            cv2.putText(image, name, (width - 130, _TOP + 18 * (index + 1)), _FONT, 0.45, colour, 1, cv2.LINE_AA)
    return image


def _place(right: float, up: float) -> tuple[int, int]:
    """Column and row of two shares of a panel's axes."""
    width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BELOW
    return round(_LEFT + right * width), round(_SIZE[1] - _BELOW - float(np.clip(up, 0, 1)) * height)


def _text(image: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(image, text, place, _FONT, size, _INK, 1, cv2.LINE_AA)

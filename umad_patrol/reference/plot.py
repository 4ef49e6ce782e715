"""A map from above, as a picture."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.reference.map import ReferenceMap

_COLOURS = ((200, 90, 20), (30, 120, 230), (60, 150, 60), (150, 60, 160), (40, 40, 200))  # BGR, a run each
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN_M, _MARGIN_PX, _LEGEND_PX = 2.0, 24, 26


def draw_map(reference_map: ReferenceMap, longest_px: int = 1400) -> np.ndarray:
    """The runs with their keyframes and headings over the cloud, x to the right and y up; `(H, W, 3)` uint8 BGR."""
    places = reference_map.poses[:, :2, 3]
    low, high = places.min(axis=0) - _MARGIN_M, places.max(axis=0) + _MARGIN_M
    scale = (longest_px - 2 * _MARGIN_PX) / float((high - low).max())
    width, height = (np.ceil((high - low) * scale).astype(int) + 2 * _MARGIN_PX).tolist()
    legend = _LEGEND_PX * (len(reference_map.runs) + 1)
    image = np.full((height + legend, max(width, 480), 3), 255, np.uint8)

    def pixels(xy: np.ndarray) -> np.ndarray:
        return np.rint(np.column_stack([xy[:, 0] - low[0], high[1] - xy[:, 1]]) * scale + _MARGIN_PX).astype(int)

    _draw_cloud(image[:height], reference_map, pixels)
    for number, name in enumerate(reference_map.runs):
        colour, rows = _COLOURS[number % len(_COLOURS)], reference_map.run_of == number
        _draw_run(image, pixels(places[rows]), reference_map.poses[rows, :2, 2], colour)
        top = height + _LEGEND_PX * number
        cv2.line(image, (_MARGIN_PX, top + 8), (_MARGIN_PX + 30, top + 8), colour, 3, cv2.LINE_AA)
        cv2.putText(image, f"{name}: {rows.sum()} keyframes", (_MARGIN_PX + 40, top + 13), _FONT, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    _draw_scale(image, scale, height + _LEGEND_PX * len(reference_map.runs))
    return image


def _draw_cloud(image: np.ndarray, reference_map: ReferenceMap, pixels) -> None:
    cloud = reference_map.cloud()
    if cloud is None:
        return
    cloud = cloud[np.argsort(cloud[:, 2])]  # what is high is drawn last
    above = cloud[:, 2] - np.median(reference_map.poses[:, 2, 3])
    at = pixels(cloud)
    inside = ((at >= 0) & (at < image.shape[1::-1])).all(axis=1)
    grey = np.clip(225 - 60 * (above + 1), 90, 225).astype(np.uint8)
    image[at[inside, 1], at[inside, 0]] = grey[inside, None]


def _draw_run(image: np.ndarray, at: np.ndarray, headings: np.ndarray, colour: tuple[int, int, int]) -> None:
    cv2.polylines(image, [at.reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
    for i, (place, heading) in enumerate(zip(at.tolist(), headings)):
        cv2.circle(image, place, 2, colour, -1, cv2.LINE_AA)
        if i % max(len(at) // 25, 1) == 0:
            tip = np.rint(place + 16 * heading * (1, -1)).astype(int).tolist()
            cv2.arrowedLine(image, place, tip, colour, 1, cv2.LINE_AA, tipLength=0.4)
    cv2.circle(image, at[0].tolist(), 6, colour, 2, cv2.LINE_AA)


def _draw_scale(image: np.ndarray, scale: float, top: int) -> None:
    longest = 200 / scale
    metres = max(m * 10.0 ** np.floor(np.log10(longest)) for m in (1, 2, 5) if m * 10.0 ** np.floor(np.log10(longest)) <= longest)
    length = round(metres * scale)
    cv2.line(image, (_MARGIN_PX, top + 8), (_MARGIN_PX + length, top + 8), (0, 0, 0), 2)
    cv2.putText(image, f"{metres:g} m; x right, y up; circle: start of a run", (_MARGIN_PX + length + 10, top + 13), _FONT, 0.5, (40, 40, 40), 1, cv2.LINE_AA)

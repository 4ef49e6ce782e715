"""Pictures of house fronts: four bays by three floors of 3.2 m at 12.5 mm, and ground floors of four bays by one."""

from __future__ import annotations

import cv2
import numpy as np

from umad_patrol.simulate.noise import octaves

FACADE_TEXEL = 0.0125
BAY = 256
STYLES = ("plaster", "brick", "panels", "concrete")


def wall_color(style: str, rng: np.random.Generator) -> np.ndarray:
    """A colour that such a wall may have, sRGB 0 to 255."""
    pool = {
        "plaster": [(204, 190, 160), (188, 176, 162), (196, 168, 140), (206, 204, 198), (172, 186, 180)],
        "brick": [(142, 84, 66), (156, 112, 84), (124, 76, 66)],
        "panels": [(168, 166, 160), (136, 140, 146), (180, 168, 150)],
        "concrete": [(152, 150, 144), (164, 158, 148)],
    }[style]
    return np.array(pool[int(rng.integers(len(pool)))], np.float32)


def upper_floors(style: str, color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`(768, 1024, 3)` uint8 sRGB, the lowest floor in the first rows (v points up)."""
    picture = _wall(style, color, (3 * BAY, 4 * BAY), rng)
    width, height, top = int(rng.integers(80, 150)), int(rng.integers(110, 160)), int(rng.integers(40, 62))
    trim = np.clip(picture.reshape(-1, 3).mean(0) + rng.uniform(-60, 60), 40, 235)
    for row in range(3):
        for column in range(4):
            _window(picture, column * BAY + (BAY - width) // 2, row * BAY + top, width, height, trim, rng)
    if rng.random() < 0.7:
        for row in range(3):
            cv2.rectangle(picture, (0, row * BAY + 244), (4 * BAY, row * BAY + 252), (trim * 0.95).tolist(), -1)
            picture[row * BAY + 252 : row * BAY + 255] *= 0.6
    _streaks(picture, rng)
    return np.ascontiguousarray(np.clip(picture, 3, 250).astype(np.uint8)[::-1])


def ground_floor(style: str, color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`(256, 1024, 3)` uint8 sRGB, its foot in the first rows: a door, two windows and a shop in any order, over a plinth."""
    picture = _wall(style, color, (BAY, 4 * BAY), rng)
    trim = np.clip(picture.reshape(-1, 3).mean(0) * rng.uniform(0.4, 0.8), 25, 200)
    cv2.rectangle(picture, (0, 214), (4 * BAY, BAY), (trim * 0.9).tolist(), -1)
    picture[214:] += 7.0 * octaves((64, 1024), 32, 1, rng)[:42, :, None]
    for column, kind in enumerate(rng.permutation(["door", "window", "window", "shop"])):
        x = column * BAY
        if kind == "door":
            _door(picture, x + 75, rng)
        elif kind == "window":
            _window(picture, x + 62, 58, 132, 120, trim, rng)
        else:
            _shop(picture, x + 20, rng)
    _streaks(picture, rng)
    return np.ascontiguousarray(np.clip(picture, 3, 250).astype(np.uint8)[::-1])


def _wall(style: str, color: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    gray = 4.0 * octaves(shape, 8, 1, rng, 0.9) + 6.0 * octaves(shape, 256, 16, rng)
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    if style == "brick":
        row = rows // 6
        number = row * 64 + (columns + 8 * (row % 2)) % shape[1] // 16
        gray += rng.normal(0, 11.0, number.max() + 1).astype(np.float32)[number]
        gray += 24.0 * ((rows % 6 == 0) | ((columns + 8 * (row % 2)) % 16 == 0))
    elif style == "panels":
        number = rows // 64 * 8 + columns // 128
        gray += rng.normal(0, 5.0, number.max() + 1).astype(np.float32)[number]
        gray -= 45.0 * ((rows % 64 == 0) | (columns % 128 == 0))
    elif style == "concrete":
        gray += 7.0 * octaves(shape, 128, 4, rng) - 20.0 * (rows % 128 == 0)
    return color + gray[..., None] * np.array([1.0, 0.98, 0.95], np.float32)


def _window(picture: np.ndarray, x: int, y: int, w: int, h: int, trim: np.ndarray, rng: np.random.Generator) -> None:
    cv2.rectangle(picture, (x - 7, y - 7), (x + w + 7, y + h + 6), trim.tolist(), -1)
    picture[y - 12 : y - 7, x - 7 : x + w + 7] *= 0.85
    shade = np.linspace(1.25, 0.7, h)[:, None, None]
    pane = np.array([46, 58, 70], np.float32) * rng.uniform(0.6, 1.6) * shade * np.ones((1, w, 1))
    pane += 10.0 * octaves((256, 256), 64, 16, rng)[:h, :w, None]
    kind = rng.random()
    if kind < 0.3:  # curtains
        fold = 12.0 * np.sin(np.arange(w) / rng.uniform(2, 4))[None, :, None]
        share = int(w * rng.uniform(0.2, 0.5))
        pane[:, :share] = rng.uniform(110, 175) + fold[:, :share]
        pane[:, w - share :] = rng.uniform(110, 175) + fold[:, w - share :]
    elif kind < 0.55:  # blind
        drop = int(h * rng.uniform(0.2, 0.9))
        pane[:drop] = rng.uniform(120, 190) - 22.0 * (np.arange(drop) % 5 == 0)[:, None, None]
    picture[y : y + h, x : x + w] = pane
    picture[y : y + 6, x : x + w] *= 0.5  # the reveal's shadow
    frame = [float(rng.choice([225, 90, 60]))] * 3
    cv2.rectangle(picture, (x, y), (x + w, y + h), frame, 4)
    cv2.line(picture, (x + w // 2, y), (x + w // 2, y + h), frame, 4)
    if h > 120:
        cv2.line(picture, (x, y + h // 3), (x + w, y + h // 3), frame, 3)
    cv2.rectangle(picture, (x - 10, y + h + 5), (x + w + 10, y + h + 11), np.clip(trim * 1.25, 0, 240).tolist(), -1)
    picture[y + h + 11 : y + h + 16, x - 10 : x + w + 10] *= 0.62


def _door(picture: np.ndarray, x: int, rng: np.random.Generator) -> None:
    color = np.array([(96, 44, 34), (38, 62, 52), (44, 56, 84), (92, 72, 52), (58, 58, 60)][int(rng.integers(5))], np.float32)
    cv2.rectangle(picture, (x - 8, 62), (x + 96, BAY), [150.0] * 3, -1)
    cv2.rectangle(picture, (x, 70), (x + 88, BAY), color.tolist(), -1)
    for py in (84, 150):
        cv2.rectangle(picture, (x + 10, py), (x + 78, py + 54), (color * 0.72).tolist(), 3)
    cv2.circle(picture, (x + 78, 172), 4, [190.0, 176.0, 120.0], -1)
    picture[70:78, x : x + 88] *= 0.55


def _shop(picture: np.ndarray, x: int, rng: np.random.Generator) -> None:
    sign = rng.uniform(30, 190, 3)
    cv2.rectangle(picture, (x, 12), (x + 216, 48), sign.tolist(), -1)
    for i in range(int(rng.integers(4, 9))):
        cx = x + 24 + 20 * i
        cv2.rectangle(
            picture, (cx, 22), (cx + int(rng.integers(6, 15)), 38), (255 - sign).tolist(), -1 if rng.random() < 0.5 else 3
        )
    pane = np.array([52, 56, 58], np.float32) + 16.0 * octaves((256, 256), 64, 4, rng)[:160, :208, None]
    for _ in range(14):
        px, py = int(rng.integers(180)), int(rng.integers(60, 140))
        cv2.rectangle(pane, (px, py), (px + int(rng.integers(8, 40)), 159), rng.uniform(30, 170, 3).tolist(), -1)
    picture[54:214, x + 4 : x + 212] = pane
    cv2.rectangle(picture, (x + 4, 54), (x + 212, 214), [70.0] * 3, 4)
    cv2.line(picture, (x + 108, 54), (x + 108, 214), [70.0] * 3, 4)


def _streaks(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Rain has left vertical dirt."""
    wide = cv2.resize(octaves((4, 256), 4, 1, rng, 0.9), (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    picture -= 9.0 * np.clip(wide, 0, 3)[..., None]

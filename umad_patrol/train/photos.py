"""Photographs to train on: read once, never enlarged, each with the place it was taken at so that a split keeps places apart."""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.errors import ImageError, TrainingError
from umad_patrol.io.images import read_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ROAD = "_road"
LONGEST_PX = 1280
SMALLEST_PX = 200
HELD_OUT = 0.1      # share of the places that validation has to itself


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture `(H, W, 3)` uint8 RGB, the name of its place and, where known, its road and its people and vehicles `(H, W)` uint8."""

    path: Path
    image: np.ndarray
    road: np.ndarray | None
    place: str
    dynamic: np.ndarray | None = None

    @property
    def held_out(self) -> bool:
        """Whether validation, not training, has this place."""
        return zlib.crc32(self.place.encode()) / 2**32 < HELD_OUT


def read_photos(folder: str | Path, limit: int = 0) -> list[Photo]:
    """All photographs below `folder`, at most `limit` of them if that is not 0.

    Where a MANIFEST.csv above a picture names its source, pictures of one source folder are one place; else those of one
    folder are. Masks `<name>_road.png` go with `<name>`. Raises TrainingError where there is no picture.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.stem.endswith(ROAD))
    if not paths:
        raise TrainingError(f"{folder} holds no photographs ({', '.join(SUFFIXES)})")
    if limit:
        paths = paths[::max(1, len(paths) // limit)][:limit]
    places = _places(folder)
    photos = [_photo(path, places.get(path, path.parent.name)) for path in tqdm(paths, "reading photographs", unit="picture", disable=None)]
    kept = [photo for photo in photos if photo is not None]
    if not kept:
        raise TrainingError(f"none of the {len(paths)} pictures in {folder} is readable and {SMALLEST_PX} px wide and high")
    return kept


def _photo(path: Path, place: str) -> Photo | None:
    """The picture, or None where it cannot be read or is too small."""
    try:
        image = read_image(path)
    except ImageError:
        return None
    if min(image.shape[:2]) < SMALLEST_PX:
        return None
    scale = min(1.0, LONGEST_PX / max(image.shape[:2]))
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    road_path = path.with_name(f"{path.stem}{ROAD}.png")
    road = cv2.resize(read_image(road_path)[:, :, 0], size, interpolation=cv2.INTER_NEAREST) if road_path.is_file() else None
    return Photo(path, np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)[:, :, ::-1]), road, place)


def _places(folder: Path) -> dict[Path, str]:
    """The place of each picture that a manifest in `folder` or above it names: its repository and folder there."""
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(newline="", encoding="utf-8") as file:
        return {folder / Path(*Path(row["file"]).parts[1:]): f"{row['repo']}/{Path(row['path']).parent}" for row in csv.DictReader(file)}

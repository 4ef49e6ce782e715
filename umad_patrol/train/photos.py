"""Photographs to train on: read once, never enlarged, each with the place it was taken at so that a split keeps places apart."""

from __future__ import annotations

import csv
import logging
import math
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.errors import ImageError, TrainingError
from umad_patrol.io.images import read_image
from umad_patrol.train.arrows import NOTE, without_arrows

_LOG = logging.getLogger(__name__)
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
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


def read_photos(folder: str | Path) -> list[Photo]:
    """All photographs below `folder`.

    Where a MANIFEST.csv above a picture names its source, pictures of one source folder are one place; else those of one
    folder are. Masks `<name>_road.png` go with `<name>`. Arrows are painted over where the manifest's note tells of them.
    Raises TrainingError where there is no picture.
    """
    folder = Path(folder)
    paths = find_photos(folder)
    known = _manifest(folder)
    photos = [_photo(path, *known.get(path, (path.parent.name, False))) for path in tqdm(paths, "reading photographs", unit="picture", disable=None)]
    kept = [photo for photo in photos if photo is not None]
    if not kept:
        raise TrainingError(f"none of the {len(paths)} pictures in {folder} is readable and {SMALLEST_PX} px wide and high")
    if len(kept) < len(paths):
        _LOG.warning("%s: %d of %d pictures cannot be read or are under %d px: passed over", folder, len(paths) - len(kept), len(paths), SMALLEST_PX)
    return _placed(kept)


def find_photos(folder: str | Path) -> list[Path]:
    """The pictures below `folder`, but for road masks. Raises TrainingError where there is none."""
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.stem.endswith(ROAD))
    if not paths:
        raise TrainingError(f"{folder} holds no photographs ({', '.join(SUFFIXES)})")
    return paths


def thinned(photos: list[Photo], share: float) -> list[Photo]:
    """At most this share of all from one folder, evenly chosen, so that no kind of place rules; of few folders an equal part each."""
    folders = defaultdict(list)
    for photo in photos:
        folders[photo.path.parent].append(photo)
    most = math.ceil(max(share, 1 / max(1, len(folders))) * len(photos))
    kept = {id(of[i * len(of) // most]) for of in folders.values() for i in range(most) if len(of) > most}
    return [photo for photo in photos if len(folders[photo.path.parent]) <= most or id(photo) in kept]


def _placed(photos: list[Photo]) -> list[Photo]:
    """As they are, or, where validation would get all places or none, each photograph a place of its own."""
    if len({photo.held_out for photo in photos}) == 2:
        return photos
    return [replace(photo, place=f"{photo.place}/{photo.path.stem}") for photo in photos]


def _photo(path: Path, place: str, arrows: bool) -> Photo | None:
    """The picture, without arrows if it has any, or None where it or its road mask cannot be read, or it is too small."""
    road_path = path.with_name(f"{path.stem}{ROAD}.png")
    try:
        image = read_image(path)
        road = read_image(road_path)[:, :, 0] if road_path.is_file() else None
    except ImageError:
        return None
    scale = min(1.0, LONGEST_PX / max(image.shape[:2]))
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    if min(size) < SMALLEST_PX:     # also where a long one, such as a panorama, gets so low: pairs take patches out of it
        return None
    road = cv2.resize(road, size, interpolation=cv2.INTER_NEAREST) if road is not None else None
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Photo(path, np.ascontiguousarray((without_arrows(small) if arrows else small)[:, :, ::-1]), road, place)


def _manifest(folder: Path) -> dict[Path, tuple[str, bool]]:
    """Of each picture that the manifest in `folder` names, its place (repository and folder there) and whether it has arrows drawn in."""
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        return {}
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:    # as spreadsheets write it
            return {folder / Path(*Path(row["file"]).parts[1:]): (f"{row['repo']}/{Path(row['path']).parent}", NOTE in (row.get("note") or ""))
                    for row in csv.DictReader(file)}
    except (KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{manifest} is no list of photographs with the columns file, repo, path ({type(error).__name__}: {error})") from error

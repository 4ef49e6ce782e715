"""Pictures of things to put into photographs: models of a folder seen from many sides, and cut-outs of real photographs.

A shelf of sprites is a folder of RGBA pictures `<kind>_<name>_<view>_<height in mm>.png`; it is made once and read after.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.errors import SimulationError, TrainingError
from umad_patrol.simulate.assets import Model, Shelf
from umad_patrol.train.sprite_render import render

CUT_OUT = "photo-"
THING, PERSON, VEHICLE = "thing", "person", "vehicle"
KINDS = {"anomaly": (THING, 8), "furniture": (THING, 4), "people": (PERSON, 6), "vehicle": (VEHICLE, 6)}   # class of the manifest: kind, views
LARGEST_PX = 192
HELD_OUT = 0.12     # share of the models that validation has to itself
SMALLEST_PX = 24


@dataclass(frozen=True, eq=False)
class Sprite:
    """A thing seen from one side: RGBA `(h, w, 4)` uint8, cut to what it covers, and how high it is (0: unknown)."""

    kind: str
    name: str
    image: np.ndarray
    height_m: float

    @property
    def of_photo(self) -> bool:
        """Whether it was cut out of a photograph."""
        return self.name.startswith(CUT_OUT)

    @property
    def held_out(self) -> bool:
        """Whether validation, not training, has this model; cut-outs are of training's photographs."""
        return not self.of_photo and zlib.crc32(self.name.rpartition("-")[0].encode()) / 2**32 < HELD_OUT

    @property
    def dynamic(self) -> bool:
        """Whether it is a person or a vehicle."""
        return self.kind in (PERSON, VEHICLE)


def make_sprites(assets: str | Path, shelf: str | Path, seed: int = 0) -> int:
    """Render the models of `assets` (a folder with MANIFEST.csv) into the folder `shelf`. Returns how many pictures it wrote.

    Raises TrainingError where there is no model.
    """
    shelf, source = Path(shelf), Shelf(assets)
    models = [(kind, views, model) for cls, (kind, views) in KINDS.items() for model in source.models(cls)]
    if not models:
        raise TrainingError(f"{assets}: MANIFEST.csv names no model of the classes {', '.join(KINDS)}")
    shelf.mkdir(parents=True, exist_ok=True)
    rng, count = np.random.default_rng((seed, 7)), 0
    for kind, views, model in tqdm(models, "rendering sprites", unit="model", disable=None):
        for view, image in enumerate(_views(source, model, views, rng)):
            write_sprite(shelf, Sprite(kind, f"{Path(model.file).stem}-{view}", image, model.height_m))
            count += 1
    return count


def write_sprite(shelf: Path, sprite: Sprite) -> None:
    """Write beside, then rename."""
    name = f"{sprite.kind}_{sprite.name.replace('_', '-')}_{round(sprite.height_m * 1000)}.png"
    beside = shelf / f".{os.getpid()}.png"
    cv2.imwrite(str(beside), cv2.cvtColor(sprite.image, cv2.COLOR_RGBA2BGRA))
    beside.replace(shelf / name)


def read_sprites(shelf: str | Path) -> list[Sprite]:
    """All sprites of a shelf. Raises TrainingError where it holds no thing or nobody."""
    sprites = []
    for path in sorted(Path(shelf).glob("*_*_*.png")):
        kind, name, height = path.stem.split("_")
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is not None and image.ndim == 3 and image.shape[2] == 4:
            sprites.append(Sprite(kind, name, cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), int(height) / 1000))
    if not any(s.dynamic for s in sprites) or all(s.dynamic for s in sprites):
        raise TrainingError(f"{shelf} holds {len(sprites)} sprites; things and people or vehicles are both needed")
    return sprites


def _views(source: Shelf, model: Model, views: int, rng: np.random.Generator) -> list[np.ndarray]:
    try:
        vertices, faces, uv, texture = source.geometry(model)
    except SimulationError:
        return []
    images = [render(vertices, faces, uv, texture, rng, LARGEST_PX) for _ in range(views)]
    return [image for image in images if min(image.shape[:2]) >= SMALLEST_PX // 3 and max(image.shape[:2]) >= SMALLEST_PX]

"""Pictures of things to put into photographs: models of a folder seen from many sides, and cut-outs of real photographs.

A shelf of sprites is a folder of RGBA pictures `<kind>_<name>-<view>_<height in mm>.png`; it is made once and read after.
Making it goes on where it was cut off: RENDERED lists the models that are done.
"""

from __future__ import annotations

import json
import logging
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

_LOG = logging.getLogger(__name__)
RENDERED = "rendered.json"
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
    """Render the models of `assets` (a folder with MANIFEST.csv) that are not yet there into the folder `shelf`. Returns how many were.

    A model that cannot be read is told of and passed over. Raises TrainingError where there is no model or the shelf is of other
    assets, SimulationError where the first model cannot be read.
    """
    shelf, source = Path(shelf), Shelf(assets)
    models = [(kind, views, model) for cls, (kind, views) in KINDS.items() for model in source.models(cls)]
    if not models:
        raise TrainingError(f"{assets}: MANIFEST.csv names no model of the classes {', '.join(KINDS)}")
    of = {"seed": seed, "manifest": zlib.crc32((Path(assets) / "MANIFEST.csv").read_bytes())}
    done = _rendered(shelf, of)
    missing = [entry for entry in models if entry[2].file not in done]
    for kind, views, model in tqdm(missing, "rendering sprites", unit="model", disable=not missing or None):
        try:
            shelf.mkdir(parents=True, exist_ok=True)
            _render(source, shelf, kind, views, model, seed)
        except SimulationError as error:
            if not done:
                raise       # most likely none can be read
            _LOG.warning("%s: passed over", error)
            continue
        done.append(model.file)
        _note(shelf, {**of, "models": done})
    return len(missing)


def _render(source: Shelf, shelf: Path, kind: str, views: int, model: Model, seed: int) -> None:
    """The pictures of one model, always the same for a seed. Raises SimulationError where it cannot be read."""
    rng = np.random.default_rng((seed, 7, zlib.crc32(model.file.encode())))
    for view, image in enumerate(_views(source, model, views, rng)):
        write_sprite(shelf, Sprite(kind, f"{Path(model.file).stem}-{view}", image, model.height_m))


def _rendered(shelf: Path, of: dict) -> list[str]:
    """The models that are done. Raises TrainingError where they are `of` other assets."""
    path = shelf / RENDERED
    if not path.is_file():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        same, models = all(kept[name] == value for name, value in of.items()), list(kept["models"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is damaged ({type(error).__name__}: {error}); remove the folder and its sprites are made anew") from error
    if not same:
        raise TrainingError(f"{shelf} holds sprites of other models (its {RENDERED} says so); name another folder, or remove it")
    return models


def _note(shelf: Path, content: dict) -> None:
    beside = shelf / f".{os.getpid()}.json"
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(shelf / RENDERED)


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
    """Those of so many sides that show enough."""
    vertices, faces, uv, texture = source.geometry(model)
    images = [render(vertices, faces, uv, texture, rng, LARGEST_PX) for _ in range(views)]
    return [image for image in images if min(image.shape[:2]) >= SMALLEST_PX // 3 and max(image.shape[:2]) >= SMALLEST_PX]

"""Pictures of things to put into photographs: models of a folder seen from many sides, and cut-outs of real photographs.

A shelf of sprites is a folder of RGBA pictures `<kind>_<name>-<view>_<height in mm>.png`; it is made once and read after.
Making it goes on where it was cut off: RENDERED lists the models that are done.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.errors import SimulationError, TrainingError
from umad_patrol.io.files import replaced
from umad_patrol.io.images import write_image
from umad_patrol.simulate.actors import POSES, posed
from umad_patrol.simulate.assets import Shelf
from umad_patrol.simulate.mesh import Mesh
from umad_patrol.train.sprite_render import render

_LOG = logging.getLogger(__name__)
RENDERED = "rendered.json"
CUT_OUT = "photo-"
THING, PERSON, VEHICLE = "thing", "person", "vehicle"
SMALL_PX, LARGE_PX = 192, 384   # longest side: people and vehicles come nearer than things
KINDS = {"anomaly": (THING, 8, SMALL_PX), "furniture": (THING, 4, SMALL_PX), "people": (PERSON, 6, LARGE_PX), "vehicle": (VEHICLE, 6, LARGE_PX)}
RIDERS, RIDER_VIEWS = 12, 4     # cyclists of the simulation's own making: no model has a rider whose feet are on the pedals
CYCLIST = "cyclist"
HELD_OUT = 0.12     # share of the models that validation has to itself
SMALLEST_PX = 24
NAME = re.compile(rf"(?P<kind>{THING}|{PERSON}|{VEHICLE})_(?P<name>[^_]+)_(?P<mm>\d+)\.png")    # of a sprite's file


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


@dataclass(frozen=True, eq=False)
class _Source:
    """What is rendered, a `name` that no other has: `geometry` gives vertices, faces, uv and texture, and may raise SimulationError."""

    file: str
    name: str
    kind: str
    views: int
    longest_px: int
    height_m: float
    geometry: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]]


def make_sprites(assets: str | Path, shelf: str | Path, seed: int = 0) -> int:
    """Render the models of `assets` (a folder with MANIFEST.csv) and RIDERS cyclists that are not yet there into the folder `shelf`. Returns how many were.

    A model that cannot be read is told of and passed over. Raises TrainingError where there is no model or the shelf is of other
    assets, SimulationError where the first model cannot be read.
    """
    shelf, models = Path(shelf), _models(Shelf(assets))
    if not models:
        raise TrainingError(f"{assets}: MANIFEST.csv names no model of the classes {', '.join(KINDS)}")
    of = {"seed": seed, "manifest": zlib.crc32((Path(assets) / "MANIFEST.csv").read_bytes())}
    done = _rendered(shelf, of)
    missing = [source for source in models + _riders() if source.file not in done]
    for source in tqdm(missing, "rendering sprites", unit="model", disable=not missing or None):
        try:
            shelf.mkdir(parents=True, exist_ok=True)
            _render(source, shelf, seed)
        except SimulationError as error:
            if not done:
                raise       # most likely none can be read
            _LOG.warning("%s: passed over", error)
            continue
        done.append(source.file)
        _note(shelf, {**of, "models": done})
    return len(missing)


def _models(shelf: Shelf) -> list[_Source]:
    found = [(model, of_kind) for cls, of_kind in KINDS.items() for model in shelf.models(cls)]
    stems = Counter(Path(model.file).stem for model, _ in found)
    return [_Source(model.file, _name(model.file, stems), kind, views, longest, model.height_m, partial(shelf.geometry, model))
            for model, (kind, views, longest) in found]


def _name(file: str, stems: Counter[str]) -> str:
    """The file's stem; its folders too where others have that stem."""
    path = Path(file)
    return path.stem if stems[path.stem] == 1 else "-".join(path.with_suffix("").parts)


def _riders() -> list[_Source]:
    """Cyclists, each of another look and with its pedals elsewhere."""
    meshes = [posed(CYCLIST, look, look % POSES) for look in range(RIDERS)]
    return [_Source(f"{CYCLIST}-{look:02d}", f"{CYCLIST}-{look:02d}", VEHICLE, RIDER_VIEWS, LARGE_PX, float(mesh.bounds()[1][2]), partial(_painted, mesh))
            for look, mesh in enumerate(meshes)]


def _painted(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces, uv and texture of a mesh whose faces each have one colour: a texture of as many columns."""
    count = len(mesh.faces)
    texture = np.round(np.clip(mesh.color, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)[None]
    middles = np.repeat((np.arange(count) + 0.5) / count, 3)
    return mesh.corners.reshape(-1, 3).astype(np.float64), np.arange(3 * count).reshape(-1, 3), np.column_stack([middles, np.full(3 * count, 0.5)]), texture


def _render(source: _Source, shelf: Path, seed: int) -> None:
    """The pictures of one model, always the same for a seed. Raises SimulationError where it cannot be read."""
    rng = np.random.default_rng((seed, 7, zlib.crc32(source.file.encode())))
    for view, image in enumerate(_views(source, rng)):
        write_sprite(shelf, Sprite(source.kind, f"{source.name}-{view}", image, source.height_m))


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
    with replaced(shelf / RENDERED) as file:
        file.write_text(json.dumps(content), encoding="utf-8")


def cut_out_of(photo: Path) -> str:
    """What names of cut-outs of a photograph begin with, up to the "-" and a number that follow."""
    return f"{CUT_OUT}{photo.parent.name}-{photo.stem}".replace("_", "-")


def write_sprite(shelf: Path, sprite: Sprite) -> None:
    """Write beside, then rename."""
    name = f"{sprite.kind}_{sprite.name.replace('_', '-')}_{round(sprite.height_m * 1000)}.png"
    write_image(shelf / name, cv2.cvtColor(sprite.image, cv2.COLOR_RGBA2BGRA))


def read_sprites(shelf: str | Path) -> list[Sprite]:
    """All sprites of a shelf; what is named otherwise is none. Raises TrainingError where it holds no thing or nobody."""
    sprites = []
    for path, named in ((path, NAME.fullmatch(path.name)) for path in sorted(Path(shelf).glob("*.png"))):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if named else None
        if image is not None and image.ndim == 3 and image.shape[2] == 4:
            sprites.append(Sprite(named["kind"], named["name"], cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), int(named["mm"]) / 1000))
    if not any(s.dynamic for s in sprites) or all(s.dynamic for s in sprites):
        raise TrainingError(f"{shelf} holds {len(sprites)} sprites; things and people or vehicles are both needed")
    return sprites


def _views(source: _Source, rng: np.random.Generator) -> list[np.ndarray]:
    """Those of so many sides that show enough."""
    vertices, faces, uv, texture = source.geometry()
    images = [render(vertices, faces, uv, texture, rng, source.longest_px) for _ in range(source.views)]
    return [image for image in images if min(image.shape[:2]) >= SMALLEST_PX // 3 and max(image.shape[:2]) >= SMALLEST_PX]

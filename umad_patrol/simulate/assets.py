"""Models and pictures from a folder with a MANIFEST.csv: GLB in metres, z up, base at z = 0; tileable ground pictures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from umad_patrol.errors import ImageError, SimulationError
from umad_patrol.io.images import read_image
from umad_patrol.simulate import materials as m
from umad_patrol.simulate.materials import Picture
from umad_patrol.simulate.mesh import Mesh, make
from umad_patrol.simulate.things import pick

COLUMNS = ("file", "class", "name", "height_m", "x_m", "y_m")
TILE_M = 2.4  # how much ground a tileable picture is taken to show
LARGEST_PX = 1024
GROUNDS = {m.PAVING: ("pavingstones", "a128_concrete"), m.PAVERS: ("pavingstones", "bricks", "cobblestone"), m.GRASS: ("grass",)}


@dataclass(frozen=True)
class Model:
    """A row of the manifest: a GLB file and its size in metres."""

    file: str
    name: str
    height_m: float
    x_m: float
    y_m: float


class Shelf:
    """Takes models and pictures out of the folder; `pictures` are those of the models taken, from material FIRST_FREE on."""

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.pictures = Path(folder), []
        self._models, self._tiles = _manifest(self.folder)

    def take(self, kind: str, rng: np.random.Generator, height_m: tuple[float, float], reach_m: float) -> tuple[str, Mesh] | None:
        """Name and mesh of a model of this class of such a height and at most `reach_m` long and wide; None if there is none."""
        fit = [x for x in self._models.get(kind, []) if height_m[0] <= x.height_m <= height_m[1] and max(x.x_m, x.y_m) <= reach_m]
        if not fit:
            return None
        model = pick(fit, rng)
        return model.name, self._load(model)

    def models(self, kind: str) -> list[Model]:
        """All models of a class."""
        return list(self._models.get(kind, []))

    def geometry(self, model: Model) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        """Vertices `(V, 3)`, faces `(F, 3)`, uv `(V, 2)` or None, and picture `(h, w, 3)` uint8 RGB of a model. Raises SimulationError."""
        loaded, vertices, faces = self._opened(model)
        image, uv = _painted(loaded)
        if image is None:
            return vertices, faces, None, np.full((2, 2, 3), np.round(_main_color(loaded) ** (1 / 2.2) * 255), np.uint8)
        return vertices, faces, uv, image

    def grounds(self, rng: np.random.Generator) -> dict[int, Picture]:
        """Pictures for pavement, pavers and lawn, by the number of the material."""
        found = {}
        for number, words in GROUNDS.items():
            fit = [path for path in self._tiles if any(word in path for word in words)]
            if fit:
                image = _power_of_two(self._read(pick(fit, rng)))
                found[number] = Picture(image, TILE_M / image.shape[1])
        return found

    def _read(self, file: str) -> np.ndarray:
        try:
            return read_image(self.folder / file)[:, :, ::-1]
        except ImageError as error:
            raise SimulationError(f"asset {error}") from error

    def _opened(self, model: Model) -> tuple[Any, np.ndarray, np.ndarray]:
        """The loaded file, its vertices and its faces."""
        path = self.folder / model.file
        try:
            loaded = _trimesh().load(path, force="mesh", process=False)
            vertices, faces = np.asarray(loaded.vertices, np.float64), np.asarray(loaded.faces, np.int64)
        except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
            raise SimulationError(
                f"asset {path} cannot be read as GLB ({type(error).__name__}: {error}); take it out of MANIFEST.csv"
            ) from error
        if not len(faces) or not np.isfinite(vertices).all():
            raise SimulationError(f"asset {path} holds no usable triangles; take it out of MANIFEST.csv")
        return loaded, vertices, faces

    def _load(self, model: Model) -> Mesh:
        loaded, vertices, faces = self._opened(model)
        image, uv = _painted(loaded)
        if image is None:
            return make(vertices, faces, _main_color(loaded), m.MATTE)
        corners, flat = vertices[faces], uv[faces]
        metres = np.sqrt(max(_area(corners), 1e-9) / max(_area(flat), 1e-9))  # how many metres a turn of u is, on average
        texel = metres / image.shape[1]
        uv_m = np.stack([flat[..., 0] * metres, (1.0 - flat[..., 1]) * texel * image.shape[0]], axis=-1)
        self.pictures.append(Picture(image, float(texel)))
        return make(vertices, faces, np.ones(3), m.FIRST_FREE + len(self.pictures) - 1, uv_m)


def _manifest(folder: Path) -> tuple[dict[str, list[Model]], list[str]]:
    path = folder / "MANIFEST.csv"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:    # as spreadsheets write it
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise SimulationError(
            f"--assets {folder}: {path.name} cannot be read ({error.strerror}); name a folder that has one"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SimulationError(f"--assets {folder}: {path.name} is no CSV ({error})") from error
    if not rows or any(name not in rows[0] for name in COLUMNS):
        raise SimulationError(f"--assets {folder}: {path.name} needs rows with the columns {', '.join(COLUMNS)}")
    models: dict[str, list[Model]] = {}
    tiles = [row["file"] for row in rows if row["class"] == "texture"]
    for row in rows:
        if str(row["file"]).lower().endswith(".glb"):
            try:
                model = Model(row["file"], row["name"], float(row["height_m"]), float(row["x_m"]), float(row["y_m"]))
            except (TypeError, ValueError) as error:
                raise SimulationError(
                    f"--assets {folder}: {row['file']} has no size in {path.name} (height_m, x_m, y_m)"
                ) from error
            models.setdefault(row["class"], []).append(model)
    return models, tiles


def _trimesh() -> Any:
    try:
        import PIL  # noqa: F401  without it trimesh leaves the textures out and says nothing
        import trimesh
    except ImportError as error:
        raise SimulationError(
            "--assets needs the packages trimesh and Pillow to read GLB; pip install trimesh Pillow, or leave --assets out"
        ) from error
    return trimesh


def _painted(loaded: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The picture `(h, w, 3)` uint8 RGB and uv `(V, 2)` of a loaded mesh, or None and None."""
    uv = getattr(loaded.visual, "uv", None)
    image = getattr(getattr(loaded.visual, "material", None), "baseColorTexture", None)
    if uv is None or image is None or len(uv) != len(loaded.vertices):
        return None, None
    return _power_of_two(np.asarray(image.convert("RGB"))), np.nan_to_num(np.asarray(uv, np.float64))


def _main_color(loaded: Any) -> np.ndarray:
    color = np.asarray(getattr(getattr(loaded.visual, "material", None), "main_color", (150, 150, 150)), np.float64)[:3]
    return (color / 255.0) ** 2.2


def _power_of_two(image: np.ndarray) -> np.ndarray:
    width, height = (min(LARGEST_PX, 1 << max(2, int(np.ceil(np.log2(n))))) for n in (image.shape[1], image.shape[0]))
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


def _area(corners: np.ndarray) -> float:
    """Total area of triangles `(F, 3, 2 or 3)`."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    square = (a * a).sum(1) * (b * b).sum(1) - (a * b).sum(1) ** 2
    return float(0.5 * np.sqrt(np.maximum(square, 0.0)).sum())

"""A folder of pairs: `DIR/<id>/` with a reference and a query picture and what is known of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.pair_poses import read_poses
from umad_patrol.io.images import read_image

_LOG = logging.getLogger(__name__)
SUFFIXES = (".png", ".jpg", ".jpeg")
T = TypeVar("T")
LAYERS = ("ground", "far", "near")  # subsets of a pair's points: on the ground plane, on what stands far away, on what stands near


@dataclass(frozen=True)
class Pair:
    """One pair by its files. What a pair may lack is None: see `DESIGN.md` for what each file holds.

    `ground`, `far` and `near` are points as in `points`, `poses` is as `pair_poses` has it, `scene` is that of a data set.
    """

    id: str
    folder: Path
    reference: Path
    query: Path
    labels: Path | None = None
    valid: Path | None = None
    below_horizon: Path | None = None
    points: Path | None = None
    camera: Path | None = None
    poses: Path | None = None
    ground: Path | None = None
    far: Path | None = None
    near: Path | None = None
    scene: str = ""

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and query as `(H, W, 3)` uint8 BGR. Raises ImageError naming the file that cannot be read."""
        return read_image(self.reference), read_image(self.query)


def find_pairs(root: str | Path, needs: tuple[str, ...] = ()) -> list[Pair]:
    """The pairs in `root`, in the order of their names.

    `needs` names files that every pair must have, such as "labels" or "points". Folders without either picture are
    passed over with a warning. Raises DatasetError where `root` is no folder, holds no pair, or a pair lacks a file.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; give one that holds a folder a pair")
    pairs, strange = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        pair = _pair(folder)
        if pair is None:
            strange.append(folder)
            continue
        for name in needs:
            if getattr(pair, name) is None:
                raise DatasetError(f"{folder} lacks {name}.{'txt' if name == 'points' else 'png'}")
        pairs.append(pair)
    if not pairs:
        hint = "it is a pair itself, give the folder above it" if _picture(root, "reference") else "expected <id>/reference.png and <id>/query.png"
        raise DatasetError(f"{root} holds no pairs; {hint}")
    for folder in strange:
        _LOG.warning("%s holds neither a reference nor a query picture: passed over", folder)
    return pairs


def place_of(pair: Pair) -> str:
    """What poses.yaml says, or the pair's name up to the last "_"."""
    said = read_poses(pair.poses).place if pair.poses else ""
    return said or pair.id.rpartition("_")[0] or pair.id


def read_points(path: str | Path) -> np.ndarray:
    """Correspondences `(N, 4)` float64, xr yr xq yq. Raises DatasetError for a file without, or with anything else in it."""
    path = Path(path)
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.lstrip().startswith("#")]
        points = np.array(rows, dtype=np.float64)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DatasetError(f"{path} does not hold four numbers (xr yr xq yq) a line: {error}") from error
    if points.ndim != 2 or points.shape[1] != 4 or not np.isfinite(points).all():
        raise DatasetError(f"{path} does not hold four finite numbers (xr yr xq yq) a line, but {points.shape} values")
    return points


def thinned(pairs: Iterable[T], every: int = 1, limit: int | None = None) -> list[T]:
    """Every so many-th pair of those whose queries lie in one folder, and of these at most `limit`, spread evenly over all.

    Pairs of any kind with a `query`. Raises DatasetError for numbers below 1.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise DatasetError(f"every = {every}, limit = {limit}: both are 1 or more")
    place, kept = Counter(), []
    for pair in pairs:
        if place[pair.query.parent] % every == 0:
            kept.append(pair)
        place[pair.query.parent] += 1
    return kept if limit is None or limit >= len(kept) else [kept[i * len(kept) // limit] for i in range(limit)]


def _pair(folder: Path) -> Pair | None:
    reference, query = _picture(folder, "reference"), _picture(folder, "query")
    if reference is None and query is None:
        return None
    if reference is None or query is None:
        raise DatasetError(f"{folder} lacks {'reference' if reference is None else 'query'}.png (or .jpg)")
    masks = {name: _picture(folder, name) for name in ("labels", "valid", "below_horizon")}
    texts = {name: _file(folder / f"{name}.txt") for name in ("points", *LAYERS)}
    return Pair(folder.name, folder, reference, query, **masks, **texts, camera=_file(folder / "camera.yaml"), poses=_file(folder / "poses.yaml"))


def _picture(folder: Path, name: str) -> Path | None:
    return next((path for path in (_file(folder / f"{name}{suffix}") for suffix in SUFFIXES) if path), None)


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None

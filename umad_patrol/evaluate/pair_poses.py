"""`poses.yaml` of a pair: where the cameras are believed to be, where the query's truly was, the ground, and what was varied.

Poses are `map_T_camera` as x y z qx qy qz qw (metres), the ground is `(nx, ny, nz, d)` with n.x + d = 0 in `map`, or null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from umad_patrol.errors import BAD_YAML, DatasetError, LocalizationError, said
from umad_patrol.geometry import se3


@dataclass(frozen=True)
class Sweep:
    """What a generated pair was made with: sideways offset and turn of the camera, sigma of the believed pose, kind of light."""

    offset_m: float
    rotation_deg: float
    noise_m: float
    noise_deg: float
    light: str


@dataclass(frozen=True, eq=False)
class PairPoses:
    """What is known of a pair's cameras; `(4, 4)` poses. What is not known is None, an unknown `place` is ""."""

    map_T_reference: np.ndarray | None = None
    map_T_query: np.ndarray | None = None
    map_T_query_true: np.ndarray | None = None
    ground: np.ndarray | None = None
    place: str = ""
    sweep: Sweep | None = None


def read_poses(path: str | Path) -> PairPoses:
    """Read `poses.yaml`; every key may be missing. Raises DatasetError naming the file and the value that is wrong."""
    tree = _tree(Path(path))
    poses = {name: _pose(path, name, tree.get(name)) for name in ("map_T_reference", "map_T_query", "map_T_query_true")}
    return PairPoses(**poses, ground=_ground(path, tree.get("ground")), place=str(tree.get("place") or ""), sweep=_sweep(path, tree.get("sweep")))


def poses_text(poses: PairPoses) -> str:
    """The YAML that `read_poses` reads."""
    tree: dict[str, Any] = {"place": poses.place}
    for name in ("map_T_reference", "map_T_query", "map_T_query_true"):
        T = getattr(poses, name)
        tree[name] = None if T is None else [round(float(v), 9) for v in (*T[:3, 3], *se3.quat_xyzw(T))]
    tree["ground"] = None if poses.ground is None else [round(float(v), 9) for v in poses.ground]
    tree["sweep"] = None if poses.sweep is None else asdict(poses.sweep)
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=140)


def _tree(path: Path) -> dict:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except BAD_YAML as error:
        raise DatasetError(f"cannot read poses {path}: {said(error)}") from error
    if not isinstance(tree, dict):
        raise DatasetError(f"{path} holds a {type(tree).__name__}; expected map_T_reference, map_T_query, ground, place, sweep")
    return tree


def _pose(path: str | Path, name: str, value: Any) -> np.ndarray | None:
    if value is None:
        return None
    numbers = _numbers(path, name, value, 7, "x y z qx qy qz qw")
    try:
        return se3.matrix(numbers[:3], numbers[3:])
    except LocalizationError as error:
        raise DatasetError(f"{path}: {name}: {error}") from error


def _ground(path: str | Path, value: Any) -> np.ndarray | None:
    if value is None:
        return None
    plane = _numbers(path, "ground", value, 4, "nx ny nz d")
    if abs(np.linalg.norm(plane[:3]) - 1.0) > 0.01:
        raise DatasetError(f"{path}: ground {value} has a normal of length {np.linalg.norm(plane[:3]):.4g}, not 1")
    return plane


def _sweep(path: str | Path, value: Any) -> Sweep | None:
    if value is None:
        return None
    try:
        numbers = {name: float(value[name]) for name in ("offset_m", "rotation_deg", "noise_m", "noise_deg")}
        sweep = Sweep(**numbers, light=str(value["light"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: sweep {value!r} lacks or misstates offset_m, rotation_deg, noise_m, noise_deg or light") from error
    if not np.isfinite(list(numbers.values())).all():
        raise DatasetError(f"{path}: sweep {value!r} is not finite")
    return sweep


def _numbers(path: str | Path, name: str, value: Any, count: int, meaning: str) -> np.ndarray:
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: {name} {value!r} is no list of numbers; give {meaning}") from error
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise DatasetError(f"{path}: {name} {value!r} is not {count} finite numbers; give {meaning}")
    return numbers

"""UMAD-homo-eva: 414 pairs of six scenes with poses and ten hand-matched points a pair (UMAD, arXiv 2408.12527).

What its authors say of it (github.com/IMRL/UMAD, Doc/UMAD-homo-eva-dataset.md): 414 pairs of pictures, 414 poses, 414 .txt files
with the points, "corresponding to the image pairs". How the folders are named they do not say. Read here is the layout that
their UMAD-1.0 has (scenes `N.NAME`, reference G1, query Q1), with each point file named as its pictures:

    ROOT/[data/]SCENE/[SEQUENCE/]G1/[rgb/]NAME.jpg    reference (.png too)
    ROOT/[data/]SCENE/[SEQUENCE/]Q1/[rgb/]NAME.jpg    query
    ROOT/[data/]SCENE/[SEQUENCE/]gt/[rgb/]NAME.txt    xr yr xq yq a line; or ROOT/gt/SCENE/[SEQUENCE/][rgb/]NAME.txt
    ROOT/[data/]SCENE/[SEQUENCE/]pose/NAME.txt        optional: map_T_camera of reference and query, a line each, as
                                                      x y z qx qy qz qw or the 12 or 16 numbers of the matrix, row by row
    ROOT/camera.yaml                                  needed for the poses to be used

Anything else is refused, saying what was looked for. A copy that is laid out otherwise has to be renamed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from umad_patrol.errors import DatasetError, LocalizationError
from umad_patrol.evaluate.pair_poses import PairPoses
from umad_patrol.evaluate.pairs import SUFFIXES, Pair
from umad_patrol.geometry import se3

SCENE = re.compile(r"(\d+)\.\S+")
PAPER = {  # mean PME in px of scenes 1 to 6 and of all (table of the paper)
    "no warp": (14.29, 18.17, 9.09, 8.54, 16.38, 9.23, 12.53), "ORB + RANSAC": (5.27, 18.93, 4.44, 5.99, 3.43, 6.43, 7.41),
    "ORB + MAGSAC": (4.15, 11.45, 4.07, 5.02, 3.02, 5.39, 5.52), "SIFT + RANSAC": (2.90, 4.61, 3.70, 2.79, 3.08, 4.06, 3.52),
    "SIFT + MAGSAC": (2.96, 4.48, 3.52, 3.29, 8.50, 4.08, 4.47), "rotation only": (4.46, 6.30, 4.87, 4.92, 4.75, 4.92, 5.03),
    "adaptive warping": (2.57, 3.54, 2.79, 2.60, 2.65, 3.92, 3.01)}


def is_homo_eva(root: str | Path) -> bool:
    """Whether `root` holds scenes (`1.N6` and the like) with references (G1) in them, not a folder a pair."""
    return any(next(scene.rglob("G1"), None) is not None for scene in _scenes(Path(root)))


def find_homo_eva(root: str | Path) -> list[Pair]:
    """All pairs, by scene, sequence and name. Raises DatasetError naming what is missing and where it was looked for."""
    root, pairs = Path(root), []
    camera = root / "camera.yaml"
    for scene in _scenes(root):
        for references in sorted(path for path in scene.rglob("G1") if path.is_dir()):
            pairs += _sequence(root, scene, references, camera if camera.is_file() else None)
    if not pairs:
        raise DatasetError(f"{root} holds no pairs; expected SCENE/G1/NAME.jpg, SCENE/Q1/NAME.jpg and SCENE/gt/NAME.txt")
    return pairs


def read_pose_pair(path: str | Path) -> PairPoses:
    """The two lines of a pose file. Raises DatasetError."""
    try:
        rows = [np.array(line.replace(",", " ").split(), np.float64) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
        poses = [_pose(row) for row in rows]
    except (OSError, UnicodeDecodeError, ValueError, LocalizationError) as error:
        raise DatasetError(f"{path} holds no poses: {error}") from error
    if len(poses) != 2:
        raise DatasetError(f"{path} holds {len(poses)} poses, not 2; give map_T_camera of reference and query, a line each")
    return PairPoses(*poses)


def scene_number(name: str) -> int:
    """1 for "1.N6"."""
    return int(SCENE.fullmatch(name)[1])


def _scenes(root: Path) -> list[Path]:
    top = root / "data" if (root / "data").is_dir() else root
    found = [path for path in top.iterdir() if path.is_dir() and SCENE.fullmatch(path.name)] if top.is_dir() else []
    return sorted(found, key=lambda path: scene_number(path.name))


def _sequence(root: Path, scene: Path, references: Path, camera: Path | None) -> list[Pair]:
    """The pairs of one folder with G1 and Q1 in it."""
    folder = references.parent
    within = folder.relative_to(scene)
    pictures, queries = _by_name(references, SUFFIXES), _by_name(folder / "Q1", SUFFIXES)
    points = _by_name(folder / "gt", (".txt",)) or _by_name(root / "gt" / scene.name / within, (".txt",))
    poses = _by_name(folder / "pose", (".txt",))
    if not pictures:
        raise DatasetError(f"{references} holds no pictures; expected NAME.jpg or rgb/NAME.jpg in it")
    pairs = []
    for name, reference in pictures.items():
        for what, found, place in (("query", queries, folder / "Q1" / f"{name}.jpg"), ("points", points, folder / "gt" / f"{name}.txt")):
            if name not in found:
                raise DatasetError(f"{reference} has no {what}: expected {place}")
        if poses and name not in poses:
            raise DatasetError(f"{reference} has no poses: expected {folder / 'pose' / f'{name}.txt'}, as others have")
        id_ = "/".join((scene.name, *within.parts, name))
        pairs.append(Pair(id_, folder, reference, queries[name], points=points[name], camera=camera,
                          poses=poses.get(name) if camera else None, scene=scene.name))
    return pairs


def _by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of these kinds in `folder` or in `folder/rgb`, by their names without suffix."""
    inner = folder / "rgb" if (folder / "rgb").is_dir() else folder
    paths = sorted(inner.iterdir()) if inner.is_dir() else []
    return {path.stem: path for path in paths if path.suffix.lower() in suffixes and path.is_file()}


def _pose(numbers: np.ndarray) -> np.ndarray:
    if numbers.size == 7:
        return se3.matrix(numbers[:3], numbers[3:])
    if numbers.size not in (12, 16):
        raise ValueError(f"a line of {numbers.size} numbers; give x y z qx qy qz qw or the 12 or 16 of the matrix")
    T = np.vstack([numbers.reshape(-1, 4)[:3], [0, 0, 0, 1]])
    if not se3.is_rigid(T):
        raise ValueError("the matrix is no rigid motion")
    return T

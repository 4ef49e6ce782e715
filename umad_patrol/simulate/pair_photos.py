"""Pairs made of photographs: the query under another light, the reference as the camera sees it turned by a known rotation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from umad_patrol.errors import SimulationError
from umad_patrol.evaluate.pair_poses import PairPoses, Sweep
from umad_patrol.geometry.homography import corners, rotation_homography, transform
from umad_patrol.io.images import read_image
from umad_patrol.records import Camera
from umad_patrol.simulate.drive import make_rig
from umad_patrol.simulate.pair_scene import CELLS, POINTS, MadePair
from umad_patrol.simulate.pair_sweep import believed, make_sweep, turn
from umad_patrol.simulate.photometric import PHOTO_LIGHTS, as_taken, change_light

ROTATIONS_DEG = (0.0, 0.5, 1.0, 2.0, 4.0)
SHARE = 0.84          # of the photograph's side that a picture shows, so that the turned camera sees no border
FOCAL = 0.75          # in widths of the picture
_PLAIN = 4.0          # grey levels of fine contrast in a plain cell
SMALLEST_PX = 320     # narrower pictures than this are not made
SUFFIXES = (".jpg", ".jpeg", ".png")
MASKS = ("_road.png",)  # what lies beside photographs and is none


def photo_pairs(folder: str | Path, seed: int, count: int, size: tuple[int, int]) -> Iterator[MadePair]:
    """`count` pairs, the places by turns; pictures of `size` (width, height), or smaller where a photograph is.

    A place is a folder below `folder`; a photograph in `folder` itself is a place of its own. Raises SimulationError.
    """
    photographs = _photographs(Path(folder), np.random.default_rng([seed, 50]))
    return _made(photographs, seed, count, size)


def _made(photographs: list[tuple[str, Path]], seed: int, count: int, size: tuple[int, int]) -> Iterator[MadePair]:
    """The photographs by turns; one that turns out unfit is not tried again."""
    waiting = deque(photographs)
    for i, sweep in enumerate(make_sweep(count, PHOTO_LIGHTS, np.random.default_rng([seed, 51]), (0.0,), ROTATIONS_DEG)):
        pair = None
        while pair is None:
            if not waiting:
                raise SimulationError(f"none of {len(photographs)} photographs shows enough and is large enough for pictures "
                                      f"{min(SMALLEST_PX, size[0])} pixels wide; give others or a smaller --size")
            photograph = waiting.popleft()
            pair = _of(*photograph, sweep, size, np.random.default_rng([seed, 52, i]))
        waiting.append(photograph)
        yield pair


def _of(place: str, path: Path, sweep: Sweep, size: tuple[int, int], rng: np.random.Generator) -> MadePair | None:
    """The pair of one photograph; None if it is too small or what is seen of it is plain."""
    photograph = read_image(path)
    if _width(photograph, size) < min(SMALLEST_PX, size[0]):
        return None
    pair = photo_pair(photograph, place, sweep, size, rng)
    return pair if shows_something(pair.reference) else None


def photo_pair(photograph: np.ndarray, place: str, sweep: Sweep, size: tuple[int, int], rng: np.random.Generator) -> MadePair:
    """One pair of a photograph `(H, W, 3)` uint8 BGR; points `(N, 4)` xr yr xq yq follow from the rotation."""
    photograph, camera = _fitted(photograph, size)
    rig_R = make_rig().body_T_camera[:3, :3]
    map_T_reference, map_T_query = np.eye(4), np.eye(4)
    map_T_reference[:3, :3], map_T_query[:3, :3] = turn(sweep.rotation_deg, rng) @ rig_R, rig_R
    map_T_reference[2, 3] = map_T_query[2, 3] = 0.7
    query_H_reference = rotation_homography(camera.K, map_T_query[:3, :3].T @ map_T_reference[:3, :3], camera.K)
    photo_H_query = _window(photograph, camera, query_H_reference, rng)
    reference, query = (_seen(photograph, photo_H_query @ H, camera) for H in (query_H_reference, np.eye(3)))
    poses = PairPoses(map_T_reference, believed(map_T_query, sweep, rng), map_T_query, None, place, sweep)
    return MadePair(as_taken(reference.astype(np.float32) / 255, rng, 0.004), change_light(query, sweep.light, rng), camera,
                    _points(query_H_reference, camera, rng), poses)


def _photographs(folder: Path, rng: np.random.Generator) -> list[tuple[str, Path]]:
    """All photographs with their places: one of every place first, then another of each."""
    if not folder.is_dir():
        raise SimulationError(f"--pictures {folder} is no folder; give one that holds photographs (.jpg or .png)")
    by_place: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.endswith(MASKS) and path.is_file():
            within = path.relative_to(folder).parts
            by_place.setdefault(within[0] if len(within) > 1 else path.stem, []).append(path)
    if not by_place:
        raise SimulationError(f"--pictures {folder} holds no photographs; .jpg and .png count, folders below it are places")
    shuffled = {place: [paths[i] for i in rng.permutation(len(paths))] for place, paths in by_place.items()}
    most = max(map(len, shuffled.values()))
    return [(place, paths[turn_]) for turn_ in range(most) for place, paths in shuffled.items() if turn_ < len(paths)]


def shows_something(photograph: np.ndarray) -> bool:
    """Whether half of the picture's 12 x 8 cells hold more than plain sky, wall or darkness."""
    small = cv2.resize(cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY), (384, 256), interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = small - cv2.GaussianBlur(small, (0, 0), 6.0)
    return bool(np.mean(fine.reshape(8, 32, 12, 32).std(axis=(1, 3)) > _PLAIN) >= 0.5)


def _width(photograph: np.ndarray, size: tuple[int, int]) -> int:
    """How wide a picture of the proportions of `size` this photograph gives."""
    height, width = photograph.shape[:2]
    return min(size[0], int(SHARE * width), int(SHARE * height * size[0] / size[1]))


def _fitted(photograph: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Camera]:
    """The photograph, made smaller where it is larger than needed, and the camera of the pictures."""
    width = _width(photograph, size)
    height = round(width * size[1] / size[0])
    scale = max(width / (SHARE * photograph.shape[1]), height / (SHARE * photograph.shape[0]))
    if scale < 1.0:
        photograph = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    f = FOCAL * width
    return photograph, Camera(width, height, np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]]))


def _window(photograph: np.ndarray, camera: Camera, query_H_reference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where in the photograph the query lies, `photo_H_query`: a random place such that both pictures lie inside it.

    SHARE leaves room for every rotation that is made.
    """
    size = camera.width, camera.height
    ends = np.vstack([corners(size), transform(query_H_reference, corners(size))])
    low, high = -ends.min(0), np.array(photograph.shape[1::-1]) - 1 - ends.max(0)
    T = np.eye(3)
    T[:2, 2] = np.round(rng.uniform(low, np.maximum(high, low)))
    return T


def _seen(photograph: np.ndarray, photo_H_picture: np.ndarray, camera: Camera) -> np.ndarray:
    return cv2.warpPerspective(photograph, photo_H_picture, (camera.width, camera.height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_REFLECT_101)


def _points(query_H_reference: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Places seen in both pictures, spread over the reference."""
    grid = np.stack(np.meshgrid(np.arange(CELLS[0]), np.arange(CELLS[1])), -1).reshape(-1, 2)
    far = np.array([camera.width - 1, camera.height - 1])
    pixels = np.round((grid + rng.random(grid.shape)) / CELLS * far, 3)
    seen = transform(query_H_reference, pixels)
    inside = np.flatnonzero((seen >= 0).all(1) & (seen <= far).all(1))
    some = np.sort(rng.permutation(inside)[:POINTS])
    return np.hstack([pixels, seen])[some]

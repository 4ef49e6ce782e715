"""Folders of pairs with exact correspondences, for scoring alignment: from the simulated street, or from photographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from umad_patrol.errors import SimulationError
from umad_patrol.evaluate.pair_poses import poses_text
from umad_patrol.geometry.camera import dump_camera
from umad_patrol.io.folders import new_folder
from umad_patrol.io.images import write_image
from umad_patrol.reference.cloud import write_cloud
from umad_patrol.simulate.pair_photos import photo_pairs
from umad_patrol.simulate.pair_scene import MadePair, simulated_pairs

MAX_PAIRS, SIZES_PX = 10_000, (64, 4096)
JPEG_QUALITY = 92


def write_pairs(out: str | Path, seed: int = 0, pairs: int = 60, size: tuple[int, int] = (1280, 720), pictures: str | Path | None = None,
                progress: bool = False) -> dict:
    """Write `out/<id>/` with pictures, camera, poses and correspondences; returns a summary. Sizes are (width, height).

    With a folder of `pictures` the pairs are photographs under hard changes of light. Written beside and renamed when whole.
    Raises SimulationError if `out` is not empty or the wish cannot be met.
    """
    _check(seed, pairs, size)
    made = simulated_pairs(seed, pairs, size) if pictures is None else photo_pairs(pictures, seed, pairs, size)
    with new_folder(out, SimulationError) as folder:
        places, points = _write_all(folder, made, tqdm(total=pairs, unit="pair", desc="pairs", disable=None if progress else True))
    return {"out": str(out), "seed": seed, "pairs": pairs, "places": places, "points": points}


def write_pair(folder: Path, pair: MadePair) -> None:
    """Write one pair into a new folder."""
    folder.mkdir()
    for name in ("reference", "query"):
        write_image(folder / f"{name}.jpg", getattr(pair, name), JPEG_QUALITY)
    dump_camera(pair.camera, folder / "camera.yaml")
    for name, points in {"points": pair.points, **pair.layers}.items():
        if len(points):
            np.savetxt(folder / f"{name}.txt", points, fmt="%.4f")
    (folder / "poses.yaml").write_text(poses_text(pair.poses), encoding="utf-8")
    if pair.cloud is not None:
        write_cloud(pair.cloud, folder / "cloud.pcd")


def _write_all(folder: Path, made: Iterator[MadePair], bar: tqdm) -> tuple[int, int]:
    """Writes every pair; returns how many places there are and how many points."""
    places, points = set(), 0
    with bar:
        for number, pair in enumerate(made):
            write_pair(folder / f"{number:04}", pair)
            places.add(pair.poses.place)
            points += len(pair.points)
            bar.update()
    return len(places), points


def _check(seed: int, pairs: int, size: tuple[int, int]) -> None:
    if not 0 <= seed < 2**53:
        raise SimulationError(f"seed {seed} is not in 0 to 2^53 - 1")
    if not 1 <= pairs <= MAX_PAIRS:
        raise SimulationError(f"{pairs} pairs cannot be made; --pairs takes 1 to {MAX_PAIRS}")
    low, high = SIZES_PX
    if not all(low <= v <= high for v in size):
        raise SimulationError(f"pictures of {size[0]}x{size[1]} cannot be made; --size takes {low} to {high} pixels a side")

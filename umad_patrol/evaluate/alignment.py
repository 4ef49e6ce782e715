"""How many pixels off a warped reference is, ours beside OpenCV's usual ways, over a folder of pairs with points.txt.

example: umad-patrol evaluate alignment pairs/ --sheet before_after.png --json result.json
         umad-patrol evaluate alignment sweep/ --plot sweep.png      (sweep/ from: umad-patrol pairs sweep)
         umad-patrol evaluate alignment UMAD-homo-eva/

PME is the mean distance between a query's annotated points and the reference's, warped (UMAD, arXiv 2408.12527). A point
counts at most 60 px, and so does every point of a pair that a method gives no homography for or calls not comparable. ms is the
median time to find how a pair lies, laid ms the time until the reference is laid on the query as well.
Where a pair has poses.yaml, the believed poses, the camera and the ground are given to the aligner. Points on the ground, far and
near ones are scored apart where a pair has ground.txt, far.txt and near.txt, beside the best that any one homography can do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from tqdm import tqdm

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.warp import Laid
from umad_patrol.cli.main import settings_of
from umad_patrol.comparer import choose_device
from umad_patrol.config import AlignSettings
from umad_patrol.errors import AlignmentError, DatasetError
from umad_patrol.evaluate.alignment_plot import draw_sweep
from umad_patrol.evaluate.alignment_sheet import sheet, tile
from umad_patrol.evaluate.alignment_tables import OURS, PUBLISHED, by_scene, by_sweep, scene_table, sweep_table, table
from umad_patrol.evaluate.baselines import BASELINES, ORACLE, baseline, oracle
from umad_patrol.evaluate.homo_eva import find_homo_eva, is_homo_eva
from umad_patrol.evaluate.known import Known, known_of
from umad_patrol.evaluate.pairs import LAYERS, Pair, find_pairs, read_points
from umad_patrol.evaluate.pme import pme, pme_of, summary
from umad_patrol.io.files import PICTURES, check_file
from umad_patrol.io.images import write_image
from umad_patrol.records import Alignment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and what else to write."""
    parser.add_argument("folder", metavar="DIR", help="folder of pairs: DIR/<id>/ with reference, query and points.txt; or UMAD-homo-eva")
    parser.add_argument("--sheet", metavar="OUT.png", help="write pictures of every pair before and after")
    parser.add_argument("--plot", metavar="OUT.png", help="write the PME over what was varied, where the pairs say it (umad-patrol pairs)")
    parser.add_argument("--only-ours", action="store_true", help="leave out the baselines, which take most of the time")
    parser.add_argument("--no-poses", action="store_true", help="take the pictures alone, whatever poses.yaml says")


def run(args: argparse.Namespace) -> dict:
    """Score, print the tables, write sheet and plot; returns what `evaluate` does."""
    pairs = find_homo_eva(args.folder) if is_homo_eva(args.folder) else find_pairs(args.folder, needs=("points",))
    _check_targets(args)
    settings = settings_of(args)
    result, tiles = evaluate(pairs, settings.align, not args.only_ours, bool(args.sheet), not args.no_poses, choose_device(settings.device))
    if args.plot and not result.get("sweep"):
        raise DatasetError(f"--plot: no pair of {args.folder} says in poses.yaml what was varied; `umad-patrol pairs` makes such")
    print("\n\n".join(text for text in (table(result), sweep_table(result), scene_table(result)) if text))
    if args.sheet:
        write_image(args.sheet, sheet(tiles))
        print(f"before and after: {args.sheet}")
    if args.plot:
        write_image(args.plot, draw_sweep(result))
        print(f"PME over the sweep: {args.plot}")
    return result


def evaluate(pairs: list[Pair], settings: AlignSettings, baselines: bool = True, pictures: bool = False,
             use_poses: bool = True, device: str | torch.device = "cpu") -> tuple[dict, list[np.ndarray]]:
    """PME of every method over `pairs`: the numbers for JSON, and pictures before and after ours if asked for.

    Raises DatasetError, CameraError or ImageError for a pair that cannot be read.
    """
    aligner, published = Aligner(settings, device), Aligner(replace(settings, method="adaptive"), device)
    layered = any(getattr(pair, layer) for pair in pairs for layer in LAYERS)
    rows, tiles, milliseconds = [], [], {}
    for pair in tqdm(pairs, desc="aligning", unit="pair", disable=None):
        reference, query = pair.pictures()
        points, known = _points(pair), known_of(pair, query, use_poses)
        methods = {OURS: _aligned(aligner, known, reference, query), "identity": (np.eye(3), None)}
        if baselines:
            methods[PUBLISHED] = _aligned(published, known, reference, query)
            methods |= {name: _mapped(reference, query, parts, aligner.device) for name, parts in BASELINES.items()}
        if layered:
            methods[ORACLE] = oracle(points["points"]), None
        for name, (_, ms) in methods.items():
            milliseconds.setdefault(name, []).extend([ms] if ms else [])
        alignment = methods[OURS][0]
        rows.append(_row(pair, known, alignment, {name: found for name, (found, _) in methods.items()}, points))
        if pictures:
            tiles.append(tile(pair.id, query, reference, alignment, rows[-1]["pme_px"]))
    return _result(rows, milliseconds), tiles


def ours(aligner: Aligner, known: Known, reference: np.ndarray, query: np.ndarray, laid: bool = True) -> Alignment:
    """The alignment of two pictures of which nothing was made before, when its warp is done: a GPU goes on after the call that asks it to."""
    alignment = aligner.align(query, known.reference(reference), **known.believed())
    if laid and alignment.laid is not None:
        _both(alignment.laid)
    if aligner.device.type == "cuda":
        torch.cuda.synchronize(aligner.device)
    return alignment


def _both(laid: Laid) -> tuple:
    """What the reference shows on the query, and where: made here."""
    return laid.picture, laid.valid


def _aligned(aligner: Aligner, known: Known, reference: np.ndarray, query: np.ndarray) -> tuple[Alignment, tuple[float, float]]:
    """How an aligner lays two pictures, and the milliseconds to say so and to lay them as well."""
    found_ms = _timed(ours, aligner, known, reference, query, False)[1]
    alignment, laid_ms = _timed(ours, aligner, known, reference, query)
    return alignment, (found_ms, laid_ms)


def _mapped(reference: np.ndarray, query: np.ndarray, parts: tuple, device: torch.device) -> tuple[np.ndarray | None, tuple[float, float]]:
    """The homography of a baseline, and the milliseconds as of an aligner's: the picture is laid as ours is."""
    H, found_ms = _timed(baseline, reference, query, *parts)
    try:
        laid_ms = 0.0 if H is None else _timed(lambda: _both(Laid(reference, H, query.shape[1::-1], device)))[1]
    except AlignmentError:  # it cannot be inverted
        laid_ms = 0.0
    return H, (found_ms, found_ms + laid_ms)


def _row(pair: Pair, known: Known, alignment: Alignment, methods: dict, points: dict[str, np.ndarray]) -> dict:
    """What one pair gave: the PME of every method on all points, and by layer where there are any."""
    row = {"id": pair.id, "comparable": alignment.comparable, "reason": alignment.reason, "scene": pair.scene, "place": known.poses.place,
           "sweep": known.poses.sweep and asdict(known.poses.sweep)}
    for name, some in points.items():
        key = "pme_px" if name == "points" else f"{name}_px"
        row[key] = {method: round(_error(found, some), 4) for method, found in methods.items()}
    return row


def _error(found: Alignment | np.ndarray | None, points: np.ndarray) -> float:
    return pme_of(found, points) if isinstance(found, Alignment) else pme(found, points)


def _result(rows: list[dict], milliseconds: dict[str, list[tuple[float, float]]]) -> dict:
    methods = {}
    for name in rows[0]["pme_px"]:
        found_ms, laid_ms = (round(float(ms), 1) for ms in np.median(milliseconds[name] or [(0.0, 0.0)], axis=0))
        methods[name] = summary([row["pme_px"][name] for row in rows]) | {"ms": found_ms, "laid_ms": laid_ms}
        for layer in LAYERS:
            of_layer = [row[f"{layer}_px"][name] for row in rows if f"{layer}_px" in row]
            if of_layer:
                methods[name][f"{layer}_px"] = round(float(np.mean(of_layer)), 4)
    return {"pairs": len(rows), "not_comparable": [row["id"] for row in rows if not row["comparable"]], "methods": methods,
            "sweep": by_sweep(rows), "scenes": by_scene(rows), "by_pair": rows}


def _points(pair: Pair) -> dict[str, np.ndarray]:
    return {name: read_points(getattr(pair, name)) for name in ("points", *LAYERS) if getattr(pair, name)}


def _timed(method: Callable, *arguments) -> tuple:
    start = time.perf_counter()
    return method(*arguments), (time.perf_counter() - start) * 1e3


def _check_targets(args: argparse.Namespace) -> None:
    """Refuse a picture that cannot be written before the work begins."""
    for option in ("sheet", "plot"):
        check_file(f"--{option}", getattr(args, option), DatasetError, PICTURES)

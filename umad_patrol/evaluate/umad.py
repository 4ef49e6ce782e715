"""Pixel IoU and F1 on UMAD-1.0, by scene, beside what is published of it.

example: umad-patrol evaluate umad UMAD-1.0/ --json result.json
         umad-patrol evaluate umad UMAD-1.0/ --scene 2.Bridge --scene 3 --every 10 --out overlays/
         umad-patrol evaluate umad VL-CMU-CD-binary255/ --scene test

Binary is anomaly against the rest, by the regions of class anomaly. Multi-class is dynamic (people and vehicles of either picture)
and anomaly, a pixel of both being that which scores higher. Every pixel counts, without tolerance, as the paper counts; a class
that the detector does not have gets "-". References are taken as they lie (what a warp left black at their border is not compared)
unless --align is given; a pair that cannot be aligned counts with empty masks.

ROOT is UMAD-1.0 or the folder above it; or a change set with t0/, t1/ and mask/, perhaps in train/ and test/ (VL-CMU-CD-binary255,
PSCD): of those, change of whatever class against the rest. Figures in the JSON are percent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.cli.main import settings_of
from umad_patrol.config import Settings
from umad_patrol.detect.overlay import overlay
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.change_sets import ChangePair, find_changes, is_change_set
from umad_patrol.evaluate.classes import apart, class_masks
from umad_patrol.evaluate.compare import Compared, PairComparer
from umad_patrol.evaluate.homo_eva import SCENE, scene_number
from umad_patrol.evaluate.metrics import PixelCounts, class_pixel_counts
from umad_patrol.evaluate.pairs import thinned
from umad_patrol.evaluate.umad_data import UmadPair, find_umad
from umad_patrol.evaluate.umad_table import ANOMALY, BINARY, CHANGE, DYNAMIC, SOURCE, published, table
from umad_patrol.evaluate.warp_border import shown
from umad_patrol.io.files import check_folder
from umad_patrol.io.images import write_image

COLOURS = {ANOMALY: (80, 255, 80), DYNAMIC: (255, 200, 60), CHANGE: (80, 255, 80)}
NEEDS = {BINARY: ANOMALY, DYNAMIC: DYNAMIC, ANOMALY: ANOMALY, CHANGE: None}  # the class without which a column has no figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The dataset, and what of it."""
    parser.add_argument("folder", metavar="ROOT", help="UMAD-1.0 or the folder above it; or a change set with t0/, t1/ and mask/")
    parser.add_argument("--scene", action="append", metavar="NAME", help="this scene alone, as 2.Bridge or 2, or a sequence of it, as 2/07; may be repeated")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth frame of each sequence (default 1)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many pairs, spread evenly over all")
    parser.add_argument("--align", action="store_true", help="lay each reference on its query first")
    parser.add_argument("--black-is-change", action="store_true", help="masks of a change set are black where something changed (raw PCD)")
    parser.add_argument("--out", metavar="DIR", help="write an overlay a pair: found in red, anomalies outlined green, people and vehicles blue")


def run(args: argparse.Namespace) -> dict:
    """Score, print the table, write the overlays; returns what `evaluate` does."""
    out = Path(args.out) if args.out else None
    check_folder("--out", out, DatasetError)
    found, missing = _found(args)
    result = evaluate(found, settings_of(args), args.align, out) | {"missing": missing}
    print(table(result))
    for what, count in missing.items():
        print(f"left out: {count} frames that lack {what}")
    if result["not_comparable"]:
        print(f"not comparable, counted as empty masks: {len(result['not_comparable'])} pairs")
    if out is not None:
        print(f"overlays: {out}")
    return result


def evaluate(pairs: list[UmadPair | ChangePair], settings: Settings, align: bool = False, out: Path | None = None) -> dict:
    """Figures in percent of each scene and of all pairs, all their pixels taken together; None where there is nothing to score.

    Raises DatasetError or ImageError, naming the file, for a pair that cannot be read.
    """
    comparer = PairComparer(settings, align)
    counts: dict[str, dict[str, PixelCounts]] = {}
    scored, failed = {}, []
    for pair in tqdm(pairs, desc="detecting", unit="pair", disable=None):
        reference, query = pair.pictures()
        truth = truth_of(pair, query.shape[:2])
        found = comparer.compare(reference, query, None if align else shown(reference))
        claims = claims_of(found, comparer.detector.classes, settings)
        scene = counts.setdefault(pair.scene, {column: PixelCounts() for column in truth})
        for column, mask in truth.items():
            scene[column] += class_pixel_counts(claims[column], mask) if column in claims else PixelCounts()
        scored[pair.scene] = scored.get(pair.scene, 0) + 1
        failed += [] if found.comparable else [pair.id]
        if out is not None:
            _write(out / f"{pair.id}.jpg", query, found, truth)
    classes = set(comparer.detector.classes)
    return {"pairs": len(pairs), "aligned": align, "detector": comparer.detector.name, "checksum": comparer.detector.checksum,
            "classes": list(comparer.detector.classes), "not_comparable": failed,
            "scenes": {name: {"pairs": scored[name], "columns": _figures(of, classes), "published": _published(name)} for name, of in counts.items()},
            "total": {"columns": _figures(_sum(counts), classes)}, "source": SOURCE}


def truth_of(pair: UmadPair | ChangePair, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What is true of a pair, `(H, W)` bool a column of the table. Raises DatasetError where it is not of the pictures' `size` (H, W)."""
    if isinstance(pair, ChangePair):
        return {CHANGE: pair.changed(size)}
    masks = pair.masks(size)
    return {BINARY: masks.anomaly, DYNAMIC: masks.dynamic, ANOMALY: masks.anomaly}


def claims_of(found: Compared, classes: tuple[str, ...], settings: Settings) -> dict[str, np.ndarray]:
    """What the detector says, `(H, W)` bool a column of the table; without those whose class it does not have."""
    if found.score_map is None:
        masks = several = {name: np.zeros(found.mask.shape, bool) for name in classes}
    else:
        masks = class_masks(found.score_map, settings.detect)
        several = apart(masks, found.score_map, (DYNAMIC, ANOMALY))
    claims = {CHANGE: np.logical_or.reduce(list(masks.values()))} | {name: several[name] for name in (DYNAMIC, ANOMALY) if name in several}
    return claims | ({BINARY: masks[ANOMALY]} if ANOMALY in masks else {})


def _found(args: argparse.Namespace) -> tuple[list[UmadPair | ChangePair], dict[str, int]]:
    """The pairs to score, and how many frames lack what."""
    if not is_change_set(args.folder):
        whole = find_umad(args.folder)
        return thinned(whole.of(args.scene or ()), args.every, args.limit), whole.missing
    pairs = find_changes(args.folder, args.black_is_change)
    unknown = set(args.scene or ()) - {pair.scene for pair in pairs}
    if unknown:
        raise DatasetError(f"no pair is of {', '.join(sorted(unknown))}; there are {', '.join(sorted({p.scene for p in pairs if p.scene})) or 'no splits'}")
    some = [pair for pair in pairs if not args.scene or pair.scene in args.scene]
    return thinned(some, args.every, args.limit), {}


def _figures(counts: dict[str, PixelCounts], classes: set[str]) -> dict[str, dict[str, float | None] | None]:
    return {column: {"iou": _percent(of.iou), "f1": _percent(of.f1)} if NEEDS[column] is None or NEEDS[column] in classes else None
            for column, of in counts.items()}


def _sum(counts: dict[str, dict[str, PixelCounts]]) -> dict[str, PixelCounts]:
    total: dict[str, PixelCounts] = {}
    for scene in counts.values():
        for column, of in scene.items():
            total[column] = total.get(column, PixelCounts()) + of
    return total


def _published(scene: str) -> dict:
    return published(scene_number(scene)) if SCENE.fullmatch(scene) else {}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _write(path: Path, query: np.ndarray, found: Compared, truth: dict[str, np.ndarray]) -> None:
    drawn = overlay(query, found.mask, found.regions)
    for column, mask in truth.items():
        if column in COLOURS:
            outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, outlines, -1, COLOURS[column], 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, drawn)

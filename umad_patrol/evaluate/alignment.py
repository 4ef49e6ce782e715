"""How many pixels off a warped reference is, ours beside OpenCV's usual ways, over a folder of pairs with points.txt.

example: umad-patrol evaluate alignment pairs/ --sheet before_after.png --json result.json

PME is the mean distance between a query's annotated points and the reference's, warped (UMAD, arXiv 2408.12527). A point
counts at most 60 px, and so does every point of a pair that a method gives no homography for or calls not comparable.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.anaglyph import before_after
from umad_patrol.cli.main import settings_of
from umad_patrol.config import AlignSettings
from umad_patrol.evaluate.pairs import Pair, find_pairs, read_points
from umad_patrol.geometry.homography import transform
from umad_patrol.io.images import to_image, write_image
from umad_patrol.records import Alignment, Camera, Reference

MOST_PX = 60.0
FAILURE_PX = 10.0
OURS = "ours"
_BASELINES = {"ORB + RANSAC": (cv2.ORB_create, cv2.RANSAC), "ORB + MAGSAC": (cv2.ORB_create, cv2.USAC_MAGSAC),
              "SIFT + RANSAC": (cv2.SIFT_create, cv2.RANSAC), "SIFT + MAGSAC": (cv2.SIFT_create, cv2.USAC_MAGSAC)}
_FEATURES, _RATIO, _THRESHOLD_PX = 3000, 0.8, 3.0
_TILE_WIDTH = 480


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and what else to write."""
    parser.add_argument("folder", metavar="DIR", help="folder of pairs: DIR/<id>/ with reference, query and points.txt")
    parser.add_argument("--sheet", metavar="OUT.png", help="write pictures of every pair before and after")
    parser.add_argument("--only-ours", action="store_true", help="leave out the baselines, which take most of the time")


def run(args: argparse.Namespace) -> dict:
    """Score, print the table, write the sheet; returns what `evaluate` does."""
    pairs = find_pairs(args.folder, needs=("points",))
    result, tiles = evaluate(pairs, settings_of(args).align, baselines=not args.only_ours, pictures=bool(args.sheet))
    print(table(result))
    if args.sheet:
        write_image(args.sheet, _sheet(tiles))
        print(f"before and after: {args.sheet}")
    return result


def evaluate(pairs: list[Pair], settings: AlignSettings, baselines: bool = True, pictures: bool = False) -> tuple[dict, list[np.ndarray]]:
    """PME of every method over `pairs`: the numbers for JSON, and pictures before and after ours if asked for.

    Raises DatasetError or ImageError for a pair that cannot be read.
    """
    aligner = Aligner(settings)
    rows, tiles, milliseconds = [], [], {}
    for pair in tqdm(pairs, desc="aligning", unit="pair", disable=None):
        reference, query = pair.pictures()
        points = read_points(pair.points)
        alignment, ours_ms, stored_ms = _ours(aligner, reference, query)
        row = {"id": pair.id, "comparable": alignment.comparable, "reason": alignment.reason, "pme_px": {}}
        timed = {OURS: (alignment.query_H_reference if alignment.comparable else None, ours_ms), "identity": (np.eye(3), 0.0)}
        if baselines:
            timed |= {name: _timed(baseline, reference, query, *parts) for name, parts in _BASELINES.items()}
        for name, (H, ms) in timed.items():
            row["pme_px"][name] = round(pme(H, points), 4)
            milliseconds.setdefault(name, []).append(ms)
        milliseconds.setdefault("ours, reference features stored", []).append(stored_ms)
        rows.append(row)
        if pictures:
            tiles.append(_tile(pair.id, query, reference, alignment, row["pme_px"]))
    methods = {name: summary([row["pme_px"][name] for row in rows]) | {"ms": round(float(np.median(milliseconds[name])), 1)}
               for name in rows[0]["pme_px"]}
    methods[OURS]["ms_with_stored_features"] = round(float(np.median(milliseconds["ours, reference features stored"])), 1)
    return {"pairs": len(rows), "not_comparable": [row["id"] for row in rows if not row["comparable"]], "methods": methods,
            "by_pair": rows}, tiles


def pme(query_H_reference: np.ndarray | None, points: np.ndarray) -> float:
    """Mean distance in pixels of points `(N, 4)` (xr yr xq yq) warped and annotated, each at most 60; 60 for None."""
    if query_H_reference is None:
        return MOST_PX
    distance = np.linalg.norm(transform(query_H_reference, points[:, :2]) - points[:, 2:], axis=1)
    return float(np.minimum(np.nan_to_num(distance, nan=MOST_PX), MOST_PX).mean())


def summary(errors: list[float]) -> dict:
    """Mean, median, 95th percentile and worst of the pairs' PME, and how many are over 10 px."""
    values = np.asarray(errors, np.float64)
    figures = {"mean_px": values.mean(), "median_px": np.median(values), "p95_px": np.percentile(values, 95), "worst_px": values.max()}
    return {name: round(float(value), 4) for name, value in figures.items()} | {"failures": int((values > FAILURE_PX).sum())}


def table(result: dict) -> str:
    """The methods of `result`, a line each."""
    lines = [f"{'PME in px over ' + str(result['pairs']) + ' pairs':26}{'mean':>8}{'median':>8}{'95 %':>8}{'worst':>8}{'> 10 px':>9}{'ms/pair':>9}"]
    for name, row in result["methods"].items():
        lines.append(f"{name:26}{row['mean_px']:8.2f}{row['median_px']:8.2f}{row['p95_px']:8.2f}{row['worst_px']:8.2f}"
                     f"{row['failures']:9d}{row['ms']:9.0f}")
    lines.append(f"ours with the reference's features stored, as on patrol: {result['methods'][OURS]['ms_with_stored_features']:.0f} ms/pair")
    if result["not_comparable"]:
        lines.append(f"not comparable: {', '.join(result['not_comparable'])}")
    return "\n".join(lines)


def baseline(reference: np.ndarray, query: np.ndarray, create: Callable, estimator: int) -> np.ndarray | None:
    """`query_H_reference` as OpenCV's users get it: 3000 features, ratio 0.8, 3 px; None where there are too few matches."""
    detector = create(nfeatures=_FEATURES)
    (points_r, of_r), (points_q, of_q) = (detector.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None)
                                          for image in (reference, query))
    if of_r is None or of_q is None or len(of_q) < 2:
        return None
    found = cv2.BFMatcher(cv2.NORM_HAMMING if of_r.dtype == np.uint8 else cv2.NORM_L2).knnMatch(of_r, of_q, k=2)
    good = [first for first, second in found if first.distance < _RATIO * second.distance]
    if len(good) < 4:
        return None
    p, q = (np.float32([points[getattr(m, index)].pt for m in good]) for points, index in ((points_r, "queryIdx"), (points_q, "trainIdx")))
    return cv2.findHomography(p, q, estimator, _THRESHOLD_PX)[0]


def _timed(method: Callable, *arguments) -> tuple[np.ndarray | None, float]:
    start = time.perf_counter()
    return method(*arguments), (time.perf_counter() - start) * 1e3


def _ours(aligner: Aligner, reference: np.ndarray, query: np.ndarray) -> tuple[Alignment, float, float]:
    """The alignment, the milliseconds of all of it with the warp, and those with the reference's features stored."""
    features, extract_ms = _timed(aligner.extract, reference)
    camera = Camera(reference.shape[1], reference.shape[0], np.eye(3))
    keyframe = Reference(0, "pair", 0, reference, camera, np.eye(4), features)
    alignment, align_ms = _timed(aligner.align, query, keyframe)
    return alignment, extract_ms + align_ms, align_ms


def _tile(name: str, query: np.ndarray, reference: np.ndarray, alignment: Alignment, errors: dict[str, float]) -> np.ndarray:
    warped = None if alignment.warped is None else to_image(alignment.warped)
    tile = before_after(query, reference, warped)
    tile = cv2.resize(tile, (_TILE_WIDTH, max(round(tile.shape[0] * _TILE_WIDTH / tile.shape[1]), 1)), interpolation=cv2.INTER_AREA)
    text = f"{name}: {errors['identity']:.1f} px before, {errors[OURS]:.2f} after" if alignment.comparable else f"{name}: not comparable"
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
    return tile


def _sheet(tiles: list[np.ndarray], columns: int = 4) -> np.ndarray:
    height = max(tile.shape[0] for tile in tiles)
    padded = [cv2.copyMakeBorder(tile, 0, height - tile.shape[0], 0, 0, cv2.BORDER_CONSTANT) for tile in tiles]
    padded += [np.zeros_like(padded[0])] * (-len(padded) % columns)
    return np.vstack([np.hstack(padded[i:i + columns]) for i in range(0, len(padded), columns)])

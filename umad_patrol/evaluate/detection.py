"""How well changes are found, over a folder of pairs with labels.png (UMAD's bits).

example: umad-patrol evaluate detection pairs/ --out overlays/ --json result.json

F1 counts valid pixels below the horizon, leaves out people, vehicles and moved objects, and forgives a 3 px band around
an anomaly and its outermost pixel. Strict F1 is the paper's: every valid pixel, anomaly against the rest. An anomaly is
found if a region comes within 3 px; a region of 12 px or more with no label within 8 px is false, one near nothing but
people, vehicles or moved objects is a dynamic alarm. References are taken as already warped unless --align is given;
--moved looks at them from beside and tells the detector from where, so that it lays them as on a patrol.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.cli.main import settings_of
from umad_patrol.comparer import choose_device
from umad_patrol.config import DetectSettings, Settings
from umad_patrol.detect import Detector
from umad_patrol.detect.overlay import overlay
from umad_patrol.detect.regions import find_regions
from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate import metrics
from umad_patrol.evaluate.compare import Compared, PairComparer
from umad_patrol.evaluate.metrics import ObjectCounts, PixelCounts, RankCounts, RegionCounts
from umad_patrol.evaluate.pairs import Pair, find_pairs
from umad_patrol.evaluate.peers.trained import PeerDetector
from umad_patrol.evaluate.umad_data import read_labels
from umad_patrol.io import umad_bits
from umad_patrol.io.files import check_folder
from umad_patrol.io.images import read_mask, write_image

SWEPT = tuple(round(0.05 * step, 2) for step in range(6, 19))   # thresholds from 0.3 to 0.9
SPREAD = (0.3, 0.4, 0.5, 0.6)                                   # and how far down regions spread
ANOMALY_COLOUR, OTHER_COLOUR = (80, 255, 80), (255, 200, 60)


@dataclass(frozen=True, eq=False)
class Truth:
    """Labels `(H, W)` uint8 in UMAD's bits, where the pair is valid, where pixels count, and the row of its horizon (0: unknown)."""

    labels: np.ndarray
    valid: np.ndarray
    counted: np.ndarray
    horizon: int = 0


@dataclass(frozen=True, eq=False)
class Tally:
    """All counts of one pair or of several; they add up."""

    pixels: PixelCounts = field(default_factory=PixelCounts)
    strict: PixelCounts = field(default_factory=PixelCounts)
    objects: ObjectCounts = field(default_factory=ObjectCounts)
    regions: RegionCounts = field(default_factory=RegionCounts)
    ranks: RankCounts = field(default_factory=RankCounts)
    milliseconds: tuple[float, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.pixels + other.pixels, self.strict + other.strict, self.objects + other.objects,
                     self.regions + other.regions, self.ranks + other.ranks, self.milliseconds + other.milliseconds)

    def row(self) -> dict:
        """The figures for the table and for JSON; what has no meaning here is None. Regions are a picture's mean."""
        pictures = max(1, len(self.milliseconds))
        return {"f1": _rounded(self.pixels.f1), "strict_f1": _rounded(self.strict.f1),
                "average_precision": _rounded(self.ranks.average_precision),
                "large_found": self.objects.large_found, "large": self.objects.large,
                "small_found": self.objects.small_found, "small": self.objects.small,
                "tall_found": self.objects.tall_found, "tall": self.objects.tall,
                "false_regions": round(self.regions.false / pictures, 4), "dynamic_alarms": round(self.regions.dynamic / pictures, 4),
                "ms": round(float(np.median(self.milliseconds)), 1) if self.milliseconds else None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and whether references are to be aligned first."""
    parser.add_argument("folder", metavar="DIR", help="folder of pairs: DIR/<id>/ with reference, query and labels.png")
    parser.add_argument("--out", metavar="DIR", help="write an overlay a pair: found in red, anomalies outlined green, people and the like blue")
    parser.add_argument("--align", action="store_true", help="lay each reference on its query first")
    parser.add_argument("--moved", type=int, metavar="SEED", help="look at each reference from a little beside, as a patrol does (to 24 px, 2 degrees, "
                                                                  "a tenth of scale)")
    parser.add_argument("--sweep", action="store_true", help="a line a threshold and how far down regions spread from it, of all pairs together: to choose "
                                                             "by on pairs that nothing is scored on")
    parser.add_argument("--peer", metavar="FILE", help="score these weights of `train --network fc_siam_diff` in place of the detector")


def run(args: argparse.Namespace) -> dict:
    """Score, print the table, write the overlays; returns what `evaluate` does."""
    if args.moved is not None and (args.align or not 0 <= args.moved < 2**31):
        raise DatasetError(f"--moved {args.moved}: 0 to {2**31 - 1}, and not with --align, which is to find out by itself how references lie")
    check_folder("--out", args.out, DatasetError)
    pairs, settings = find_pairs(args.folder, needs=("labels",)), settings_of(args)
    peer = PeerDetector(args.peer, choose_device(settings.device)) if args.peer else None
    if args.sweep:
        if args.out:
            raise DatasetError("--sweep has no one mask to draw; leave out --out")
        result = sweep(pairs, settings, args.align, peer, args.moved)
        print(sweep_table(result))
        return result
    result = evaluate(pairs, settings, args.align, Path(args.out) if args.out else None, peer, args.moved)
    print(table(result))
    if args.out:
        print(f"overlays: {args.out}")
    return result


def evaluate(pairs: list[Pair], settings: Settings, align: bool = False, out: Path | None = None, detector: Detector | None = None,
             moved: int | None = None) -> dict:
    """Figures a pair and in total, pixels and objects of all pairs taken together, with the settings' detector or another `detector`.

    A pair that cannot be aligned counts with an empty mask. Raises DatasetError or ImageError for one that cannot be read.
    """
    comparer = PairComparer(settings, align, detector, moved)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    total, rows, failed = Tally(), [], []
    for pair, query, truth, found in _compared(pairs, comparer):
        one = tally(found, truth)
        total += one
        rows.append({"id": pair.id, **one.row()})
        failed += [] if found.comparable else [pair.id]
        if out is not None:
            write_image(out / f"{pair.id}.png", drawn(query, found, truth))
    return {"pairs": len(rows), "aligned": align, "moved": moved, "detector": comparer.detector.name, "checksum": comparer.detector.checksum,
            "not_comparable": failed, "total": total.row(), "by_pair": rows}


def sweep(pairs: list[Pair], settings: Settings, align: bool = False, detector: Detector | None = None, moved: int | None = None) -> dict:
    """The figures of all pairs together at each of SWEPT thresholds. Raises DatasetError or ImageError for a pair that cannot be read."""
    comparer = PairComparer(settings, align, detector, moved)
    rows = swept(((found, truth) for _, _, truth, found in _compared(pairs, comparer)), settings.detect)
    return {"pairs": len(pairs), "aligned": align, "moved": moved, "detector": comparer.detector.name, "checksum": comparer.detector.checksum,
            "sweep": rows}


def swept(cases: Iterable[tuple[Compared, Truth]], settings: DetectSettings) -> list[dict]:
    """The figures of all cases together at each of SWEPT thresholds."""
    cuts = [replace(settings, threshold=high, low_threshold=low) for high in SWEPT for low in SPREAD if low <= high]
    totals = [Tally() for _ in cuts]
    for found, truth in cases:
        for index, cut in enumerate(cuts):
            totals[index] += tally(found if found.score_map is None else replace(found, mask=find_regions(found.score_map, cut)[0]), truth)
    return [{"threshold": cut.threshold, "low_threshold": cut.low_threshold, **total.row()} for cut, total in zip(cuts, totals)]


def _compared(pairs: list[Pair], comparer: PairComparer) -> Iterator[tuple[Pair, np.ndarray, Truth, Compared]]:
    """Each pair with its query, what is known of it and what was found."""
    for pair in tqdm(pairs, desc="detecting", unit="pair", disable=None):
        reference, query = pair.pictures()
        truth = read_truth(pair, query.shape[:2])
        try:
            found = comparer.compare(reference, query, truth.valid, truth.horizon)
        except ImageError as error:
            raise DatasetError(f"{pair.folder}: {error}") from error
        yield pair, query, truth, found


def sweep_table(result: dict) -> str:
    """A line a cut."""
    lines = [f"{'threshold':>9}{'down to':>9}{'F1':>7}{'strict':>8}{'>=100 px':>10}{'30-99 px':>10}{'> 12 px high':>13}"
             f"{'false/pic':>11}{'dynamic/pic':>13}"]
    for row in result["sweep"]:
        objects = [f"{row[size + '_found']}/{row[size]}" for size in ("large", "small", "tall")]
        lines.append(f"{row['threshold']:9.2f}{row['low_threshold']:9.2f}{_cell(row['f1']):>7}{_cell(row['strict_f1']):>8}{objects[0]:>10}{objects[1]:>10}"
                     f"{objects[2]:>13}{row['false_regions']:11.2f}{row['dynamic_alarms']:13.2f}")
    return "\n".join(lines)


def read_truth(pair: Pair, size: tuple[int, int]) -> Truth:
    """What is known of a pair, nothing new in it where there are no labels. Without below_horizon.png their horizon bit tells; without either all pixels count.

    Raises DatasetError where a mask is not of the query's size `(H, W)`.
    """
    planes = {}
    for name in ("labels", "valid", "below_horizon"):
        path = getattr(pair, name)
        planes[name] = None if path is None else (read_labels if name == "labels" else read_mask)(path)
        if planes[name] is not None and planes[name].shape != size:
            raise DatasetError(f"{path} is {planes[name].shape[1]}x{planes[name].shape[0]}, the query {size[1]}x{size[0]}")
    everywhere = np.ones(size, bool)
    labels = planes["labels"] if planes["labels"] is not None else np.zeros(size, np.uint8)
    below = labels & umad_bits.HORIZON > 0 if planes["below_horizon"] is None else planes["below_horizon"]
    below = below if below.any() else everywhere
    valid = everywhere if planes["valid"] is None else planes["valid"]
    return Truth(labels, valid, metrics.counted(valid, below), int(below.any(axis=1).argmax()))


def tally(found: Compared, truth: Truth) -> Tally:
    """All counts of one pair."""
    mask = found.mask > 0
    return Tally(metrics.pixel_counts(mask, truth.labels, truth.counted), metrics.strict_pixel_counts(mask, truth.labels, truth.valid),
                 metrics.object_counts(mask, truth.labels, truth.counted), metrics.region_counts(mask, truth.labels, truth.counted),
                 metrics.rank_counts(found.scores, truth.labels, truth.counted), (found.milliseconds,))


def table(result: dict) -> str:
    """A line a pair and one in total."""
    wide = max([15, *(len(row["id"]) for row in result["by_pair"])]) + 1
    lines = [f"{'pair':{wide}}{'F1':>7}{'strict':>8}{'AP':>7}{'>=100 px':>10}{'30-99 px':>10}{'false/pic':>11}{'dynamic/pic':>13}{'ms':>7}"]
    for row in [*result["by_pair"], {"id": "all", **result["total"]}]:
        objects = [f"{row[size + '_found']}/{row[size]}" for size in ("large", "small")]
        lines.append(f"{row['id']:{wide}}{_cell(row['f1']):>7}{_cell(row['strict_f1']):>8}{_cell(row['average_precision']):>7}{objects[0]:>10}"
                     f"{objects[1]:>10}{row['false_regions']:11.1f}{row['dynamic_alarms']:13.1f}{row['ms']:7.0f}")
    if result["not_comparable"]:
        lines.append(f"not comparable, counted as an empty mask: {', '.join(result['not_comparable'])}")
    return "\n".join(lines)


def drawn(query: np.ndarray, found: Compared, truth: Truth) -> np.ndarray:
    """The query with what was found in red, anomalies outlined green, people and the like blue."""
    picture = overlay(query, found.mask, found.regions)
    for bits, colour in ((umad_bits.OTHERS, OTHER_COLOUR), (umad_bits.ANOMALY, ANOMALY_COLOUR)):
        outlines, _ = cv2.findContours((truth.labels & bits > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, 1)
    return picture


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

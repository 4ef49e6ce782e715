"""Whether the aligner knows when it failed: good pairs that it refuses, and pairs of different places that it takes.

example: umad-patrol evaluate verdict sweep/ photographs/ --count 200 --sheet wrong.png

Every pair of the folders is good. A different one has the reference, poses and camera of one pair and the query of another place,
as when the robot believes to be where it is not. The place of a pair is what poses.yaml says, or its name up to the last
"_" (02_0 and 02_1 are one place). Where a good pair has points, one that is taken but lies over 10 px off is told as well.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch
from tqdm import tqdm

from umad_patrol.align.aligner import Aligner
from umad_patrol.cli.main import settings_of
from umad_patrol.comparer import choose_device
from umad_patrol.config import AlignSettings
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.alignment import ours
from umad_patrol.evaluate.alignment_sheet import captioned, sheet
from umad_patrol.evaluate.known import known_of
from umad_patrol.evaluate.pairs import Pair, find_pairs, place_of, read_points
from umad_patrol.evaluate.pme import FAILURE_PX, pme_of
from umad_patrol.io.files import PICTURES, check_file
from umad_patrol.io.images import write_image

MAX_COUNT = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folders and how many of each kind."""
    parser.add_argument("folders", metavar="DIR", nargs="+", help="folders of pairs: DIR/<id>/ with reference and query")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="how many good and how many different pairs, at most (default 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which of them (default 0)")
    parser.add_argument("--sheet", metavar="OUT.png", help="write pictures of those that were judged wrongly, if any")
    parser.add_argument("--no-poses", action="store_true", help="take the pictures alone, whatever poses.yaml says")


def run(args: argparse.Namespace) -> dict:
    """Judge, print what was wrong, write the sheet; returns what `evaluate` does."""
    if not 1 <= args.count <= MAX_COUNT or args.seed < 0:
        raise DatasetError(f"--count {args.count} --seed {args.seed} cannot be met; give 1 to {MAX_COUNT} and a seed from 0 on")
    check_file("--sheet", args.sheet, DatasetError, PICTURES)
    pairs = [pair for folder in args.folders for pair in find_pairs(folder)]
    settings = settings_of(args)
    result, tiles = evaluate(pairs, settings.align, args.count, args.seed, not args.no_poses, choose_device(settings.device))
    print(table(result))
    if args.sheet and tiles:
        write_image(args.sheet, sheet(tiles))
        print(f"judged wrongly: {args.sheet}")
    return result


def evaluate(pairs: list[Pair], settings: AlignSettings, count: int = 200, seed: int = 0, use_poses: bool = True,
             device: str | torch.device = "cpu") -> tuple[dict, list[np.ndarray]]:
    """Judge up to `count` good pairs and as many different ones: the numbers for JSON, and pictures of the wrong ones.

    Raises DatasetError where all pairs are of one place, and as reading a pair does.
    """
    aligner, rng = Aligner(settings, device), np.random.default_rng(seed)
    good = [pairs[i] for i in np.sort(rng.permutation(len(pairs))[:count])]
    chosen = [(pair, pair) for pair in good] + different(pairs, count, rng)
    rows, tiles = [], []
    for of_reference, of_query in tqdm(chosen, desc="judging", unit="pair", disable=None):
        row, picture = _judge(aligner, of_reference, of_query, use_poses)
        rows.append(row)
        if picture is not None:
            tiles.append(picture)
    return _result(rows), tiles


def different(pairs: list[Pair], count: int, rng: np.random.Generator) -> list[tuple[Pair, Pair]]:
    """Up to `count` (reference of, query of) of different places, none twice. Raises DatasetError where there are none."""
    names, places = np.unique([place_of(pair) for pair in pairs], return_inverse=True)
    others = np.cumsum(len(pairs) - np.bincount(places)[places])    # queries of other places, of all references up to each
    if not others[-1]:
        raise DatasetError(f"all {len(pairs)} pairs are of one place, {str(names[0])!r}; give folders of several places, "
                           "or say `place:` in each pair's poses.yaml")
    chosen = []
    for number in np.sort(rng.choice(others[-1], min(count, others[-1]), replace=False)):
        first = int(np.searchsorted(others, number, side="right"))
        elsewhere = np.flatnonzero(places != places[first])
        chosen.append((pairs[first], pairs[elsewhere[number - others[first]]]))     # counted from the end
    return chosen


def table(result: dict) -> str:
    """The counts, and every wrong verdict with its reason."""
    good, other = result["good"], result["different"]
    lines = [f"good pairs refused            {good['refused']:5d} of {good['pairs']}",
             f"good pairs taken, over 10 px  {good['taken_wrongly']:5d} of {good['pairs']}",
             f"different places taken        {other['taken']:5d} of {other['pairs']}"]
    return "\n".join(lines + [f"  {row['reference']} - {row['query']}: {_verdict(row)}" for row in result["wrong"]])


def _judge(aligner: Aligner, of_reference: Pair, of_query: Pair, use_poses: bool) -> tuple[dict, np.ndarray | None]:
    """One verdict, with a picture where it is wrong."""
    same, reference = of_reference is of_query, of_reference.pictures()[0]
    query = of_query.pictures()[1]
    if not same and query.shape != reference.shape:
        query = cv2.resize(query, reference.shape[1::-1], interpolation=cv2.INTER_AREA)
    alignment = ours(aligner, known_of(of_reference, query, use_poses), reference, query)
    off_px = pme_of(alignment, read_points(of_reference.points)) if same and alignment.comparable and of_reference.points else None
    row = {"reference": _name(of_reference), "query": _name(of_query), "same_place": same, "comparable": alignment.comparable,
           "reason": alignment.reason, "pme_px": None if off_px is None else round(off_px, 3)}
    wrong = alignment.comparable != same or _far_off(row)
    return row, captioned(f"{row['reference']} - {row['query']}", query, reference, alignment) if wrong else None


def _result(rows: list[dict]) -> dict:
    good, other = ([row for row in rows if row["same_place"] is same] for same in (True, False))
    refused, off = [row for row in good if not row["comparable"]], [row for row in good if _far_off(row)]
    taken = [row for row in other if row["comparable"]]
    return {"good": {"pairs": len(good), "refused": len(refused), "taken_wrongly": len(off)},
            "different": {"pairs": len(other), "taken": len(taken)}, "wrong": refused + off + taken}


def _far_off(row: dict) -> bool:
    return row["pme_px"] is not None and row["pme_px"] > FAILURE_PX


def _verdict(row: dict) -> str:
    if not row["same_place"]:
        return f"taken, {row['reason']}"
    return f"taken, but {row['pme_px']:.1f} px off" if row["comparable"] else row["reason"]


def _name(pair: Pair) -> str:
    return f"{pair.folder.parent.name}/{pair.id}"

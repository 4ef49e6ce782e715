"""Lay one picture on another: the homography from reference to query, its quality, and pictures of the result.

example: umad-patrol align yesterday.jpg today.jpg --out aligned/
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from umad_patrol.align.aligner import Aligner
from umad_patrol.align.anaglyph import before_after
from umad_patrol.cli.main import settings_of, write_json
from umad_patrol.comparer import choose_device
from umad_patrol.errors import ImageError
from umad_patrol.io.files import check_folder
from umad_patrol.io.folders import filled
from umad_patrol.io.images import read_image, to_image, write_image
from umad_patrol.records import Alignment, Camera, Reference

RESULT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two pictures and where the results go."""
    parser.add_argument("reference", metavar="REFERENCE", help="picture that is warped")
    parser.add_argument("query", metavar="QUERY", help="picture that it is laid on")
    parser.add_argument("--out", metavar="DIR", help="write warped.png, before_after.png (the query is its red, the reference its green and blue) and result.json")


def run(args: argparse.Namespace) -> dict:
    """Align, print, write. Not comparable is a result, not a failure."""
    settings = settings_of(args)
    check_folder("--out", args.out, ImageError)
    reference, query = (read_image(path, settings.input.max_image_mpx) for path in (args.reference, args.query))
    camera = Camera(reference.shape[1], reference.shape[0], np.eye(3))
    aligner = Aligner(settings.align, choose_device(settings.device))
    alignment = aligner.align(query, Reference(0, "pair", 0, reference, camera, np.eye(4)))
    result = described(alignment)
    if args.out:
        _write(Path(args.out), result, query, reference, alignment)
    _print(alignment)
    if args.out:
        print(f"written to {args.out}")
    return result


def described(alignment: Alignment) -> dict:
    """The alignment without its pictures, for JSON."""
    return {"comparable": alignment.comparable, "reason": alignment.reason, "method": alignment.method,
            "query_H_reference": alignment.query_H_reference.tolist(), "inliers": alignment.inliers, "matches": alignment.matches,
            "spread": alignment.spread, "residual_px": alignment.residual_px, "overlap": alignment.overlap}


def _print(alignment: Alignment) -> None:
    print("comparable" if alignment.comparable else alignment.reason)
    print("query_H_reference:")
    for row in alignment.query_H_reference:
        print("  " + " ".join(f"{value:14.8g}" for value in row))
    print(f"{alignment.method}: {alignment.inliers} inliers of {alignment.matches} matches, spread {alignment.spread:.0f}, "
          f"residual {alignment.residual_px:.2f} px, overlap {alignment.overlap:.0%}")


def _write(out: Path, result: dict, query: np.ndarray, reference: np.ndarray, alignment: Alignment) -> None:
    warped = None if alignment.laid is None else to_image(alignment.laid.picture)
    for name in (RESULT, "warped.png"):
        (out / name).unlink(missing_ok=True)    # of an earlier run; it would belie the result
    with filled(out, RESULT, ImageError) as folder:
        if warped is not None:
            write_image(folder / "warped.png", warped)
        write_image(folder / "before_after.png", before_after(query, reference, warped))
        write_json(str(folder / RESULT), result)

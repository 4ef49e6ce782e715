"""Compare one pair of pictures: what does the query show that the reference does not?

OUT receives mask.png (255 is new), score.png (255 is a score of 1), overlay.png and result.json.

example: umad-patrol detect yesterday.jpg today.jpg --out found/
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from umad_patrol.cli.main import settings_of, write_json
from umad_patrol.detect.overlay import overlay
from umad_patrol.errors import ImageError
from umad_patrol.evaluate.compare import Compared, PairComparer
from umad_patrol.io.files import check_folder
from umad_patrol.io.folders import filled
from umad_patrol.io.images import read_image, write_image

RESULT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two pictures, where the results go, and whether the reference already lies on the query."""
    parser.add_argument("reference", metavar="REFERENCE", help="picture of how it was")
    parser.add_argument("query", metavar="QUERY", help="picture of how it is now, of the same size")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for mask.png, score.png, overlay.png and result.json")
    parser.add_argument("--no-align", action="store_true", help="take the reference as it is: it lies on the query already")


def run(args: argparse.Namespace) -> dict:
    """Compare, print, write. Not comparable is a result, not a failure."""
    settings = settings_of(args)
    out = Path(args.out)
    check_folder("--out", out, ImageError)
    reference, query = (read_image(path, settings.input.max_image_mpx) for path in (args.reference, args.query))
    comparer = PairComparer(settings, align=not args.no_align)
    found = comparer.compare(reference, query)
    result = {"status": "compared" if found.comparable else "not comparable", "reason": _reason(found),
              "regions": [asdict(region) for region in found.regions], "mask_px": int(np.count_nonzero(found.mask)),
              "detector": comparer.detector.name, "checksum": comparer.detector.checksum, "ms": round(found.milliseconds, 1)}
    _write(out, query, found, result)
    _print(found, result)
    print(f"written to {out}")
    return result


def _reason(found: Compared) -> str:
    return "" if found.alignment is None else found.alignment.reason


def _print(found: Compared, result: dict) -> None:
    if not found.comparable:
        print(result["reason"])
        return
    print(f"{len(found.regions)} regions, {result['mask_px']} px, in {result['ms']:.0f} ms")
    for region in found.regions:
        x, y, width, height = region.box
        print(f"  {region.class_name} {region.score:.2f}: {width}x{height} px at ({x}, {y}), foot ({region.foot[0]:.0f}, {region.foot[1]:.0f})")


def _write(out: Path, query: np.ndarray, found: Compared, result: dict) -> None:
    (out / RESULT).unlink(missing_ok=True)  # an earlier one would speak for other pictures
    with filled(out, RESULT, ImageError) as folder:
        write_image(folder / "mask.png", found.mask)
        write_image(folder / "score.png", np.round(found.scores * 255).astype(np.uint8))
        write_image(folder / "overlay.png", overlay(query, found.mask, found.regions))
        write_json(str(folder / RESULT), result)

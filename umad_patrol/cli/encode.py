"""Keep what the change network makes of each keyframe with the map, so that a patrol runs its encoder once a frame.

Otherwise a patrol encodes a keyframe when it first comes to it. The encodings lie in MAP/encoded, some 4 MB a keyframe of 1280x720, and serve these
weights and settings only: with others, and after a further run is taught, run it again. What is there already is not made twice.

example: umad-patrol encode map
         umad-patrol encode map --remove
"""

from __future__ import annotations

import argparse
import shutil
import time

from tqdm import tqdm

from umad_patrol.cli.main import settings_of
from umad_patrol.comparer import Comparer, one_thread
from umad_patrol.config import DetectSettings
from umad_patrol.errors import ConfigError, MapError
from umad_patrol.io.files import check_folder
from umad_patrol.reference.encodings import Encodings
from umad_patrol.reference.folder import ENCODED
from umad_patrol.reference.map import ReferenceMap

LAYING = "change_net"       # the detector that lays features
SPARE_BYTES = 100_000_000   # left free on the disk


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """MAP [--remove]."""
    parser.add_argument("map", metavar="MAP", help="folder of the map")
    parser.add_argument("--remove", action="store_true", help="remove what was kept, of whatever weights")


def run(args: argparse.Namespace) -> dict:
    """Encode what is not yet kept. Returns how many keyframes, and what they take."""
    reference_map = ReferenceMap.load(args.map, verify=False)
    check_folder("MAP", reference_map.path / ENCODED, MapError)
    if args.remove:
        Encodings(reference_map.path, "", "").remove()
        print(f"removed: {args.map} keeps only its pictures")
        return {"map": args.map, "keyframes": len(reference_map), "kept": 0}
    settings = settings_of(args)
    comparer = Comparer(settings, reference_map=reference_map)
    try:
        if not comparer.lays:
            raise ConfigError(_way_out(settings.detect))
        with one_thread():  # as a patrol would have it: the same bytes
            result = _encoded(reference_map, comparer)
    finally:
        comparer.close()
    print(f"{result['made']} keyframes encoded, {result['kept']} kept in all, {result['bytes'] / 1e6:.0f} MB in {args.map}/encoded; "
          f"model {result['model'][:12]}{result['model'][64:]}")
    return {"map": args.map, **result}


def _way_out(detect: DetectSettings) -> str:
    """Which of the two settings keeps features from being kept."""
    name, value, wanted = ("detect.detector", detect.detector, LAYING) if detect.detector != LAYING else ("detect.lay", detect.lay, "features")
    return f"{name} = {value}: only features of {LAYING} can be kept; set {name} to {wanted}, or leave out encode: a patrol with these settings needs none"


def _encoded(reference_map: ReferenceMap, comparer: Comparer) -> dict:
    kept = Encodings(reference_map.path, reference_map.checksum, comparer.detector.checksum)
    made, start = 0, time.monotonic()
    for index in tqdm(range(len(reference_map)), unit="keyframe", desc="encode", disable=None):
        reference = reference_map.reference(index)
        top = comparer.keyframes.top(reference)
        if kept.read(index, top) is None:
            _check_space(reference_map, reference.image.nbytes)
            kept.write(index, top, comparer.keyframes.packed(reference))
            made += 1
    return {"keyframes": len(reference_map), "made": made, "kept": len(reference_map), "bytes": kept.size_bytes(), "model": comparer.detector.checksum,
            "seconds": round(time.monotonic() - start, 1)}


def _check_space(reference_map: ReferenceMap, needed: int) -> None:
    free = shutil.disk_usage(reference_map.path).free
    if free < SPARE_BYTES + 2 * needed:
        raise MapError(f"{free / 1e6:.0f} MB are free where map {str(reference_map.path)!r} lies; what was encoded so far is kept, the map is as it was: "
                       "make room and run it again, or patrol without it")

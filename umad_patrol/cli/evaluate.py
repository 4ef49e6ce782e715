"""Score alignment, its verdict, detection or alerts, over a folder of pairs, a simulated patrol or UMAD-1.0.

example: umad-patrol evaluate alignment pairs/ --sheet before_after.png --json result.json
         umad-patrol evaluate verdict pairs/
         umad-patrol evaluate detection pairs/
         umad-patrol evaluate frames world/patrol --map map --truth world/truth --every 4
         umad-patrol evaluate patrol patrol_out --truth world/truth
         umad-patrol evaluate umad UMAD-1.0/
"""

from __future__ import annotations

import argparse
import importlib

from umad_patrol.cli.main import add_common_options

TARGETS = {
    "alignment": "mean distance in pixels between annotated points and where they are warped to",
    "verdict": "good pairs that are refused, and pairs of different places that are not",
    "detection": "found and false pixels, objects and regions",
    "frames": "the same, of the frames of a simulated patrol compared as on the robot",
    "patrol": "alerts of a simulated patrol: planted against found, and what the others are about",
    "umad": "IoU and F1 on UMAD-1.0, VL-CMU-CD or PSCD, beside what is published",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb a target: a module of `umad_patrol.evaluate` with `add_arguments(parser)` and `run(args) -> dict`."""
    targets = parser.add_subparsers(dest="target", metavar="TARGET", required=True)
    for name, text in TARGETS.items():
        module = importlib.import_module(f"umad_patrol.evaluate.{name}")
        target = targets.add_parser(name, help=text, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(target)
        add_common_options(target, below=True)


def run(args: argparse.Namespace) -> dict:
    """Score what is asked for; the result is what the target's module returns."""
    return importlib.import_module(f"umad_patrol.evaluate.{args.target}").run(args)

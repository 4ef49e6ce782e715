"""Make pairs of pictures: with exact correspondences, to score alignment with `evaluate alignment` and `evaluate verdict`, or those of a patrol.

OUT/<id>/ receives reference.jpg, query.jpg, camera.yaml, poses.yaml (believed and true poses, the ground, what was varied) and
points.txt (xr yr xq yq a line). Pairs of the simulated street vary sideways offset, rotation, noise of the believed pose and
light, and have ground.txt, far.txt and near.txt (points on the ground plane, on what stands beyond 10 m, and nearer) and
cloud.pcd as well. With --pictures the pairs are photographs, turned by a known rotation, under hard changes of light.
The same seed gives the same bytes.

With --patrol the pairs are what a patrol compares: each frame and its nearest reference, laid on it, with valid.png and
below_horizon.png; with --truth, of a simulated patrol, labels.png too, to score `evaluate detection` or for `train --pairs`.

example: umad-patrol pairs sweep --seed 3 --pairs 60
         umad-patrol pairs hard_light --pictures photographs/
         umad-patrol pairs patrol_pairs --patrol world/patrol --map map --truth world/truth --every 10
"""

from __future__ import annotations

import argparse

from umad_patrol.cli.main import settings_of
from umad_patrol.cli.simulate import size_of
from umad_patrol.errors import DatasetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """OUT [--seed N] [--pairs N] [--size WxH] [--pictures DIR], or OUT --patrol BAG --map MAP [--truth DIR] [--every N]."""
    parser.add_argument("out", metavar="OUT", help="folder to make; it must be new or empty")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which pairs (default 0)")
    parser.add_argument("--pairs", type=int, default=60, metavar="N", help="how many (default 60)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="size of the pictures in pixels; with --pictures, the largest (default 1280x720)")
    parser.add_argument("--pictures", metavar="DIR", help="make the pairs of the photographs in this folder; a folder below it is a place")
    parser.add_argument("--patrol", metavar="BAG", help="make the pairs of this recording of a patrol")
    parser.add_argument("--map", metavar="MAP", help="with --patrol: the reference map that `teach` made")
    parser.add_argument("--truth", metavar="DIR", help="with --patrol: the truth/ of a simulated patrol, for labels.png")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="with --patrol: only every N-th frame (default 1)")


def run(args: argparse.Namespace) -> dict:
    """Make the pairs. Returns the summary that is printed."""
    if args.patrol is None and (args.map is not None or args.truth is not None or args.every != 1):
        raise DatasetError("--map, --truth and --every are about a patrol: name its recording with --patrol")
    if args.patrol is not None and args.pictures is not None:
        raise DatasetError(f"pairs are those of --patrol {args.patrol!r} or made of --pictures {args.pictures!r}: name one of them")
    return _made(args) if args.patrol is None else _of_patrol(args)


def _made(args: argparse.Namespace) -> dict:
    from umad_patrol.simulate.pairs import write_pairs

    summary = write_pairs(args.out, args.seed, args.pairs, size_of(args.size), args.pictures, progress=True)
    print(f"{summary['out']}: {summary['pairs']} pairs of {summary['places']} places, {summary['points']} points, seed {summary['seed']}")
    return summary


def _of_patrol(args: argparse.Namespace) -> dict:
    from umad_patrol.evaluate.patrol_pairs import write_patrol_pairs
    from umad_patrol.frames import Recording
    from umad_patrol.reference.map import ReferenceMap

    if args.map is None:
        raise DatasetError(f"--patrol {args.patrol!r} needs the map to compare with: name it with --map")
    settings = settings_of(args)
    summary = write_patrol_pairs(args.out, Recording(args.patrol, settings), ReferenceMap.load(args.map), settings, args.truth, args.every)
    print(f"{summary['out']}: {summary['pairs']} pairs of {summary['frames']} frames")
    return summary

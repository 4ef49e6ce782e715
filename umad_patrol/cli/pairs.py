"""Make pairs of pictures with exact correspondences, to score alignment with `evaluate alignment` and `evaluate verdict`.

OUT/<id>/ receives reference.jpg, query.jpg, camera.yaml, poses.yaml (believed and true poses, the ground, what was varied) and
points.txt (xr yr xq yq a line). Pairs of the simulated street vary sideways offset, rotation, noise of the believed pose and
light, and have ground.txt, far.txt and near.txt (points on the ground plane, on what stands beyond 10 m, and nearer) and
cloud.pcd as well. With --pictures the pairs are photographs, turned by a known rotation, under hard changes of light.
The same seed gives the same bytes.

example: umad-patrol pairs sweep --seed 3 --pairs 60
         umad-patrol pairs hard_light --pictures photographs/
"""

from __future__ import annotations

import argparse

from umad_patrol.cli.simulate import size_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """OUT [--seed N] [--pairs N] [--size WxH] [--pictures DIR]."""
    parser.add_argument("out", metavar="OUT", help="folder to make; it must not exist or be empty")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which pairs (default 0)")
    parser.add_argument("--pairs", type=int, default=60, metavar="N", help="how many (default 60)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="size of the pictures in pixels, at most, with --pictures (default 1280x720)")
    parser.add_argument("--pictures", metavar="DIR", help="make the pairs of the photographs in this folder; a folder below it is a place")


def run(args: argparse.Namespace) -> dict:
    """Make the pairs. Returns the summary that is printed."""
    from umad_patrol.simulate.pairs import write_pairs

    summary = write_pairs(args.out, args.seed, args.pairs, size_of(args.size), args.pictures, progress=True)
    if args.json != "-":
        print(f"{summary['out']}: {summary['pairs']} pairs of {summary['places']} places, {summary['points']} points, seed {summary['seed']}")
    return summary

"""Write a simulated teach run and patrol as bags, with everything that is true about them.

OUT receives teach/ and patrol/ (rosbag2, mcap) and truth/: masks/STAMP.png (UMAD's bits), anomalies.yaml,
dynamics.yaml, moved.yaml, teach_poses.txt and patrol_poses.txt (TUM, map_T_camera), camera.yaml.
The same seed gives the same bytes.

example: umad-patrol simulate world --seed 7
"""

from __future__ import annotations

import argparse
import re

from umad_patrol.errors import SimulationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """OUT [--seed N] [--anomalies K] [--frames F] [--size WxH] [--length M] [--aside M] [--workers N] [--assets DIR]."""
    parser.add_argument("out", metavar="OUT", help="folder to make; it must be new or empty")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which world (default 0)")
    parser.add_argument("--anomalies", type=int, default=10, metavar="K", help="things left behind along the patrol (default 10)")
    parser.add_argument("--frames", type=int, metavar="F", help="pictures a run (default one every 0.34 m)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="size of the pictures in pixels (default 1280x720)")
    parser.add_argument("--length", type=float, default=68.0, metavar="M", help="length of the route in metres (default 68)")
    parser.add_argument("--aside", type=float, default=0.06, metavar="M", help="how far (rms) the patrol strays from the taught line, in metres (default 0.06)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that render (default: as many as there are cores, at most 8)")
    parser.add_argument("--assets", metavar="DIR", help="folder of GLB models and textures with a MANIFEST.csv to use as well")


def run(args: argparse.Namespace) -> dict:
    """Make the world and write it. Returns the summary that is printed."""
    from umad_patrol.simulate.record import write_simulation

    summary = write_simulation(
        args.out,
        seed=args.seed,
        anomalies=args.anomalies,
        frames=args.frames,
        size=size_of(args.size),
        length_m=args.length,
        workers=args.workers,
        assets=args.assets,
        aside_m=args.aside,
        progress=True,
    )
    _print(summary)
    return summary


def size_of(text: str, option: str = "--size") -> tuple[int, int]:
    """(width, height) of "1280x720" and the like. Raises SimulationError, naming the option."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if not match:
        raise SimulationError(f"{option} {text!r} is not WIDTHxHEIGHT in pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def _print(summary: dict) -> None:
    frames = " + ".join(str(n) for n in summary["frames"].values())
    print(f"{summary['out']}: {summary['route_m']:g} m, {frames} frames, seed {summary['seed']}")
    for row in summary["anomalies"]:
        x, y, _ = row["position"]
        seen = row["visible_frames"]
        near = f"seen in {seen} frames, from {row['min_range_m']:.1f} m" if seen else "never seen"
        print(f"  {row['id']:<14} at ({x:6.2f}, {y:6.2f}) m, {near}")

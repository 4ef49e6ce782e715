"""Measure speed on this machine: every stage and the whole way, then networks alone beside published ones.

The pair is a simulated street. Networks get the lowest rows of the picture at its own width; peers (FC-Siam-diff, CSCDNet,
C-3PO with ResNet-18, built from their papers) have random weights, which cost as much as trained ones. Medians over
repetitions after a warm-up. On a CPU and, where there is one, a CUDA device; batches are for the networks.

example: umad-patrol bench --json bench.json --plot bench.png
         umad-patrol bench --device cuda --batch 1 16 --half
         taskset -c 0,1 umad-patrol bench --threads 2
"""

from __future__ import annotations

import argparse
import os

import torch

from umad_patrol.cli.main import settings_of
from umad_patrol.cli.simulate import size_of
from umad_patrol.comparer import choose_device
from umad_patrol.errors import ConfigError
from umad_patrol.io.files import PICTURES, check_file

LIMITS_PX = (64, 4096)
SIDE_PX = 16     # sides of the networks' pictures are multiples of this
BELOW = 8 / 15   # share of the picture's height that the networks see by default


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """[--size WxH] [--crop WxH] [--repeat N] [--threads N] [--device D] [--batch N ...] [--half] [--no-peers] [--plot FILE]."""
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="size of the pictures in pixels (default 1280x720)")
    parser.add_argument("--crop", metavar="WxH", help="size of the networks' pictures (default 1280x384 of 1280x720, and so in proportion)")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="repetitions (default 20)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), metavar="N",
                        help="threads of torch and OpenCV (default 2, or 1 where there is one core)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"),
                        help="auto: as the setting device says, by default the CPU and, where there is one, a CUDA device")
    parser.add_argument("--batch", type=int, nargs="+", default=[1], metavar="N", help="pairs that a network gets at once (default 1)")
    parser.add_argument("--half", action="store_true", help="networks in half precision on CUDA")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True,
                        help="measure the published networks too; they take most of the time")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the medians as bars")


def run(args: argparse.Namespace) -> dict:
    """Measure and print. Returns what `bench` does."""
    from umad_patrol.evaluate.bench import BenchOptions, bench
    from umad_patrol.evaluate.bench_tables import draw, tables
    from umad_patrol.io.images import write_image

    settings, size = settings_of(args), size_of(args.size)
    crop = size_of(args.crop, "--crop") if args.crop else _below(size)
    _check(args, size, crop)
    devices = _devices(settings.device if args.device == "auto" else args.device)
    options = BenchOptions(devices, size, crop, args.repeat, args.threads, tuple(dict.fromkeys(args.batch)), args.peers, args.half)
    result = bench(settings, options)
    print(tables(result))
    if args.plot:
        write_image(args.plot, draw(result))
    return result


def _devices(name: str) -> tuple[torch.device, ...]:
    """What to measure on. Raises ConfigError where CUDA is asked for and absent."""
    found = choose_device(name)
    return (torch.device("cpu"), found) if name == "auto" and found.type == "cuda" else (found,)


def _below(size: tuple[int, int]) -> tuple[int, int]:
    """The part of a picture below the horizon, cut to sides that all networks take."""
    return size[0] // SIDE_PX * SIDE_PX, max(SIDE_PX, round(size[1] * BELOW / SIDE_PX) * SIDE_PX)


def _check(args: argparse.Namespace, size: tuple[int, int], crop: tuple[int, int]) -> None:
    """Raises ConfigError for what cannot be measured, before the work begins."""
    low, high = LIMITS_PX
    if not all(low <= side <= high for side in size):
        raise ConfigError(f"--size {size[0]}x{size[1]}: each side must be {low} to {high} px")
    if crop[0] > size[0] or crop[1] > size[1] or any(side < SIDE_PX or side % SIDE_PX for side in crop):
        raise ConfigError(f"--crop {crop[0]}x{crop[1]}: sides must be multiples of {SIDE_PX} px and lie within --size {size[0]}x{size[1]}")
    for option, values, most in (("repeat", [args.repeat], 100_000), ("threads", [args.threads], 1024), ("batch", args.batch, 1024)):
        if not all(1 <= value <= most for value in values):
            raise ConfigError(f"--{option} {' '.join(map(str, values))}: must be 1 to {most}")
    check_file("--plot", args.plot, ConfigError, PICTURES)

"""List every setting with default, range, unit and meaning.

example: umad-patrol settings
"""

from __future__ import annotations

import argparse

from umad_patrol.cli.main import settings_of
from umad_patrol.config import describe, values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(args: argparse.Namespace) -> dict:
    """Print the table; the JSON holds the values that `--config` and `--set` give."""
    chosen = values(settings_of(args))
    for info in describe():
        limits = ", ".join(info.choices) if info.choices else "" if info.low is None else f"{info.low} to {info.high} {info.unit}".strip()
        print(f"{info.name:28} {chosen[info.name]!s:34} {limits:28} {info.text}")
    return chosen

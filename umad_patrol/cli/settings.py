"""List every setting with default, range, unit and meaning.

example: umad-patrol settings
"""

from __future__ import annotations

import argparse

from umad_patrol.cli.main import settings_of
from umad_patrol.config import describe, values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--markdown."""
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")


def run(args: argparse.Namespace) -> dict:
    """Print the table; the JSON holds the values that `--config` and `--set` give."""
    chosen = values(settings_of(args))
    if args.markdown:
        print(markdown())
        return chosen
    for info in describe():
        limits = ", ".join(info.choices) if info.choices else "" if info.low is None else f"{info.low} to {info.high} {info.unit}".strip()
        print(f"{info.name:28} {chosen[info.name]!s:34} {limits:28} {info.text}")
    return chosen


def markdown() -> str:
    """The table of all settings that the README holds."""
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for info in describe():
        allowed = ", ".join(info.choices) if info.choices else "" if info.low is None else f"{info.low:g} to {info.high:g} {info.unit}".strip()
        default = f"`{info.default}`" if info.default not in ("", ()) else "empty"
        rows.append(f"| `{info.name}` | {default} | {allowed} | {info.text} |")
    return "\n".join(rows)

"""List every setting with default, range, unit and meaning.

example: umad-patrol settings
"""

from __future__ import annotations

import argparse
from typing import Any

from umad_patrol.cli.main import settings_of
from umad_patrol.config import SettingInfo, describe, values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--markdown."""
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")


def run(args: argparse.Namespace) -> dict:
    """Print the table; the JSON holds the values that `--config` and `--set` give."""
    chosen = values(settings_of(args))
    if args.markdown:
        print(markdown())
        return chosen
    rows = [(info.name, _told(chosen[info.name]), _limits(info), info.text) for info in describe()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print(" ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0))))
    return chosen


def _told(value: Any) -> str:
    """A value as `--set` takes it."""
    return " ".join(f"{number:g}" for number in value) if isinstance(value, tuple) else str(value)


def _limits(info: SettingInfo) -> str:
    if info.choices:
        return ", ".join(info.choices)
    return "" if info.low is None else f"{info.low:g} to {info.high:g} {info.unit}".strip()


def markdown() -> str:
    """The table of all settings that the README holds."""
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for info in describe():
        default = f"`{info.default}`" if info.default not in ("", ()) else "empty"
        rows.append(f"| `{info.name}` | {default} | {_limits(info)} | {info.text} |")
    return "\n".join(rows)

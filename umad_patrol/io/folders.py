"""Folders that are there whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umad_patrol.errors import PatrolError


@contextmanager
def new_folder(out: str | Path, refusal: type[PatrolError]) -> Iterator[Path]:
    """A folder beside `out` to fill, which takes its place when all went well and is gone when not.

    Raises `refusal` where `out` exists and is not an empty folder, or the folder above it is missing.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise refusal(f"{out} exists and is not an empty folder; name another OUT or remove it")
    if not out.resolve().parent.is_dir():
        raise refusal(f"{out}: there is no folder {out.resolve().parent}; make it first")
    beside = out.resolve().parent / f".{out.resolve().name}.{os.getpid()}"
    _remove_leftovers(out.resolve())
    try:
        beside.mkdir()
        yield beside
        if out.exists():
            out.rmdir()
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _remove_leftovers(out: Path) -> None:
    """Remove what killed writers of this folder left beside it, and what a dead one of our number did."""
    for beside in out.parent.glob(f".{glob.escape(out.name)}.*"):
        number = beside.name.rpartition(".")[2]
        if number.isdigit() and (int(number) == os.getpid() or not Path(f"/proc/{number}").exists()):
            shutil.rmtree(beside, ignore_errors=True)

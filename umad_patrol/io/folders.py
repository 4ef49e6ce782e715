"""Folders that are there whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from umad_patrol.errors import PatrolError
from umad_patrol.io.files import refusal_of

UNFINISHED = ".unfinished"


@contextmanager
def new_folder(out: str | Path, refusal: type[PatrolError]) -> Iterator[Path]:
    """A folder beside `out` to fill, which takes its place when all went well and is gone when not.

    Raises `refusal` where `out` exists and is not an empty folder, nothing can take its place, or the folder above it is missing.
    """
    target = Path(os.path.realpath(out))    # a link is followed
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise refusal(f"{out} exists and is not an empty folder; name another OUT or remove it")
    if os.path.ismount(target):
        raise refusal(f"{out}: a disk is mounted there; name a folder in it")
    if not target.parent.is_dir():
        raise refusal(f"{out}: there is no folder {target.parent}; make it first")
    beside = target.with_name(f".{target.name}.{os.getpid()}{UNFINISHED}")
    remove_leftovers(target.parent.glob(f".{glob.escape(target.name)}.*{UNFINISHED}"))
    with unfinished(beside):
        yield beside
        if target.exists():
            target.rmdir()
        beside.rename(target)


@contextmanager
def filled(out: str | Path, last: str, refusal: type[PatrolError]) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when all went well; where `out` is there, its files take their places in it, `last` comes last.

    Raises `refusal` where a disk refuses; then what was there stays as it was.
    """
    out = Path(out)
    try:
        if out.is_dir():
            beside = out / f".{os.getpid()}{UNFINISHED}"
            remove_leftovers(out.glob(f".*{UNFINISHED}"))
            with unfinished(beside):
                yield beside
                for file in sorted(beside.iterdir(), key=lambda file: file.name == last):
                    file.replace(out / file.name)
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            with new_folder(out, refusal) as beside:
                yield beside
    except OSError as error:
        raise refusal(f"cannot write into {str(out)!r}: {refusal_of(error)}") from error


@contextmanager
def unfinished(beside: Path) -> Iterator[None]:
    """Make a folder to work in, locked meanwhile; what is left under its name at the end is removed."""
    handle = None
    try:
        while handle is None:
            beside.mkdir()
            handle = _locked(beside)
        yield
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove `unfinished` folders whose writers were killed."""
    for beside in folders:
        try:
            handle = os.open(beside, os.O_RDONLY)
        except FileNotFoundError:   # its writer is done
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(beside, ignore_errors=True)
        except BlockingIOError:  # its writer lives
            pass
        finally:
            os.close(handle)


def _locked(beside: Path) -> int | None:
    """The handle that holds the lock on a folder just made; None where another took it for a leftover meanwhile."""
    try:
        handle = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_EX)
    if beside.exists():
        return handle
    os.close(handle)
    return None

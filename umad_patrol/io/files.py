"""Files that are there whole or not at all, and whether one can be written before the work for it begins."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umad_patrol.errors import PatrolError

PICTURES = (".png", ".jpg", ".jpeg")
FULL_DISK = errno.ENOSPC, errno.EDQUOT


def refusal_of(error: OSError) -> str:
    """What a disk said, and the way out."""
    return f"{error.strerror or error}; {'free space there, or ' if error.errno in FULL_DISK else ''}name another folder"


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """A file beside `path` to write, which takes its place when all went well and is gone when not.

    A link is followed; what is neither a file nor a folder, such as a pipe, is written to as it is. Raises OSError.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        yield target
        return
    target = Path(os.path.realpath(target))
    beside = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        yield beside
        beside.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error  # whoever asked knows nothing of what lies beside
    finally:
        if beside.exists():
            beside.unlink()


def check_file(option: str, path: str | Path | None, refusal: type[PatrolError], kinds: tuple[str, ...] = ()) -> None:
    """Raise `refusal` where a file that `option` names cannot be written: no folder for it, a folder itself, or none of the `kinds` of suffix."""
    if path is None:
        return
    target = Path(path)
    if not target.parent.is_dir() or target.is_dir() or (kinds and target.suffix.lower() not in kinds):
        raise refusal(f"{option} {str(path)!r} cannot be written; name a {' or '.join(kinds) or 'file'}{' file' if kinds else ''} in a folder that exists")


def check_folder(option: str, path: str | Path | None, refusal: type[PatrolError]) -> None:
    """Raise `refusal` where a folder that `option` names is a file, or lies below one."""
    for part in () if path is None else (Path(path), *Path(path).parents):
        if part.exists() and not part.is_dir():
            raise refusal(f"{option} {str(path)!r}: {str(part)!r} is a file; name a folder")

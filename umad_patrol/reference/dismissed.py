"""What an operator said is fine: kept in the folder of a map, beside the files that make it up.

`dismissed.json` holds its own checksum, so that the map's checksums, which are those of teaching, stay as they are. It is
written beside and renamed, under a lock on the folder: two robots or cameras may share a map.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from umad_patrol.errors import MapError
from umad_patrol.records import Dismissed

FILE = "dismissed.json"
FORMAT, VERSION = "umad_patrol dismissed things", 1
MOST = 10_000


def read_dismissed(path: str | Path) -> tuple[Dismissed, ...]:
    """Everything dismissed in the map at `path`. Raises MapError if the file is damaged."""
    file = Path(path) / FILE
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise MapError(f"map {str(path)!r}: {FILE} cannot be read ({error.strerror})") from error
    try:
        tree = json.loads(data)
        if tree["format"] != FORMAT or tree["version"] != VERSION:
            raise ValueError(f"format {tree['format']!r} version {tree['version']!r}")
        if hashlib.sha256(_canonical(tree["things"])).hexdigest() != tree["sha256"]:
            raise ValueError("its checksum is not that of what it holds")
        return tuple(_from_tree(thing) for thing in tree["things"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise MapError(f"map {str(path)!r}: {FILE} is damaged ({type(error).__name__}: {error}); copy it again, or remove it: "
                       "what was dismissed alarms again then") from error


def add_dismissed(path: str | Path, thing: Dismissed) -> None:
    """Remember another thing in the map at `path`. Raises MapError where that cannot be written."""
    path = Path(path)
    try:
        with locked(path):
            things = [*read_dismissed(path), thing]
            if len(things) > MOST:
                raise MapError(f"map {str(path)!r} holds {MOST} dismissed things already; teach the route again")
            write_dismissed(path, things)
    except OSError as error:
        raise MapError(f"cannot write {FILE} into map {str(path)!r}: {error.strerror}; make the folder writable") from error


def write_dismissed(path: Path, things: list[Dismissed] | tuple[Dismissed, ...]) -> None:
    """Write the file anew, whole at every instant. Raises OSError."""
    trees = [_to_tree(thing) for thing in things]
    tree = {"format": FORMAT, "version": VERSION, "sha256": hashlib.sha256(_canonical(trees)).hexdigest(), "things": trees}
    beside = path / f".{FILE}.{os.getpid()}"
    try:
        with beside.open("wb") as file:
            file.write(json.dumps(tree, indent=1, allow_nan=False).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path / FILE)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a folder, the one that lies at `path` once it is held. Raises OSError."""
    handle = _lock_of(path)
    try:
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock_of(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)    # another took its place while the lock was waited for


def _canonical(things: Any) -> bytes:
    return json.dumps(things, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("utf-8")


def _to_tree(thing: Dismissed) -> dict:
    return {"alert": thing.alert, "class": thing.class_name, "position": [round(float(v), 4) for v in thing.position],
            "size_m": [round(float(v), 4) for v in thing.size_m], "look": [round(float(v), 4) for v in thing.look],
            "stamp_ns": int(thing.stamp_ns), "picture": base64.b64encode(thing.picture).decode("ascii")}


def _from_tree(tree: Any) -> Dismissed:
    position, size, look = (tuple(float(v) for v in tree[name]) for name in ("position", "size_m", "look"))
    if len(position) != 3 or len(size) != 2 or len(look) not in (0, 2):
        raise ValueError(f"a thing with {len(position)} coordinates, {len(size)} sizes and a look of {len(look)}")
    return Dismissed(str(tree["alert"]), str(tree["class"]), position, size, look, int(tree["stamp_ns"]),
                     base64.b64decode(tree["picture"], validate=True))

"""The folder of a map: which files it has, their checksums, and how it comes to be whole or not at all.

    map.yaml        format version, runs with their cameras, settings, counts
    keyframes.csv   a row a keyframe: run, stamp, sharpness, light, ground plane
    trajectory.txt  their poses, TUM
    images/, features/   a JPEG and a safetensors file a keyframe
    cloud.pcd       the down-sampled cloud, where there was LiDAR
    SHA256SUMS      of all the above; `sha256sum -c SHA256SUMS` checks a map without this program
    dismissed.json  what an operator said is fine, with its own checksum: see dismissed.py
"""

from __future__ import annotations

import ctypes
import glob
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umad_patrol.errors import MapError, MapReplacedError
from umad_patrol.io.folders import remove_leftovers, unfinished
from umad_patrol.reference.dismissed import FILE as DISMISSED
from umad_patrol.reference.dismissed import locked, read_dismissed, write_dismissed

_LOG = logging.getLogger(__name__)
MAP, TABLE, TRAJECTORY, CLOUD, SUMS = "map.yaml", "keyframes.csv", "trajectory.txt", "cloud.pcd", "SHA256SUMS"
ENCODED = "encoded"     # what a detector made of the keyframes, which is made anew: see encodings.py
OURS = {MAP, TABLE, TRAJECTORY, CLOUD, SUMS, DISMISSED, "images", "features", ENCODED}
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_LINE = re.compile(r"^([0-9a-f]{64})  (\S+)$")


def image_name(index: int) -> str:
    """Where the picture of a keyframe lies in the folder."""
    return f"images/{index:06d}.jpg"


def features_name(index: int) -> str:
    """Where the features of a keyframe lie in the folder."""
    return f"features/{index:06d}.safetensors"


class MapFolder:
    """Reads the files of a map, each only if it is the one that was written. Raises MapError naming the file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _bring_back(self.path)
        if not self.path.exists():
            raise MapError(f"there is no map at {str(self.path)!r}; make one with `umad-patrol teach BAG MAP`")
        if not self.path.is_dir():
            raise MapError(f"{str(self.path)!r} is a file, not the folder of a map; make one with `umad-patrol teach BAG MAP`")
        if not (self.path / MAP).is_file():
            raise MapError(f"{str(self.path)!r} is no map: it has no {MAP}; make one with `umad-patrol teach BAG MAP`")
        self.checksum = ""
        self._sums: dict[str, str] = {}
        self._seen: tuple = ()

    def unchecked(self, name: str) -> bytes:
        """The bytes of a file before the checksums are known."""
        file = self.path / name
        if file.is_symlink() or (file.parent != self.path and file.parent.is_symlink()):     # the map itself may be reached by one
            raise MapError(f"map {str(self.path)!r}: {name} is a link; copy the map with its files")
        try:
            return file.read_bytes()
        except OSError as error:
            raise MapError(f"map {str(self.path)!r}: {name} cannot be read ({error.strerror}); copy the map again or teach it again") from error

    def read_sums(self) -> None:
        """Read the checksums of all files."""
        data = self.unchecked(SUMS)
        self.checksum = hashlib.sha256(data).hexdigest()
        self._seen = self._signature()
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
            match = _LINE.match(line)
            if not match:
                raise MapError(f"map {str(self.path)!r}: {SUMS} is damaged in line {number}; copy the map again or teach it again")
            self._sums[match[2]] = match[1]

    def check_names(self, expected: set[str]) -> None:
        """Raise MapError unless the checksums are those of exactly the expected files."""
        strange = sorted(set(self._sums) - expected)
        if strange:
            raise MapError(f"map {str(self.path)!r}: {SUMS} names {strange[0]!r}, which is no file of this map; teach it again")
        lacking = sorted(expected - set(self._sums))
        if lacking:
            raise MapError(f"map {str(self.path)!r}: {SUMS} is damaged, it lacks {lacking[0]}; copy the map again or teach it again")

    def has(self, name: str) -> bool:
        """Whether the map was written with this file."""
        return name in self._sums

    def names(self) -> tuple[str, ...]:
        """Every file that was written, in order."""
        return tuple(sorted(self._sums))

    def read(self, name: str) -> bytes:
        """The bytes of a file, proven to be those that were written."""
        if name not in self._sums:
            raise MapError(f"map {str(self.path)!r}: {SUMS} lacks {name}; copy the map again or teach it again")
        try:
            data = self.unchecked(name)
        except MapError:
            self._check_same()
            raise
        if hashlib.sha256(data).hexdigest() != self._sums[name]:
            self._check_same()
            raise MapError(f"map {str(self.path)!r}: {name} is damaged ({len(data)} bytes that are not those written); "
                           "copy the map again or teach it again")
        return data

    def replaced(self) -> bool:
        """Whether another map lies there now; costs next to nothing."""
        now = self._signature()
        if not now or now == self._seen:
            return False
        try:
            same = hashlib.sha256(self.unchecked(SUMS)).hexdigest() == self.checksum
        except MapError:
            return False
        self._seen = now if same else self._seen
        return not same

    def _signature(self) -> tuple:
        try:
            found = (self.path / SUMS).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _check_same(self) -> None:
        """Raise MapReplacedError if another map lies there now."""
        if hashlib.sha256(self.unchecked(SUMS)).hexdigest() != self.checksum:
            raise MapReplacedError(f"map {str(self.path)!r} was replaced since it was loaded; load it again")

    def size_bytes(self) -> int:
        """What the map takes on disk."""
        return sum((self.path / name).stat().st_size for name in (*self._sums, SUMS))


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target` to write a map into; it takes the place of `target` at the end, or vanishes.

    Checksums are made and everything is flushed to disk first; what was dismissed goes on in the new map. Raises MapError where the disk refuses.
    """
    beside = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}"))
        with unfinished(beside):
            yield beside
            _write_sums(beside)
            _flush(beside)
            if (target / MAP).exists():
                with locked(target):    # what is dismissed meanwhile is in the one map or the other
                    if things := read_dismissed(target):
                        write_dismissed(beside, things)
                    _put_in_place(beside, target)
            else:
                _put_in_place(beside, target)
    except OSError as error:
        raise MapError(f"cannot write map {str(target)!r}: {error.strerror or error}; the map that was there is untouched") from error


@contextmanager
def one_at_a_time(target: Path) -> Iterator[None]:
    """While one process adds to the map `target`, another that would waits. Raises MapError where there is no folder for it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.parent):
            yield
    except OSError as error:
        raise MapError(f"cannot write map {str(target)!r}: {error.strerror or error}") from error


def link_or_copy(source: Path, target: Path) -> None:
    """The same file in a second place, without copying where the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_sums(folder: Path) -> None:
    lines = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != DISMISSED):
        lines.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n")
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _retire(old: Path, new: Path) -> None:
    """Remove a map that another took the place of; what somebody else put into its folder, such as notes, goes on in the new one."""
    for entry in old.iterdir():
        if entry.name not in OURS and not entry.name.startswith(f".{DISMISSED}."):
            try:
                entry.rename(new / entry.name)
            except OSError as error:
                kept = new.with_name(f"{new.name}.before-{uuid.uuid4().hex[:8]}")
                old.rename(kept)
                _LOG.warning("%s cannot be moved into the new map (%s); the old one stays as %s", entry.name, error.strerror, kept)
                return
    shutil.rmtree(old, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _put_in_place(beside: Path, target: Path) -> None:
    if not target.exists():
        beside.rename(target)
    elif _exchange(beside, target):  # `beside` is the old map now
        _retire(beside, target)
    else:
        aside = beside.with_name(beside.name + ".old")
        target.rename(aside)
        try:
            beside.rename(target)
        except OSError:
            aside.rename(target)
            raise
        _retire(aside, target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one instant (Linux); False where the system cannot."""
    try:
        return ctypes.CDLL(None).renameat2(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) == 0
    except (AttributeError, OSError):
        return False


def _bring_back(path: Path) -> None:
    """Put an old map back that a writer, killed between two renames, left aside."""
    if path.exists() or not path.parent.is_dir():
        return
    for aside in sorted(path.parent.glob(f".{glob.escape(path.name)}.*.old")):
        if (aside / MAP).is_file():
            try:
                aside.rename(path)
            except OSError:
                pass
            return

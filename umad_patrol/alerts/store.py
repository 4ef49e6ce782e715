"""Alerts and coverage on disk: SQLite and a folder of evidence, sound after a restart or a kill at any moment."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from umad_patrol.errors import StoreError
from umad_patrol.records import Alert

FILE, LOCK, EVIDENCE = "alerts.sqlite", ".alerts.lock", "evidence"
VERSION = 1
SCHEMA = """
CREATE TABLE alerts (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, class_name TEXT NOT NULL, score REAL NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, z REAL NOT NULL, width_m REAL NOT NULL, height_m REAL NOT NULL,
    first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL, sightings INTEGER NOT NULL, evidence TEXT NOT NULL);
CREATE TABLE coverage (
    number INTEGER PRIMARY KEY, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, x REAL NOT NULL, y REAL NOT NULL, z REAL NOT NULL,
    metres REAL NOT NULL, frames INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL);
"""
LOOKED_AT_EVERY = 1000  # pieces: whether there are too many
KEPT_COVERAGE = 200_000  # newest pieces of the way that are kept: 100 km of half a metre each
_DISK = ("full", "readonly", "read-only", "unable to open", "disk i/o", "locked")  # what SQLite says when the file is not to blame
COLUMNS = "id, state, class_name, score, x, y, z, width_m, height_m, first_seen_ns, last_seen_ns, sightings, evidence"

T = TypeVar("T")


@dataclass(frozen=True)
class Stretch:
    """A short piece of the way over which the comparing went alike: `frames` frames on `metres` from `position` on."""

    first_ns: int
    last_ns: int
    position: tuple[float, float, float]
    metres: float
    frames: int
    status: str
    reason: str


class AlertStore:
    """The alerts and the coverage kept in a folder; one writer at a time, readers at any time.

    Raises StoreError where the folder cannot be written, is another writer's, or holds a damaged database.
    """

    def __init__(self, folder: str | Path, read_only: bool = False):
        self.folder = Path(folder)
        self._mutex = threading.Lock()
        self._lock: int | None = None
        self._pieces = 0
        self._given = 0  # highest number that was given to an alert
        if not read_only:
            self._claim()
        elif not (self.folder / FILE).is_file():
            raise StoreError(f"no alerts in {str(self.folder)!r}: {FILE} is missing; name the folder that a patrol wrote")
        try:
            self._connection = self._connect(read_only)
            self._inode = os.stat(self.folder / FILE).st_ino
            if not read_only:
                self._take_over()
        except BaseException:
            self._release()
            raise

    @property
    def evidence_folder(self) -> Path:
        """Where the evidence lies, a folder an alert."""
        return self.folder / EVIDENCE

    def new_id(self) -> str:
        """The next unused id: A0001, A0002, ... None is given twice while the store is open, whether it was stored or not."""
        self._given += 1
        return f"A{self._given:04d}"

    def alerts(self) -> list[Alert]:
        """Every alert, in the order of their ids."""
        rows = self._run(lambda c: c.execute(f"SELECT {COLUMNS} FROM alerts ORDER BY length(id), id").fetchall())
        return [Alert(r[0], r[1], r[2], r[3], tuple(r[4:7]), tuple(r[7:9]), *r[9:]) for r in rows]

    def save(self, alerts: Iterable[Alert]) -> None:
        """Write new alerts and new states of known ones, all or none."""
        alerts = list(alerts)
        rows = [(a.id, a.state, a.class_name, a.score, *a.position, *a.size_m, a.first_seen_ns, a.last_seen_ns, a.sightings, a.evidence)
                for a in alerts]
        if rows:
            self._given = max([self._given, *(_number(a.id) for a in alerts)])
            self._run(lambda c: c.executemany(f"INSERT OR REPLACE INTO alerts ({COLUMNS}) VALUES ({', '.join('?' * 13)})", rows))

    def coverage(self) -> list[Stretch]:
        """How the comparing went, along the way."""
        rows = self._run(lambda c: c.execute("SELECT first_ns, last_ns, x, y, z, metres, frames, status, reason FROM coverage "
                                             "ORDER BY number").fetchall())
        return [Stretch(r[0], r[1], tuple(r[2:5]), *r[5:]) for r in rows]

    def add_coverage(self, stretch: Stretch) -> None:
        """Write another piece of the way."""
        row = (stretch.first_ns, stretch.last_ns, *stretch.position, stretch.metres, stretch.frames, stretch.status, stretch.reason)
        if self._pieces % LOOKED_AT_EVERY == 0:
            self._drop_old_coverage()
        self._run(lambda c: c.execute("INSERT INTO coverage (first_ns, last_ns, x, y, z, metres, frames, status, reason) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row))
        self._pieces += 1

    def _drop_old_coverage(self) -> None:
        self._run(lambda c: c.execute("DELETE FROM coverage WHERE number <= (SELECT max(number) FROM coverage) - ?", (KEPT_COVERAGE,)))

    def evidence_bytes(self) -> dict[str, int]:
        """What the evidence of each alert takes on disk."""
        folders = [self.evidence_folder / alert.id for alert in self.alerts()]
        return {folder.name: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders if folder.is_dir()}

    def remove_evidence(self, alert_id: str) -> None:
        """Remove the pictures of an alert."""
        shutil.rmtree(self.evidence_folder / alert_id, ignore_errors=True)

    def close(self) -> None:
        """Close the database; closing twice does nothing."""
        with self._mutex:
            self._connection.close()
            self._release()

    def __enter__(self) -> AlertStore:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._mutex:
            try:
                if self._lock is not None and os.stat(self.folder / FILE).st_ino != self._inode:
                    raise StoreError(f"alert store {str(self.folder / FILE)!r} is another file than was opened; deactivate the node and activate it again")
                with self._connection:
                    return work(self._connection)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise StoreError(f"alert store {str(self.folder / FILE)!r} was removed or moved away; put it back, or deactivate the node and activate it "
                                 "again: a new one is made then") from error
            except OSError as error:
                raise StoreError(f"alert store {str(self.folder / FILE)!r} cannot be reached: {error.strerror or error}; is its disk still there, and may "
                                 "this user read it?") from error
            except sqlite3.Error as error:
                raise StoreError(f"alert store {str(self.folder / FILE)!r} failed: {error}; is the disk full or the store closed?") from error

    def _claim(self) -> None:
        """Make the folder and take the lock that only one writer has; a killed writer's is free again."""
        try:
            self.evidence_folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._release()
            raise StoreError(f"alert store {str(self.folder)!r} is in use by another patrol; stop that one or name another folder") from error
        except OSError as error:
            self._release()
            raise StoreError(f"cannot write alerts into {str(self.folder)!r}: {error.strerror}; name a folder that can be written") from error

    def _take_over(self) -> None:
        """Go on after whoever wrote last, perhaps killed on the way: half-made evidence goes, half-replaced comes back."""
        alerts = self.alerts()
        self._given = max((_number(a.id) for a in alerts), default=0)
        known = {alert.id for alert in alerts}
        for folder in sorted(self.evidence_folder.iterdir()):
            name, dot, ending = folder.name[1:].rpartition(".")
            if not folder.name.startswith(".") or not dot:
                continue
            if ending == "old" and name in known and not (self.evidence_folder / name).exists():
                folder.rename(self.evidence_folder / name)
            elif ending == "old" or ending.isdigit():
                shutil.rmtree(folder, ignore_errors=True)

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        path = self.folder / FILE
        connection = None
        try:
            where = f"{path.absolute().as_uri()}?mode=ro" if read_only else str(path)
            if read_only and not os.access(self.folder, os.W_OK) and not path.with_name(f"{FILE}-wal").exists():
                where += "&immutable=1"  # on a read-only disk: SQLite would want to make its log
            connection = sqlite3.connect(where, uri=read_only, check_same_thread=False, timeout=5.0)
            self._prepare(connection, read_only)
            return connection
        except (sqlite3.Error, StoreError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, StoreError):
                raise
            if any(word in str(error).lower() for word in _DISK):
                raise StoreError(f"alert store {str(path)!r} cannot be opened: {error}; free space on the disk, or name another folder") from error
            raise StoreError(f"alert store {str(path)!r} is damaged ({' '.join(str(error).split())}); move it away, "
                             "a new one is made then") from error

    def _prepare(self, connection: sqlite3.Connection, read_only: bool) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise StoreError(f"alert store {str(self.folder / FILE)!r} is of version {version}, this program's is {VERSION}; name another folder")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # an alert that was told is on the disk
            if version == 0:
                connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        connection.execute(f"SELECT {COLUMNS} FROM alerts LIMIT 1").fetchone()


def _number(alert_id: str) -> int:
    digits = alert_id[1:]
    return int(digits) if alert_id[:1] == "A" and digits.isascii() and digits.isdigit() else 0

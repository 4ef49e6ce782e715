"""Writes rosbag2 recordings (mcap, Jazzy's messages): beside first, renamed when whole, nothing left if it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from umad_patrol.errors import BagError
from umad_patrol.io.bag_messages import TYPES
from umad_patrol.io.files import refusal_of

METADATA, STORAGE = "metadata.yaml", (".mcap", ".db3")
_FOREVER = QosTime(9223372036, 854775807)


def qos(latched: bool) -> Qos:
    """Reliable; transient local with depth 1 where a late listener must still get the message (`latched`)."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        durability,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


class BagWriter:
    """A recording being written: `with BagWriter(path) as bag: bag.write("/topic", message, stamp_ns)`.

    `path` is the folder that will hold it and must not exist yet (BagError), or with `replace` hold nothing but a recording, which stays until
    the new one is whole. Messages come from `umad_patrol.io.bag_messages`; a topic takes the type of its first message. If the block raises,
    or the disk refuses (BagError), nothing new is left.
    """

    def __init__(self, path: str | Path, replace: bool = False) -> None:
        self.path = Path(path)
        self._replace = replace
        self._beside = self.path.parent / f".{self.path.name}.{os.getpid()}"
        self._writer: Writer | None = None
        self._topics: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        if self.path.exists() and not self._replace:
            raise BagError(f"{self.path} exists already and is not written over; name another folder or remove it")
        if self.path.exists():
            _check_replaceable(self.path)
        shutil.rmtree(self._beside, ignore_errors=True)
        try:
            self._beside.mkdir(parents=True)
            # the storage file is named after its folder, so the folder has its final name from the start
            writer = Writer(self._beside / self.path.name, version=9, storage_plugin=StoragePlugin.MCAP)
            writer.open()
        except OSError as error:
            shutil.rmtree(self._beside, ignore_errors=True)
            raise self._refused(error) from error
        self._writer = writer
        return self

    def write(self, topic: str, message: Any, stamp_ns: int, latched: bool = False) -> None:
        """Add a message, received at `stamp_ns`. Raises BagError if it does not fit the topic or cannot be serialized."""
        if self._writer is None:
            raise BagError(f"{self.path} is not open for writing; use it in a with block")
        kind = message.__msgtype__
        connection = self._topics.get(topic)
        if connection is None:
            connection = self._writer.add_connection(topic, kind, typestore=TYPES, offered_qos_profiles=[qos(latched)])
            self._topics[topic] = connection
        if connection.msgtype != kind:
            raise BagError(f"{topic} carries {connection.msgtype}; a {kind} cannot be written to it")
        try:
            self._writer.write(connection, int(stamp_ns), TYPES.serialize_cdr(message, kind))
        except (WriterError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise BagError(f"{kind} on {topic} at {stamp_ns / 1e9:.3f} s cannot be written: {error}") from error
        except OSError as error:
            raise self._refused(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
            if kind is None:
                self._put_in_place()
        except OSError as error:    # a full disk says so only now, where little was written
            raise self._refused(error) from error
        finally:
            shutil.rmtree(self._beside, ignore_errors=True)

    def _refused(self, error: OSError) -> BagError:
        return BagError(f"cannot write recording {str(self.path)!r}: {refusal_of(error)}")

    def _put_in_place(self) -> None:
        new, before = self._beside / self.path.name, self._beside / ".before"
        if not self.path.exists():
            new.rename(self.path)
            return
        _check_replaceable(self.path)   # once more: others may have put something there meanwhile
        self.path.rename(before)
        try:
            new.rename(self.path)
        except BaseException:
            before.rename(self.path)
            raise


def _check_replaceable(path: Path) -> None:
    """Raise BagError unless a folder holds a recording and nothing else."""
    if not (path.is_dir() and (path / METADATA).is_file() and all(kept.name == METADATA or kept.suffix in STORAGE for kept in path.iterdir())):
        raise BagError(f"{path} exists already and is no recording; it is not written over: name another folder or remove it")

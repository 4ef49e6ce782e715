"""Recordings: rosbag2 folders and single .mcap or .db3 files, read through rosbags; every fault is one BagError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from umad_patrol.errors import BagError

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
CAMERA_INFO = ("sensor_msgs/msg/CameraInfo",)
POSES = ("nav_msgs/msg/Odometry", "geometry_msgs/msg/PoseStamped", "geometry_msgs/msg/PoseWithCovarianceStamped")
CLOUDS = ("sensor_msgs/msg/PointCloud2",)
TRANSFORMS = ("tf2_msgs/msg/TFMessage",)


@dataclass(frozen=True)
class Topic:
    """What a recording has of one topic; `latched` where it was offered as transient local."""

    name: str
    type: str
    count: int
    latched: bool = False


class Bag:
    """An open recording. Made by `open_bag`."""

    def __init__(self, path: Path, reader: Reader):
        self.path = path
        self._reader = reader
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self.topics = {name: _topic(name, info) for name, info in sorted(reader.topics.items())}
        self.start_ns, self.end_ns = int(reader.start_time), int(reader.end_time)

    def require(self, topic: str, types: tuple[str, ...], setting: str, otherwise: str = "") -> Topic:
        """The topic if it is there, holds messages and is of one of the types; else a BagError naming what is there.

        `otherwise` says in the error what else would do where no topic of the recording does.
        """
        found = self.topics.get(topic)
        if found is None or not found.count:
            state = "has no topic" if found is None else "has no messages on"
            raise BagError(f"recording {self.path} {state} {topic!r} ({_short(types)}); {self._way_out(types, setting, otherwise)}")
        if found.type not in types:
            raise BagError(f"recording {self.path} holds {topic!r} as {found.type}, not {_short(types)}; {self._way_out(types, setting, otherwise)}")
        return found

    def has(self, topic: str, types: tuple[str, ...]) -> bool:
        """Whether there are messages of one of the types on this topic."""
        found = self.topics.get(topic)
        return found is not None and found.count > 0 and found.type in types

    def fitting(self, types: tuple[str, ...]) -> list[Topic]:
        """The topics of one of the types that hold messages."""
        return [t for t in self._held() if t.type in types]

    def listing(self) -> str:
        """The topics in words."""
        return _listed(self._held())

    def _way_out(self, types: tuple[str, ...], setting: str, otherwise: str) -> str:
        """What to set, where that helps."""
        if fitting := self.fitting(types):
            return f"set {setting} to one of: {_listed(fitting)}"
        return f"it holds none for {setting}{f': {otherwise}' if otherwise else ''}; it has {self.listing()}"

    def _held(self) -> list[Topic]:
        return [t for t in self.topics.values() if t.count]

    def messages(self, topics: tuple[str, ...] | None = None) -> Iterator[tuple[str, int, bytes]]:
        """(topic, time of recording in ns, serialized message) in the order of recording. Raises BagError where it is damaged."""
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not wanted:
            return
        with _readable(self.path):
            for connection, stamp, raw in self._reader.messages(connections=wanted):
                yield connection.topic, stamp, raw

    def decode(self, topic: str, raw: bytes) -> Any:
        """The message in `raw`. Raises BagError if the bytes or their type cannot be read."""
        kind = self.topics[topic].type
        try:
            return self._types.deserialize_cdr(raw, kind)
        except Exception as error:  # rosbags lets struct, index, unicode and its own errors through
            raise BagError(f"a message on {topic} of {len(raw)} bytes is no {kind} ({_line(error)})") from error


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """Open a rosbag2 folder, or one .mcap or .db3 file. Raises BagError if there is none, or it is empty or damaged."""
    path = Path(path).expanduser()  # no shell expands bag:=~/bag
    reader = None
    with _readable(path):
        reader = Reader(_storage(path))
        reader.open()
    try:
        if not reader.message_count:
            raise BagError(f"recording {path} is empty: it holds no messages")
        yield Bag(path, reader)
    finally:
        reader.close()


def _storage(path: Path) -> Path:
    """What rosbags can open: the folder with its metadata.yaml, or the one storage file of a folder that lacks it."""
    if not path.exists():
        raise BagError(f"there is no recording at {path}")
    if path.is_file():
        if path.suffix not in (".mcap", ".db3"):
            hint = "convert it with `rosbags-convert`" if path.suffix == ".bag" else "give a rosbag2 folder, or an .mcap or .db3 file"
            raise BagError(f"{path} is no rosbag2 recording; {hint}")
        return path
    if (path / "metadata.yaml").exists():
        return path
    files = sorted([*path.glob("*.mcap"), *path.glob("*.db3")])
    if len(files) != 1:
        way_out = "`ros2 bag reindex` writes one" if files else "give a rosbag2 folder, or an .mcap or .db3 file"
        raise BagError(f"{path} is no rosbag2 recording: it has no metadata.yaml and {len(files) or 'no'} .mcap or .db3 files; {way_out}")
    return files[0]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except BagError:
        raise
    except PermissionError as error:
        raise BagError(f"recording {path} may not be read: {error.strerror}") from error
    except Exception as error:  # a damaged file surfaces in rosbags as nearly anything
        raise BagError(f"recording {path} is truncated or damaged ({_line(error)}); `mcap recover` or `ros2 bag reindex` may save it") from error


def _topic(name: str, info: Any) -> Topic:
    profiles = [qos for c in info.connections for qos in getattr(c.ext, "offered_qos_profiles", [])]
    latched = any(getattr(qos.durability, "name", "") == "TRANSIENT_LOCAL" for qos in profiles)
    return Topic(name, info.msgtype or info.connections[0].msgtype, info.msgcount, latched)


def _listed(topics: list[Topic]) -> str:
    return ", ".join(f"{t.name} [{t.type.replace('/msg/', '/')}, {t.count}]" for t in topics)


def _short(types: tuple[str, ...]) -> str:
    return " or ".join(kind.split("/")[-1] for kind in types)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")

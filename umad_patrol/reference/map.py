"""The reference map: what a route looked like when nothing unusual was there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from umad_patrol.errors import BAD_YAML, CameraError, ImageError, MapError
from umad_patrol.geometry.camera import camera_from_dict, camera_to_dict, is_pinhole
from umad_patrol.io.images import decode
from umad_patrol.records import Camera, Reference
from umad_patrol.reference import features, folder, keyframes
from umad_patrol.reference.cloud import cloud_in
from umad_patrol.reference.keyframes import Keyframes
from umad_patrol.reference.standing import Standing

FORMAT, VERSION = "umad_patrol reference map", 1
CACHED = 8  # decoded keyframes kept, 3 MB each at 1280x720: neighbours serve many frames in a row


@dataclass(frozen=True, eq=False)
class Run:
    """One teach run in a map."""

    name: str
    camera: Camera
    keyframes: int
    has_features: bool


@dataclass(frozen=True, eq=False)
class MapInfo:
    """What `map.yaml` says."""

    runs: tuple[Run, ...]
    settings: dict[str, Any]
    made_by: str
    has_cloud: bool

    def to_bytes(self) -> bytes:
        """`map.yaml`."""
        tree = {
            "format": FORMAT, "version": VERSION, "made_by": self.made_by, "keyframes": sum(run.keyframes for run in self.runs),
            "cloud": self.has_cloud,
            "runs": [{"name": run.name, "keyframes": run.keyframes, "features": run.has_features, "camera": camera_to_dict(run.camera)}
                     for run in self.runs],
            "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in self.settings.items()},
        }
        return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True).encode("utf-8")

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> MapInfo:
        """What `map.yaml` at `path` says. Raises MapError, first of all for another version."""
        where = f"map {str(path)!r}: {folder.MAP}"
        try:
            tree = yaml.safe_load(data)
        except BAD_YAML as error:
            raise MapError(f"{where} is damaged: {' '.join(str(error).split())}; copy the map again or teach it again") from error
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise MapError(f"{where} is not that of a map (format: {FORMAT}); make one with `umad-patrol teach BAG MAP`")
        if tree.get("version") != VERSION:
            raise MapError(f"{where} is of version {tree.get('version')!r}, this program reads version {VERSION}; teach the map again")
        try:
            runs = tuple(Run(str(run["name"]), camera_from_dict(run["camera"], f"run {run['name']!r}"), int(run["keyframes"]), bool(run["features"]))
                         for run in tree["runs"])
            info = cls(runs, dict(tree["settings"]), str(tree["made_by"]), bool(tree["cloud"]))
        except (KeyError, TypeError, ValueError, ArithmeticError, CameraError) as error:
            raise MapError(f"{where} is damaged ({type(error).__name__}: {error}); copy the map again or teach it again") from error
        if not runs or min(run.keyframes for run in runs) < 1:
            raise MapError(f"{where} lists no keyframes; teach the map again")
        for run in runs:
            if not is_pinhole(run.camera):
                raise MapError(f"{where}: the camera of run {run.name!r} distorts ({run.camera.distortion_model} {run.camera.distortion}); teach the map again")
        return info


class ReferenceMap:
    """A map in memory: poses, stamps, planes and light of all keyframes; pictures and features are read when asked for.

    `checksum` stands for every byte of the map. Indices run over all keyframes of all runs. Safe to share between threads.
    """

    def __init__(self, source: folder.MapFolder, info: MapInfo, table: Keyframes) -> None:
        self.path: Path = source.path
        self.checksum: str = source.checksum
        self.info = info
        self.keyframes = table
        self._folder = source
        self._cache: OrderedDict[int, Reference] = OrderedDict()
        self._laid_out: Standing | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> ReferenceMap:
        """The map in the folder `path`. Raises MapError if it is missing, damaged or of another version, naming the file.

        With `verify` every file is read and checked now; without, pictures, features and cloud when they are asked for.
        """
        source = folder.MapFolder(path)
        info = MapInfo.from_bytes(source.unchecked(folder.MAP), source.path)
        source.read_sums()
        if sum(run.keyframes for run in info.runs) > len(source.names()):
            raise MapError(f"map {str(source.path)!r}: {folder.MAP} counts more keyframes than {folder.SUMS} names; copy it again or teach it again")
        source.check_names(_expected_names(info))
        source.read(folder.MAP)
        try:
            table = keyframes.from_files(source.read(folder.TABLE), source.read(folder.TRAJECTORY), tuple(run.name for run in info.runs))
        except MapError as error:
            raise error if str(source.path) in str(error) else MapError(f"map {str(source.path)!r}: {error}") from error
        if not np.array_equal(table.run_of, np.repeat(np.arange(len(info.runs)), [run.keyframes for run in info.runs])):
            raise MapError(f"map {str(source.path)!r}: {folder.TABLE} does not hold the keyframes that {folder.MAP} counts; teach it again")
        if verify:
            for name in source.names():
                source.read(name)
        return cls(source, info, table)

    def __len__(self) -> int:
        return len(self.keyframes)

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of the teach runs."""
        return tuple(run.name for run in self.info.runs)

    @property
    def run_of(self) -> np.ndarray:
        """`(N,)`: the place of each keyframe's run in `runs`."""
        return self.keyframes.run_of

    @property
    def camera(self) -> Camera:
        """The pinhole camera of the first run."""
        return self.info.runs[0].camera

    @property
    def poses(self) -> np.ndarray:
        """`(N, 4, 4)` float64 map_T_camera."""
        return self.keyframes.poses

    @property
    def stamps_ns(self) -> np.ndarray:
        """`(N,)` int64."""
        return self.keyframes.stamps_ns

    @property
    def grounds(self) -> np.ndarray:
        """`(N, 4)` float64 ground planes in `map`, NaN where none is known."""
        return self.keyframes.grounds

    @property
    def light(self) -> np.ndarray:
        """`(N, 7)` float32: the light of each keyframe, see `look.light`."""
        return self.keyframes.light

    def cloud(self) -> np.ndarray | None:
        """The cloud `(M, 3)` float32 in `map`, read from disk at each call; None if there is none. Raises MapError."""
        if not self.info.has_cloud:
            return None
        return cloud_in(self._folder.read(folder.CLOUD), self.path / folder.CLOUD)

    def reference(self, index: int) -> Reference:
        """A keyframe with its picture and features. Raises MapError naming a damaged file."""
        index = int(index)
        if not 0 <= index < len(self):
            raise MapError(f"keyframe {index} is not among the {len(self)} of map {str(self.path)!r}")
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        found = self._read(index)
        with self._lock:
            self._cache[index] = found
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return found

    def replaced(self) -> bool:
        """Whether another map lies now where this one was loaded from; costs next to nothing."""
        return self._folder.replaced()

    def size_bytes(self) -> int:
        """What the map takes on disk."""
        return self._folder.size_bytes()

    def _read(self, index: int) -> Reference:
        run, table = self.info.runs[self.run_of[index]], self.keyframes
        name = folder.image_name(index)
        try:
            image = decode(self._folder.read(name))
        except ImageError as error:
            raise MapError(f"map {str(self.path)!r}: {name}: {error}; teach the map again") from error
        if image.shape[:2] != (run.camera.height, run.camera.width):
            raise MapError(f"map {str(self.path)!r}: {name} is {image.shape[1]}x{image.shape[0]}, its camera "
                           f"{run.camera.width}x{run.camera.height}; teach the map again")
        found = None
        if run.has_features:
            found = features.from_bytes(self._folder.read(folder.features_name(index)), folder.features_name(index))
        pose, ground = table.poses[index].copy(), table.grounds[index].copy() if np.isfinite(table.grounds[index]).all() else None
        standing = self._standing().before(pose, run.camera, ground) if ground is not None and self.info.has_cloud else None
        return Reference(index, run.name, int(table.stamps_ns[index]), image, run.camera, pose, found, ground, standing)

    def _standing(self) -> Standing:
        """The cloud as keyframes want it, made for the first of them."""
        with self._lock:
            if self._laid_out is None:
                self._laid_out = Standing(self.cloud())
            return self._laid_out


def _expected_names(info: MapInfo) -> set[str]:
    names = {folder.MAP, folder.TABLE, folder.TRAJECTORY} | ({folder.CLOUD} if info.has_cloud else set())
    first = 0
    for run in info.runs:
        indices = range(first, first + run.keyframes)
        names |= {folder.image_name(i) for i in indices}
        if run.has_features:
            names |= {folder.features_name(i) for i in indices}
        first += run.keyframes
    return names

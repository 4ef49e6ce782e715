"""Teaching: frames of a drive in, a reference map out."""

from __future__ import annotations

import datetime
import logging
import os
import re
import tempfile
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umad_patrol import __version__
from umad_patrol.config import Settings, values
from umad_patrol.errors import CameraError, ConfigError, ImageError, LocalizationError, MapError
from umad_patrol.geometry import se3
from umad_patrol.geometry.camera import NOT_UPRIGHT, check_camera, is_pinhole, is_upright
from umad_patrol.io.files import check_folder
from umad_patrol.io.images import write_image
from umad_patrol.records import Camera, Features, Frame
from umad_patrol.reference import folder
from umad_patrol.reference.cloud import CloudGrid, check_open3d, write_cloud
from umad_patrol.reference.dismissed import read_dismissed
from umad_patrol.reference.features import to_bytes
from umad_patrol.reference.ground import find_grounds
from umad_patrol.reference.keyframes import Keyframes, to_csv, to_tum
from umad_patrol.reference.look import light, sharpness
from umad_patrol.reference.map import MapInfo, ReferenceMap, Run

log = logging.getLogger(__name__)

FAR_M = 1e5     # from here on single precision is coarser than 8 mm
_WORTH = 0.25  # a frame nearer to the last keyframe than this share of the spacing is never worth another
_USED = ("teach.", "align.")  # sections of the settings that shape a map
_RUN_NAME = re.compile(r"[\w .:+-]{1,64}")
_NAME_IT = "--run NAME, teach.run"


@dataclass(frozen=True, eq=False)
class _Chosen:
    stamp_ns: int
    map_T_camera: np.ndarray
    sharpness: float
    light: np.ndarray


class Spacing:
    """Chooses keyframes from a stream of frames: never farther apart than asked, and the sharpest of those in question.

    The distance to the last keyframe, in shares of the spacing, grows from 0; the sharpest frame of the last
    `sharp_window` before 1 becomes the next keyframe once a frame comes that lies beyond.
    """

    def __init__(self, distance_m: float, turn_deg: float, sharp_window: float) -> None:
        self._limits, self._open_at = (distance_m, turn_deg), 1.0 - sharp_window
        self._anchor: np.ndarray | None = None  # pose of the last keyframe, or of the first frame of all
        self._first = True
        self._best: tuple[float, Frame] | None = None
        self._latest: Frame | None = None

    def add(self, frame: Frame) -> list[tuple[float, Frame]]:
        """Take the next frame; returns the (sharpness, frame) that became keyframes, mostly none."""
        if self._anchor is None:
            self._anchor = frame.map_T_camera
        chosen = []
        share = self._share(frame)
        turned_back = self._best is not None and _apart(self._best[1].map_T_camera, frame.map_T_camera, self._limits) > 1.0
        if self._best is not None and (turned_back or share > (1.0 - self._open_at if self._first else 1.0)):
            chosen.append(self._close())
            share = self._share(frame)
        if share > 1.0 and self._latest is not None and _WORTH < self._share(self._latest) <= 1.0:  # few frames: none lay in the window
            self._best = (sharpness(self._latest.image), self._latest)
            chosen.append(self._close())
            share = self._share(frame)
        if share > 1.0:  # a jump
            self._best = (sharpness(frame.image), frame)
            chosen.append(self._close())
        elif self._first or share >= self._open_at:
            found = sharpness(frame.image)
            if self._best is None or found > self._best[0] or (found == self._best[0] and not self._first):
                self._best = (found, frame)
        self._latest = frame
        return chosen

    def finish(self) -> list[tuple[float, Frame]]:
        """The keyframe that the end of the drive still asks for."""
        if self._best is not None:
            return [self._close()]
        if self._latest is not None and self._share(self._latest) > _WORTH:
            self._best = (sharpness(self._latest.image), self._latest)
            return [self._close()]
        return []

    def _close(self) -> tuple[float, Frame]:
        best, self._best, self._first = self._best, None, False
        self._anchor = best[1].map_T_camera
        return best

    def _share(self, frame: Frame) -> float:
        return _apart(self._anchor, frame.map_T_camera, self._limits)


def _apart(one: np.ndarray, other: np.ndarray, limits: tuple[float, float]) -> float:
    """How far two poses are from one another, in shares of a distance in metres and a turn in degrees, whichever is more."""
    return max(se3.distance_m(one, other) / limits[0], se3.angle_deg(one[:3, :3].T @ other[:3, :3]) / limits[1])


class Teacher:
    """Makes a map of a teach run: `add_frame` and `add_cloud` as the drive goes, `save` at its end or in between.

    Keyframes wait as files in the system's temporary folder, so memory does not grow with the route.
    `extract_features` makes the features that alignment wants (None: the map has none), `taken` are names of runs that the map
    has already. `trouble` says why the last keyframe could not be kept, or why no cloud can be, empty if both can; `lost` how many were not. Raises
    ConfigError for a bad run name.
    """

    def __init__(self, settings: Settings, extract_features: Callable[[np.ndarray], Features] | None = None, taken: Container[str] = ()) -> None:
        if settings.teach.run and not _RUN_NAME.fullmatch(settings.teach.run):
            raise ConfigError(f"teach.run = {settings.teach.run!r} is no name; use 1 to 64 letters, digits, spaces or . _ : + -")
        self._settings, self._extract, self._taken = settings, extract_features, taken
        teach = settings.teach
        self._spacing = Spacing(teach.distance_m, teach.turn_deg, teach.sharp_window)
        self._cloud = CloudGrid(teach.voxel_m)
        self._cloudless: str | None = None      # why no cloud can be kept; None: nobody looked yet
        self._spool = tempfile.TemporaryDirectory(prefix="umad_patrol_teach_")
        self._chosen: list[_Chosen] = []
        self._camera: Camera | None = None
        self._saved_at: Path | None = None
        self.run = teach.run
        self.frames = self.lost = 0
        self.trouble = ""

    @property
    def keyframes(self) -> int:
        """How many keyframes there are so far."""
        return len(self._chosen)

    def add_frame(self, frame: Frame) -> bool:
        """Look at the next undistorted frame; True if a keyframe came of it or of one before it.

        Raises CameraError if the camera is unusable, distorts or is another than before, LocalizationError for a bad pose,
        MapError where a keyframe cannot be kept, or where the map has a run that began in the same second.
        """
        self._check(frame)
        self.run = self.run or self._named_after(frame.stamp_ns)
        self._camera = self._camera or frame.camera
        self.frames += 1
        if self.frames == 1 and np.abs(frame.map_T_camera[:3, 3]).max() > FAR_M:
            log.warning("the robot is at %s m: so far from the origin the cloud is coarse (single precision). Use a map frame with its origin on the site",
                        np.round(frame.map_T_camera[:3, 3]).tolist())
        if self.frames == 1 and not is_upright(frame.map_T_camera):
            log.warning("%s, by its pose and transform: a patrol over this map raises no alert. Is the transform (/tf_static or input.body_t_camera) that of "
                        "the optical frame, x right, y down, z forward? If so, turn the pictures upright in the driver, calibration and transform with them",
                        NOT_UPRIGHT)
        chosen = self._spacing.add(frame)
        for found in chosen:
            self._keep(*found)
        return bool(chosen)

    def add_cloud(self, points: np.ndarray) -> None:
        """Add LiDAR points `(N, 3)` in `map`. Raises MapError where they could not be written at the end of the drive."""
        if self._cloudless is None:
            self._cloudless = ""
            try:
                check_open3d()
            except MapError as error:
                self._cloudless = self.trouble = str(error)
        if self._cloudless:
            raise MapError(self._cloudless)
        self._cloud.add(points)

    def save(self, path: str | Path) -> ReferenceMap:
        """Write the map, or add this run to the map that is there, and return it.

        Saving again into the same map replaces what this teacher saved before. Raises MapError if there is no
        keyframe, if the map there holds another run of this name or is damaged, or if it cannot be written.
        """
        for found in self._spacing.finish():
            try:
                self._keep(*found)
            except MapError as error:   # what was kept before is not lost with it
                log.warning("%s", error)
        if not self._chosen:
            raise MapError(f"no keyframe to save at {str(path)!r}: {self.frames} usable frames came; check images, camera_info and localization")
        target = Path(os.path.realpath(path))
        with folder.one_at_a_time(target):
            before = existing_map(target, "" if self._saved_at == target else self.run)
            with folder.written_whole(target) as new:
                self._write(new, before)
            self._saved_at = target
            return ReferenceMap.load(target, verify=False)     # `path` may be ".", which is the old map's folder still

    def close(self) -> None:
        """Remove the temporary files."""
        self._spool.cleanup()

    def _write(self, new: Path, before: ReferenceMap | None) -> None:
        own = Run(self.run, self._camera, len(self._chosen), self._extract is not None)
        others = [run for run in before.info.runs if run.name != self.run] if before else []
        cloud = self._cloud.points()
        tables = []
        if others:
            old = before.keyframes
            kept = np.flatnonzero(np.array([before.runs[i] != self.run for i in old.run_of]))
            table = old.rows(kept)
            place = {run.name: i for i, run in enumerate(others)}
            table.run_of[:] = [place[before.runs[i]] for i in table.run_of]
            tables.append(table)
            _carry_over(before.path, kept, new)
            if before.info.has_cloud:
                merged = CloudGrid(self._settings.teach.voxel_m)
                merged.add(before.cloud())
                merged.add(cloud)
                cloud = merged.points()
        tables.append(self._table(len(others), cloud))
        _carry_over(Path(self._spool.name), np.arange(len(self._chosen)), new, first=len(tables[0]) if others else 0)
        runs, table = (*others, own), Keyframes.stack(tables)
        used = {name: value for name, value in values(self._settings).items() if name.startswith(_USED)}
        info = MapInfo(runs, used, f"umad_patrol {__version__}", bool(len(cloud)))
        if len(cloud):
            write_cloud(cloud, new / folder.CLOUD)
        (new / folder.TABLE).write_bytes(to_csv(table, tuple(run.name for run in runs)))
        (new / folder.TRAJECTORY).write_bytes(to_tum(table))
        (new / folder.MAP).write_bytes(info.to_bytes())

    def _table(self, run: int, cloud: np.ndarray) -> Keyframes:
        poses = np.array([k.map_T_camera for k in self._chosen])
        return Keyframes(poses=poses, stamps_ns=np.array([k.stamp_ns for k in self._chosen], dtype=np.int64),
                         run_of=np.full(len(poses), run, dtype=np.int64), sharpness=np.array([k.sharpness for k in self._chosen]),
                         light=np.array([k.light for k in self._chosen]), grounds=find_grounds(poses, cloud, self._settings.teach))

    def _keep(self, sharp: float, frame: Frame) -> None:
        """Take a frame as a keyframe. Raises MapError where it cannot be written."""
        try:
            self._spool_files(len(self._chosen), frame.image)
        except (OSError, ImageError) as error:
            self.lost += 1
            self.trouble = f"keyframes are lost: {error}; free space in {Path(self._spool.name).parent}, or start again with TMPDIR on a larger disk"
            raise MapError(self.trouble) from error
        self.trouble = self._cloudless or ""
        self._chosen.append(_Chosen(frame.stamp_ns, np.array(frame.map_T_camera, dtype=np.float64), sharp, light(frame.image)))

    def _spool_files(self, index: int, image: np.ndarray) -> None:
        spool = Path(self._spool.name)
        image_file = spool / folder.image_name(index)
        image_file.parent.mkdir(exist_ok=True)
        write_image(image_file, image, self._settings.teach.jpeg_quality)
        if self._extract is not None:
            file = spool / folder.features_name(index)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(to_bytes(self._extract(image)))

    def _named_after(self, stamp_ns: int) -> str:
        name = f"run-{datetime.datetime.fromtimestamp(stamp_ns // 10**9, tz=datetime.timezone.utc):%Y%m%d-%H%M%S}"
        if name in self._taken:
            self.trouble = (f"the map holds a run {name!r} already, begun in the same second as this one: is it the same drive? "
                            f"If not, name this one ({_NAME_IT})")
            raise MapError(self.trouble)
        return name

    def _check(self, frame: Frame) -> None:
        check_camera(frame.camera, frame.image.shape)
        if not is_pinhole(frame.camera):
            raise CameraError(f"camera distorts ({frame.camera.distortion_model} {frame.camera.distortion}); undistort frames before teaching")
        if self._camera is not None and ((frame.camera.width, frame.camera.height) != (self._camera.width, self._camera.height)
                                         or not np.allclose(frame.camera.K, self._camera.K)):
            raise CameraError(f"camera changed within the run, from K {self._camera.K.ravel().tolist()} to {frame.camera.K.ravel().tolist()}; "
                              "teach one run with each camera")
        if fault := se3.fault(frame.map_T_camera):
            raise LocalizationError(f"pose of the frame at {frame.stamp_ns / 1e9:.3f} s {fault}; is the localization initialized?")


def existing_map(path: str | Path, new_run: str = "") -> ReferenceMap | None:
    """The sound map at `path` to which a run may be added; None where a new one may be made.

    Raises MapError where something else is there, the map is damaged, it holds a run named `new_run` already, or nothing can be written there.
    """
    target = Path(path)
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        _check_writable(target)
        return None
    if not target.is_dir() or not (target / folder.MAP).exists():
        raise MapError(f"{str(target)!r} exists and is no map; name a new folder or a map")
    there = ReferenceMap.load(target)
    read_dismissed(target)
    if new_run and new_run in there.runs:
        raise MapError(f"map {str(target)!r} holds a run {new_run!r} already; give this one another name ({_NAME_IT}) or make a new map")
    _check_writable(target)
    return there


def _check_writable(target: Path) -> None:
    """Raise MapError where no folder can be made beside `target`, in which a map is written first, or none can take its place."""
    check_folder("map", target.parent, MapError)
    real = Path(os.path.realpath(target))
    if os.path.ismount(real):
        raise MapError(f"map {str(target)!r} cannot be written: a disk is mounted there; name a folder in it")
    above = next(part for part in real.parents if part.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise MapError(f"map {str(target)!r} cannot be written: folder {str(above)!r} may not be written to; name another folder")


def _carry_over(source: Path, indices: np.ndarray, target: Path, first: int = 0) -> None:
    """The pictures and features of keyframes of `source`, renumbered from `first`."""
    for new, old in enumerate(indices.tolist(), start=first):
        for name in (folder.image_name, folder.features_name):
            if (source / name(old)).exists():
                (target / name(new)).parent.mkdir(exist_ok=True)
                folder.link_or_copy(source / name(old), target / name(new))

"""Drives through the world twice, teach and patrol, and writes what the robot would have recorded, with the truth."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from umad_patrol.errors import SimulationError
from umad_patrol.io import bag_messages as messages
from umad_patrol.io.bag_writer import BagWriter
from umad_patrol.io.folders import new_folder
from umad_patrol.simulate import truth
from umad_patrol.simulate.drive import Rig, make_rig
from umad_patrol.simulate.lidar import scan
from umad_patrol.simulate.light import photograph
from umad_patrol.simulate.render import Renderer
from umad_patrol.simulate.world import ASIDE_M, PATROL, TEACH, World, check_length, make_world

IMAGE_TOPIC, INFO_TOPIC = "/camera/color/image_raw/compressed", "/camera/color/camera_info"
POSE_TOPIC, CLOUD_TOPIC, TF_TOPIC = "/localization", "/livox/lidar", "/tf_static"
MAP, BODY, LIDAR = "map", "body", "livox_frame"
JPEG_QUALITY, LIDAR_HZ, SPACING_M = 88, 5.0, 0.34
SIGMA_M, SIGMA_RAD = 0.01, 0.0017
MAX_FRAMES, SIZES_PX = 100_000, (32, 4096)


@dataclass(frozen=True)
class Plan:
    """Everything that decides what is written; the same plan gives the same bytes."""

    seed: int
    anomalies: int
    frames: int
    size: tuple[int, int]
    length_m: float
    assets: str | None = None
    aside_m: float = ASIDE_M


@dataclass(frozen=True)
class Shot:
    """One thing to compute: picture or scan `number` of a run, at `time_s`."""

    run: str
    sensor: str
    number: int
    time_s: float


@dataclass(frozen=True, eq=False)
class Taken:
    """What came of a shot: JPEG or cloud bytes, and for patrol pictures the labels as PNG and what was seen."""

    data: bytes
    mask: bytes = b""
    seen: tuple[truth.Seen, ...] = ()


def write_simulation(
    out: str | Path,
    seed: int = 0,
    anomalies: int = 10,
    frames: int | None = None,
    size: tuple[int, int] = (1280, 720),
    length_m: float = 68.0,
    workers: int | None = None,
    assets: str | Path | None = None,
    aside_m: float = ASIDE_M,
    progress: bool = False,
) -> dict:
    """Write `out/teach`, `out/patrol` (rosbag2, mcap) and `out/truth/`; returns a summary.

    `frames` a run (default: one every 0.34 m); `aside_m` is how far (rms) the patrol drives from the taught line; `workers` processes (default: as many as there are cores, at most 8).
    Written beside and renamed when whole. Raises SimulationError if `out` is not empty or the wish cannot be met.
    """
    plan = _checked(seed, anomalies, frames, size, length_m, assets, aside_m)
    world, rig = _world(plan), make_rig(plan.size)
    with new_folder(out, SimulationError) as folder:
        (folder / "truth" / "masks").mkdir(parents=True)
        shots = {run: _shots(world, run, plan) for run in (TEACH, PATROL)}
        with (
            _crew(plan, world, workers) as take,
            tqdm(total=2 * plan.frames, unit="frame", desc="simulate", disable=None if progress else True) as bar,
        ):
            taken = take([shot for run in (TEACH, PATROL) for shot in shots[run]])
            seen = {run: _write_run(folder, world, rig, run, plan, shots[run], taken, bar) for run in (TEACH, PATROL)}
        rows = _write_truth(folder / "truth", world, rig, shots, seen[PATROL])
    return {
        "out": str(out),
        "seed": plan.seed,
        "route_m": plan.length_m,
        "frames": {TEACH: plan.frames, PATROL: plan.frames},
        "anomalies": rows,
    }


def _checked(
    seed: int, anomalies: int, frames: int | None, size: tuple[int, int], length_m: float, assets: str | Path | None,
    aside_m: float
) -> Plan:
    if not 0 <= seed < 2**63:
        raise SimulationError(f"seed {seed} is not in 0 to 2^63 - 1")
    check_length(length_m)
    frames = max(2, round(length_m / SPACING_M)) if frames is None else frames
    if not 2 <= frames <= MAX_FRAMES:
        raise SimulationError(f"{frames} frames a run cannot be made; --frames takes 2 to {MAX_FRAMES}")
    low, high = SIZES_PX
    if not all(low <= v <= high for v in size):
        raise SimulationError(f"pictures of {size[0]}x{size[1]} cannot be made; --size takes {low} to {high} pixels a side")
    return Plan(
        int(seed),
        int(anomalies),
        int(frames),
        (int(size[0]), int(size[1])),
        float(length_m),
        None if assets is None else str(assets),
        float(aside_m),
    )


def _world(plan: Plan) -> World:
    return make_world(plan.seed, plan.anomalies, plan.length_m, plan.assets, plan.aside_m)


def _shots(world: World, run: str, plan: Plan) -> list[Shot]:
    """Pictures and scans in the order of time."""
    drive = world.drives[run]
    times = drive.frame_times(plan.frames, np.random.default_rng([plan.seed, 10, run == PATROL]), 0.0 if run == TEACH else 0.61)
    scans = np.arange(0.05, drive.duration_s, 1.0 / LIDAR_HZ)
    shots = [Shot(run, "camera", i, float(t)) for i, t in enumerate(times)] + [
        Shot(run, "lidar", i, float(t)) for i, t in enumerate(scans)
    ]
    return sorted(shots, key=lambda shot: shot.time_s)


class Studio:
    """Takes shots in one process; renderers are made when they are first needed."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world, self.rig = plan, world, make_rig(plan.size)
        self.renderer: Renderer | None = None

    def take(self, shot: Shot) -> Taken:
        """The picture or scan; random numbers depend on the plan's seed and the shot alone."""
        if self.renderer is None or self.renderer.run != shot.run:
            self.renderer = Renderer(self.world, shot.run)
        rng = np.random.default_rng([self.plan.seed, 20 + (shot.run == PATROL), shot.sensor == "lidar", shot.number])
        map_T_body = self.world.drives[shot.run].pose(shot.time_s)
        if shot.sensor == "lidar":
            return Taken(scan(self.renderer, map_T_body @ self.rig.body_T_lidar, shot.time_s, shot.number, rng).tobytes())
        camera, map_T_camera, light = self.rig.camera, map_T_body @ self.rig.body_T_camera, self.world.lights[shot.run]
        view = self.renderer.view(map_T_camera, camera, light, shot.time_s)
        picture = photograph(view.radiance, light, rng)
        jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        if shot.run == TEACH:
            return Taken(jpeg)
        mask = cv2.imencode(".png", truth.labels(self.world, view, map_T_camera, camera))[1].tobytes()
        return Taken(jpeg, mask, tuple(truth.sightings(self.world, view, map_T_camera, camera)))


@contextmanager
def _crew(plan: Plan, world: World, workers: int | None) -> Iterator[Callable[[list[Shot]], Iterator[Taken]]]:
    """A function that takes shots in order, here (1 worker) or spread over processes."""
    count = min(os.cpu_count() or 1, 8) if workers is None else workers
    if not 1 <= count <= 64:
        raise SimulationError(f"{count} workers cannot be had; --workers takes 1 to 64")
    if count == 1:
        studio = Studio(plan, world)
        yield lambda shots: map(studio.take, shots)
        return
    with _one_thread_each():
        pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start_worker, (plan,))
        try:
            yield lambda shots: pool.map(_take, shots)
        except BrokenProcessPool as error:
            raise SimulationError(
                f"one of {count} rendering processes died, perhaps for want of memory; try fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_studio: Studio | None = None  # of a worker process


def _start_worker(plan: Plan) -> None:
    global _studio
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers itself
    cv2.setNumThreads(1)
    _studio = Studio(plan, _world(plan))


def _take(shot: Shot) -> Taken:
    return _studio.take(shot)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Child processes started here run their numerics on one thread, as they share the cores already."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: "1" for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _write_run(
    folder: Path, world: World, rig: Rig, run: str, plan: Plan, shots: list[Shot], taken: Iterator[Taken], bar: tqdm
) -> list[list[truth.Seen]]:
    """The bag of one run, every message in the order of its stamp; masks beside it. Returns what each frame saw."""
    drive, seen = world.drives[run], []
    poses = drive.localization(np.random.default_rng([plan.seed, 30, run == PATROL]))
    with BagWriter(folder / run) as bag:
        start_ns = poses[0][0] - 1_000_000
        mounts = {(BODY, rig.camera.frame_id): rig.body_T_camera, (BODY, LIDAR): rig.body_T_lidar}
        bag.write(TF_TOPIC, messages.transforms(start_ns, mounts), start_ns, latched=True)
        for shot in shots:
            stamp = drive.stamp_ns(shot.time_s)
            while poses and poses[0][0] <= stamp:
                _write_pose(bag, *poses.pop(0))
            found = next(taken)
            if shot.sensor == "lidar":
                bag.write(
                    CLOUD_TOPIC, messages.point_cloud(stamp, LIDAR, np.frombuffer(found.data, np.float32).reshape(-1, 4)), stamp
                )
                continue
            bag.write(INFO_TOPIC, messages.camera_info(stamp, rig.camera), stamp)
            bag.write(IMAGE_TOPIC, messages.compressed_image(stamp, rig.camera.frame_id, found.data), stamp)
            if run == PATROL:
                (folder / "truth" / "masks" / f"{stamp}.png").write_bytes(found.mask)
                seen.append(list(found.seen))
            bar.update()
        for pose in poses:
            _write_pose(bag, *pose)
    return seen


def _write_pose(bag: BagWriter, stamp_ns: int, T: np.ndarray) -> None:
    bag.write(POSE_TOPIC, messages.odometry(stamp_ns, MAP, BODY, T, SIGMA_M, SIGMA_RAD), stamp_ns)


def _write_truth(
    folder: Path, world: World, rig: Rig, shots: dict[str, list[Shot]], seen: list[list[truth.Seen]]
) -> list[dict]:
    for run in (TEACH, PATROL):
        drive = world.drives[run]
        times = [shot.time_s for shot in shots[run] if shot.sensor == "camera"]
        truth.write_tum(folder / f"{run}_poses.txt", [(drive.stamp_ns(t), drive.pose(t) @ rig.body_T_camera) for t in times])
    rows = truth.anomaly_rows(world, seen)
    truth.write_yaml(folder / "anomalies.yaml", rows)
    truth.write_yaml(folder / "dynamics.yaml", truth.dynamics_rows(world, np.array(times)))
    truth.write_yaml(folder / "moved.yaml", truth.moved_rows(world))
    truth.write_yaml(folder / "camera.yaml", truth.camera_row(rig.camera, rig.body_T_camera))
    return rows

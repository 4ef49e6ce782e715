"""The pair that speed is measured on: a simulated street, taught in one light and patrolled in another, a little beside the path."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from umad_patrol.evaluate.pair_poses import Sweep
from umad_patrol.records import Frame, Reference

_OFFSET_M, _ROTATION_DEG, _NOISE_M, _NOISE_DEG, _LIGHT = 0.1, 2.0, 0.01, 0.1, "other hour"
_ROUTE_M, _ANOMALIES, _SEED = 20.0, 4, 1


@dataclass(frozen=True, eq=False)
class BenchPair:
    """A frame and the keyframe that it is compared with."""

    frame: Frame
    reference: Reference


def make_pair(size: tuple[int, int]) -> BenchPair:
    """A pair of `size` (width, height), always the same.

    Made in a process of its own: what the simulator takes is not the patrol's memory.
    """
    ignore_interrupts = signal.signal, (signal.SIGINT, signal.SIG_IGN)  # this process ends the other itself
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), *ignore_interrupts) as other:
        return other.submit(_simulated, size).result()


def _simulated(size: tuple[int, int]) -> BenchPair:
    from umad_patrol.simulate.drive import make_rig
    from umad_patrol.simulate.pair_scene import PairStudio

    studio = PairStudio(_SEED, make_rig(size), _ROUTE_M, _ANOMALIES)
    made = studio.take(Sweep(_OFFSET_M, _ROTATION_DEG, _NOISE_M, _NOISE_DEG, _LIGHT), np.random.default_rng(_SEED))
    poses = made.poses
    reference = Reference(0, "bench", 0, made.reference, made.camera, poses.map_T_reference, ground=poses.ground, cloud=made.cloud)
    return BenchPair(Frame(1, made.query, made.camera, poses.map_T_query), reference)

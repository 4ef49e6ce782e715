"""Poses in the order of time, and the pose at any instant between them."""

from __future__ import annotations

import threading
from bisect import bisect_left

import numpy as np

from umad_patrol.errors import LocalizationError
from umad_patrol.geometry import se3
from umad_patrol.records import Pose

LET_PASS_M, LET_PASS_RAD, FASTEST_TURN = 0.5, 0.35, 6.3  # a localization corrects itself by so much; no robot turns quicker (rad/s)
BASELINE_S = 0.1    # a motion that goes on was seen over so long
JUMP_S = 1.0  # a clock that steps back by more was reset (a bag starts again); by less, messages overtook each other


class BackwardJump(LocalizationError):
    """Time ran backwards. The caller drops what it knew: `clear()`, then `append` again."""

    reason = "time ran backwards"


class PoseBuffer:
    """Poses in time order; the oldest are forgotten beyond `capacity` (None: never). Safe to share between threads."""

    def __init__(self, capacity: int | None = 10_000) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._stamps: list[int] = []
        self._poses: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int | None:
        """The stamp of the newest pose; None if there is none."""
        stamps = self._stamps[-1:]
        return stamps[0] if stamps else None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._stamps, self._poses = [], []

    def append(self, pose: Pose) -> None:
        """Add the next pose.

        Raises LocalizationError if it is no rigid motion or not newer than the newest, and BackwardJump if it lies
        more than a second behind: then the clock was reset and the caller should `clear()`.
        """
        if fault := se3.fault(pose.parent_T_child):
            raise LocalizationError(f"pose at {pose.stamp_ns / 1e9:.3f} s {fault}; is the localization initialized?")
        with self._lock:
            self._check_order(int(pose.stamp_ns))
            self._stamps.append(int(pose.stamp_ns))
            self._poses.append(np.array(pose.parent_T_child, dtype=np.float64))
            if self._capacity is not None and len(self._stamps) >= 2 * self._capacity:  # in batches: a cheap append
                self._stamps, self._poses = self._stamps[-self._capacity:], self._poses[-self._capacity:]

    def at(self, stamp_ns: int, max_gap_s: float, max_extrapolation_s: float = 0.0, max_speed_mps: float = np.inf) -> np.ndarray:
        """The pose `parent_T_child` `(4, 4)` at an instant, interpolated between the two poses around it.

        `max_gap_s` is the widest gap between the two. Up to `max_extrapolation_s` past the newest pose the motion goes on that
        was over at least as long and BASELINE_S: of two poses close in time every jitter would be a speed. Two poses further
        apart than `max_speed_mps` allows are a jump, between which there is nothing. Raises LocalizationError with the nearest
        pose otherwise.
        """
        with self._lock:
            stamps, poses = self._stamps, self._poses
            if not stamps:
                raise LocalizationError(f"no pose at {stamp_ns / 1e9:.3f} s: none has come yet; is the localization topic running?")
            after = bisect_left(stamps, stamp_ns)
            if after < len(stamps) and stamps[after] == stamp_ns:
                return poses[after].copy()
            if after == 0:
                raise LocalizationError(f"image at {stamp_ns / 1e9:.3f} s lies {(stamps[0] - stamp_ns) / 1e9:.3f} s before the first pose "
                                        f"at {stamps[0] / 1e9:.3f} s; start the localization before the camera")
            if after == len(stamps):
                return self._beyond(stamp_ns, max_gap_s, max_extrapolation_s, max_speed_mps)
            before_ns, after_ns = stamps[after - 1], stamps[after]
            if after_ns - before_ns > max_gap_s * 1e9:
                nearest = min(stamp_ns - before_ns, after_ns - stamp_ns)
                gap_ms = -((before_ns - after_ns) // 10**6)     # rounded up, so that it reads as wider
                raise LocalizationError(f"no pose around image {stamp_ns / 1e9:.3f} s: a gap of {gap_ms / 1e3:.3f} s is wider "
                                        f"than input.max_pose_gap_s {max_gap_s:g} s, nearest is {nearest / 1e9:.2f} s away; "
                                        "is the localization topic running?")
            self._check_jump(after, max_speed_mps)
            return se3.interpolate(poses[after - 1], poses[after], (stamp_ns - before_ns) / (after_ns - before_ns))

    def _beyond(self, stamp_ns: int, max_gap_s: float, max_extrapolation_s: float, max_speed_mps: float) -> np.ndarray:
        ahead = stamp_ns - self._stamps[-1]
        if ahead > max_extrapolation_s * 1e9:
            raise LocalizationError(f"no pose within {max_extrapolation_s:.2f} s of image {stamp_ns / 1e9:.3f} s: the newest is "
                                    f"{ahead / 1e9:.2f} s older; is the localization topic running, and no later than input.max_wait_s?")
        first = len(self._stamps) - 1
        while first and self._stamps[-1] - self._stamps[first] < max(ahead, BASELINE_S * 1e9):
            if self._stamps[first] - self._stamps[first - 1] > max_gap_s * 1e9:
                break
            self._check_jump(first, max_speed_mps)
            first -= 1
        span = self._stamps[-1] - self._stamps[first]
        if not 0 < ahead <= span:   # no speed is known well enough: stand still
            return self._poses[-1].copy()
        return se3.interpolate(self._poses[first], self._poses[-1], 1.0 + ahead / span)

    def _check_jump(self, after: int, max_speed_mps: float) -> None:
        """Raise LocalizationError if pose `after` is no motion away from the one before it."""
        if np.isinf(max_speed_mps):
            return
        seconds = (self._stamps[after] - self._stamps[after - 1]) / 1e9
        step = se3.inverse(self._poses[after - 1]) @ self._poses[after]
        metres = float(np.linalg.norm(step[:3, 3]))
        turn = float(np.arccos(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1)))
        if metres > LET_PASS_M + max_speed_mps * seconds or turn > LET_PASS_RAD + FASTEST_TURN * seconds:
            raise LocalizationError(f"the localization jumped by {metres:.2f} m and {np.degrees(turn):.0f} deg within {seconds:.2f} s at "
                                    f"{self._stamps[after] / 1e9:.3f} s (input.max_speed_mps {max_speed_mps:g}); frames between are left out")

    def _check_order(self, stamp_ns: int) -> None:
        if not self._stamps or stamp_ns > self._stamps[-1]:
            return
        behind = (self._stamps[-1] - stamp_ns) / 1e9
        if behind > JUMP_S:
            raise BackwardJump(f"time ran backwards by {behind:.3f} s to {stamp_ns / 1e9:.3f} s; the poses before are forgotten")
        raise LocalizationError(f"pose at {stamp_ns / 1e9:.3f} s is {behind:.3f} s behind the newest; poses must come in the order of time")

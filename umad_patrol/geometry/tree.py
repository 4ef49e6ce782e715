"""Fixed transforms between named frames, chained into the one that is asked for."""

from __future__ import annotations

import numpy as np

from umad_patrol.errors import LocalizationError
from umad_patrol.geometry import se3

MOST_FRAMES = 2000  # a robot has a hundred


class TransformTree:
    """Frames that hang from one another, as on /tf_static."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, np.ndarray]] = {}

    @property
    def frames(self) -> tuple[str, ...]:
        """Every frame that is named, sorted."""
        return tuple(sorted({*self._parents, *(parent for parent, _ in self._parents.values())}))

    def add(self, child: str, parent: str, parent_T_child: np.ndarray) -> None:
        """Hang `child` from `parent`, in place of what it hung from before. Raises LocalizationError where there are too many."""
        if child not in self._parents and len(self._parents) >= MOST_FRAMES:
            raise LocalizationError(f"frame {child!r} is left out: {MOST_FRAMES} frames are known already; does somebody publish random names?")
        self._parents[child] = (parent, parent_T_child)

    def lookup(self, target: str, source: str) -> np.ndarray:
        """`target_T_source` `(4, 4)`. Raises LocalizationError naming the frames that are known."""
        above_target, above_source = self._to_ancestors(target), self._to_ancestors(source)
        common = next((frame for frame in above_source if frame in above_target), None)
        if common is None:
            raise LocalizationError(f"no transform from {source!r} to {target!r}; frames known: {', '.join(self.frames) or 'none'}")
        return se3.inverse(above_target[common]) @ above_source[common]

    def _to_ancestors(self, frame: str) -> dict[str, np.ndarray]:
        """`{ancestor: ancestor_T_frame}`, itself first; a loop ends where it closes."""
        found, ancestor_T_frame = {frame: np.eye(4)}, np.eye(4)
        while frame in self._parents:
            frame, parent_T_frame = self._parents[frame]
            if frame in found:
                break
            ancestor_T_frame = parent_T_frame @ ancestor_T_frame
            found[frame] = ancestor_T_frame
        return found

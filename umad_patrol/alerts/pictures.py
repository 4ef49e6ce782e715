"""When evidence of an alert is taken, replaced by better, and given up for newer: the folder keeps within its budget."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from umad_patrol.alerts.evidence import MASK, QUERY, Overlay, read_facts, write_evidence
from umad_patrol.alerts.look import look_of, scene_colour
from umad_patrol.alerts.store import AlertStore
from umad_patrol.config import AlertSettings
from umad_patrol.errors import ImageError, StoreError
from umad_patrol.io.images import read_image
from umad_patrol.records import ACTIVE, CLEARED, DISMISSED, Alert, Region, Result, Sighting

BETTER = 1.5    # a view that shows a thing on so many times the pixels makes better evidence
AROUND = 0.3    # how much around a dismissed thing, over its size, its picture shows
SMALL_PX = 160  # and how large it is at most
GIVEN_UP = (CLEARED, DISMISSED, ACTIVE)  # whose evidence goes first


class Pictures:
    """The evidence of a patrol's alerts."""

    def __init__(self, store: AlertStore, settings: AlertSettings, checksums: tuple[str, str]):
        self._store, self.settings, self._checksums = store, settings, checksums
        self._taken: dict[str, tuple[float, int]] = {}  # area in the pictures of an alert, and how often they were replaced
        self._bytes = store.evidence_bytes()

    def wanted(self, alert: Alert, sighting: Sighting) -> bool:
        """Whether this sighting makes evidence that an alert lacks, or much better than what it has."""
        if alert.id not in self._taken:
            if not alert.evidence:
                return True
            try:
                area = float(read_facts(self._store.folder / alert.evidence)["region"]["area_px"])  # pictures of before a restart
            except (KeyError, TypeError, ValueError):   # somebody was at them
                area = 0.0
            self._taken[alert.id] = area, 0
        area, replaced = self._taken[alert.id]
        return replaced < self.settings.evidence_updates and sighting.region.area_px > BETTER * area

    def take(self, alert: Alert, sighting: Sighting, result: Result, overlay: Overlay) -> str:
        """Write the evidence. Returns where it lies, as alerts name it. Raises StoreError."""
        folder = self._store.evidence_folder / alert.id
        write_evidence(folder, alert, sighting, result, overlay, *self._checksums)
        before = self._taken.get(alert.id)
        self._taken[alert.id] = sighting.region.area_px, before[1] + 1 if before else 0
        self._bytes[alert.id] = sum(file.stat().st_size for file in folder.iterdir())
        return str(folder.relative_to(self._store.folder))

    def make_room(self, but: str, forget: Callable[[Alert], None]) -> None:
        """Give up evidence, that of the longest cleared alerts first, until the rest keeps within the budget; never that of `but`.

        `forget` notes an alert without its evidence before the pictures go.
        """
        budget = self.settings.evidence_mb * 1e6
        if sum(self._bytes.values()) <= budget:
            return
        for alert in sorted(self._store.alerts(), key=lambda a: (GIVEN_UP.index(a.state), a.last_seen_ns)):
            if sum(self._bytes.values()) <= budget:
                return
            if alert.id in self._bytes and alert.id != but:
                forget(alert)
                self._store.remove_evidence(alert.id)
                del self._bytes[alert.id]

    def look_and_picture(self, alert: Alert) -> tuple[tuple[float, ...], bytes]:
        """The look of an alert in its evidence and a small JPEG of it; empty where there is none."""
        folder = self._store.folder / alert.evidence
        try:
            facts = read_facts(folder) if alert.evidence else {}
            x, y, width, height = (int(v) for v in facts["region"]["box"])
            query, mask = read_image(folder / QUERY), read_image(folder / MASK)[..., 0]
        except (ImageError, StoreError, KeyError, TypeError, ValueError):
            return (), b""
        look = look_of(query, mask, Region(alert.class_name, 0.0, 0, (x, y, width, height), (0.0, 0.0)), scene_colour(query))
        left, top = max(0, int(x - AROUND * width)), max(0, int(y - AROUND * height))
        part = query[top:int(y + (1 + AROUND) * height) + 1, left:int(x + (1 + AROUND) * width) + 1]
        return look, _small_jpeg(part)


def _small_jpeg(part: np.ndarray) -> bytes:
    if not part.size:
        return b""
    scale = min(1.0, SMALL_PX / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()

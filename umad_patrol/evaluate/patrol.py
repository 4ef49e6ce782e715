"""A simulated patrol scored: what was planted against what was found, and what every other alert was about.

example: umad-patrol replay world/patrol --map map --out patrol_out
         umad-patrol evaluate patrol patrol_out --truth world/truth

world is what `simulate` made, map what `teach` made of world/teach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from umad_patrol.alerts.store import AlertStore
from umad_patrol.errors import BAD_YAML, DatasetError, said
from umad_patrol.evaluate.patrol_pairs import MASKS
from umad_patrol.records import Alert

FALSE, MOVED, DYNAMIC, DUPLICATE = "false", "moved object", "dynamic", "duplicate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the patrol wrote, and its truth."""
    parser.add_argument("patrol", metavar="OUT", help="the folder into which `replay` or a patrol wrote its alerts")
    parser.add_argument("--truth", required=True, metavar="DIR", help="the truth/ that `simulate` wrote")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Score and print. Returns what `PatrolScore.to_dict` does. Raises StoreError or DatasetError."""
    truth = load_truth(args.truth)
    with AlertStore(args.patrol, read_only=True) as store:
        _check_same_world(args.patrol, _stamps_of(store), args.truth, _truth_stamps(args.truth))
        score = match_alerts(store.alerts(), truth)
    print(score.text())
    return score.to_dict()


@dataclass(frozen=True)
class Planted:
    """An anomaly of the truth. `min_range_m` is None if it never was in view."""

    id: str
    kind: str
    position: tuple[float, float, float]
    min_range_m: float | None
    visible_frames: int = 0


@dataclass(frozen=True)
class Moved:
    """An object that stands elsewhere on the patrol than on the teach run."""

    id: str
    kind: str
    old: tuple[float, float, float]
    new: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Passer:
    """A person or vehicle that passes: `path` `(N, 4)` is seconds, x, y, z."""

    id: str
    kind: str
    path: np.ndarray


@dataclass(frozen=True)
class Truth:
    """What there was to find, and what not."""

    planted: tuple[Planted, ...]
    moved: tuple[Moved, ...] = ()
    passers: tuple[Passer, ...] = ()


@dataclass(frozen=True)
class Row:
    """One planted anomaly, the alert nearest to it, and how far off that was placed; `counts` if it came near enough."""

    planted: Planted
    alert: Alert | None
    error_m: float | None
    found: bool
    counts: bool


@dataclass(frozen=True)
class Extra:
    """An alert that stands for no planted anomaly: FALSE, MOVED, DYNAMIC or DUPLICATE, and what it is near to."""

    alert: Alert
    kind: str
    near: str


@dataclass(frozen=True)
class PatrolScore:
    """Planted against found."""

    rows: tuple[Row, ...]
    extras: tuple[Extra, ...]
    radius_m: float
    max_range_m: float

    @property
    def planted(self) -> int:
        """Anomalies that came near enough to count."""
        return sum(row.counts for row in self.rows)

    @property
    def found(self) -> int:
        """Those of them with an alert within `radius_m`."""
        return sum(row.counts and row.found for row in self.rows)

    def extra(self, kind: str) -> int:
        """How many alerts are of a kind: FALSE, MOVED, DYNAMIC or DUPLICATE."""
        return sum(extra.kind == kind for extra in self.extras)

    @property
    def false_alerts(self) -> int:
        """Alerts about nothing at all, and second alerts for one thing."""
        return self.extra(FALSE) + self.extra(DUPLICATE)

    def passes(self, share: float = 0.9, false_alerts: int = 1) -> bool:
        """Whether enough was found with few enough false alerts, and none on what only passes."""
        return self.planted > 0 and self.found >= share * self.planted and self.false_alerts <= false_alerts and self.extra(DYNAMIC) == 0

    def cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows of the table planted against found."""
        columns = "planted", "kind", "x", "y", "closest m", "frames", "alert", "error m", "found"
        rows = [(row.planted.id, row.planted.kind, f"{row.planted.position[0]:.2f}", f"{row.planted.position[1]:.2f}",
                 _number(row.planted.min_range_m, 1), str(row.planted.visible_frames), row.alert.id if row.alert else "-",
                 _number(row.error_m, 2), _verdict(row)) for row in self.rows]
        return columns, rows

    def extra_cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows of the table of the other alerts."""
        rows = [(e.alert.id, e.kind, e.near or "-", f"{e.alert.position[0]:.2f}", f"{e.alert.position[1]:.2f}", f"{e.alert.score:.2f}",
                 str(e.alert.sightings)) for e in self.extras]
        return ("alert", "about", "near", "x", "y", "score", "sightings"), rows

    def text(self) -> str:
        """Both tables and the sum, to print."""
        lines = _table(*self.cells())
        if self.extras:
            lines += ["", *_table(*self.extra_cells())]
        return "\n".join([*lines, "", self.summary()])

    def summary(self) -> str:
        """The sum in one line."""
        return (f"found {self.found} of {self.planted} planted anomalies within {self.max_range_m:g} m, placed within {self.radius_m:g} m; "
                f"{self.extra(FALSE)} false, {self.extra(DUPLICATE)} double, {self.extra(DYNAMIC)} on passers-by, {self.extra(MOVED)} on moved objects")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {"planted": self.planted, "found": self.found, "false": self.extra(FALSE), "double": self.extra(DUPLICATE),
                "dynamic": self.extra(DYNAMIC), "moved": self.extra(MOVED), "radius_m": self.radius_m, "max_range_m": self.max_range_m,
                "anomalies": [{"id": r.planted.id, "kind": r.planted.kind, "min_range_m": r.planted.min_range_m, "counts": r.counts,
                               "alert": r.alert.id if r.alert else None, "error_m": r.error_m, "found": r.found} for r in self.rows],
                "extras": [{"alert": e.alert.id, "about": e.kind, "near": e.near} for e in self.extras]}


def match_alerts(alerts: Sequence[Alert], truth: Truth, radius_m: float = 0.5, assign_m: float = 1.0, max_range_m: float = 8.0,
                 passer_m: float = 1.5) -> PatrolScore:
    """Score the alerts of a patrol, of whatever state: one that was raised and cleared again was raised.

    Alerts and planted anomalies are paired one to one, nearest first, up to `assign_m` apart along the ground; an
    anomaly is found if its alert lies within `radius_m`. Any other alert is a duplicate (of an anomaly paired already),
    about a moved object (within `assign_m` of its old or new place), about a passer (within `passer_m` of where the person
    was while the alert was seen, twice that for vehicles), or false.
    """
    pairs = sorted((distance, i, j) for i, planted in enumerate(truth.planted) for j, alert in enumerate(alerts)
                   if (distance := _apart(planted.position, alert.position)) <= assign_m)
    alert_of: dict[int, tuple[int, float]] = {}
    for distance, i, j in pairs:
        if i not in alert_of and all(j != taken for taken, _ in alert_of.values()):
            alert_of[i] = j, distance
    rows = []
    for i, planted in enumerate(truth.planted):
        j, error = alert_of.get(i, (None, None))
        counts = planted.min_range_m is not None and planted.min_range_m <= max_range_m
        rows.append(Row(planted, None if j is None else alerts[j], error, error is not None and error <= radius_m, counts))
    paired = {j for j, _ in alert_of.values()}
    extras = [_extra(alert, truth, assign_m, passer_m) for j, alert in enumerate(alerts) if j not in paired]
    return PatrolScore(tuple(rows), tuple(extras), radius_m, max_range_m)


def load_truth(folder: str | Path) -> Truth:
    """The truth that `simulate` wrote: `anomalies.yaml`, and `moved.yaml` and `dynamics.yaml` where there are any.

    Raises DatasetError naming the file that is missing or not as it should be.
    """
    folder = Path(folder)
    planted = tuple(Planted(str(r["id"]), str(r["kind"]), _point(r["position"]),
                            _told(r, "min_range_m"), int(_told(r, "visible_frames") or 0))
                    for r in _rows(folder / "anomalies.yaml", required=True, keys=("id", "kind", "position")))
    moved = tuple(Moved(str(r["id"]), str(r["kind"]), _point(r["old_position"]), _point(r["new_position"]))
                  for r in _rows(folder / "moved.yaml", keys=("id", "kind", "old_position", "new_position")))
    passers = tuple(Passer(str(r["id"]), str(r["kind"]), _path(r["path"]))
                    for r in _rows(folder / "dynamics.yaml", keys=("id", "kind", "path")))
    return Truth(planted, moved, passers)


def _truth_stamps(folder: str | Path) -> set[int]:
    """The stamps of the frames that the truth in a folder is of; none where it came without its masks."""
    return {int(path.stem) for path in (Path(folder) / MASKS).glob("*.png") if path.stem.isascii() and path.stem.isdigit()}


def _stamps_of(store: AlertStore) -> set[int]:
    """Stamps of frames that a patrol saw: those at the ends of pieces of its way and of what it says of its alerts."""
    pieces, alerts = store.coverage(), store.alerts()
    return {stamp for piece in pieces for stamp in (piece.first_ns, piece.last_ns)} | {
        stamp for alert in alerts for stamp in (alert.first_seen_ns, alert.last_seen_ns)}


def _check_same_world(patrol: str, seen: set[int], truth: str, known: set[int]) -> None:
    """Raise DatasetError where no frame of a patrol is one that the truth is of."""
    if seen and known and not seen & known:
        raise DatasetError(f"no frame of patrol {patrol!r}, the first at {min(seen) / 1e9:.6f} s, is one of truth {truth!r}, the first at {min(known) / 1e9:.6f} s: "
                           "it is another world's; give the truth/ that `simulate` wrote with this patrol")


def _extra(alert: Alert, truth: Truth, assign_m: float, passer_m: float) -> Extra:
    for planted in truth.planted:
        if _apart(planted.position, alert.position) <= assign_m:
            return Extra(alert, DUPLICATE, planted.id)
    for moved in truth.moved:
        for place, word in ((moved.new, "new"), (moved.old, "old")):
            if _apart(place, alert.position) <= assign_m:
                return Extra(alert, MOVED, f"{word} place of {moved.id}")
    for passer in truth.passers:
        seconds = passer.path[:, 0]
        then = (seconds >= alert.first_seen_ns * 1e-9 - 0.5) & (seconds <= alert.last_seen_ns * 1e-9 + 0.5)
        reach = passer_m if passer.kind == "person" else 2 * passer_m
        if any(_apart(place, alert.position) <= reach for place in passer.path[then, 1:]):
            return Extra(alert, DYNAMIC, passer.id)
    return Extra(alert, FALSE, "")


def _rows(path: Path, required: bool = False, keys: tuple[str, ...] = ()) -> list[dict]:
    if not path.is_file() and not required:
        return []
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except BAD_YAML as error:
        raise DatasetError(f"cannot read truth {str(path)!r}: {said(error)}; `umad-patrol simulate` writes it") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and all(key in row for key in keys) for row in rows):
        raise DatasetError(f"truth {str(path)!r} is no list of maps with {', '.join(keys)}; `umad-patrol simulate` writes it")
    return rows


def _told(row: dict, key: str) -> float | None:
    """What a row says there, if anything."""
    try:
        return None if row.get(key) is None else float(row[key])
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{key} {row[key]!r} in the truth is no number; `umad-patrol simulate` writes one") from error


def _path(values: Sequence[Sequence[float]]) -> np.ndarray:
    """Seconds and places `(N, 4)` of what passes."""
    try:
        path = np.array(values, dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"path {str(values)[:60]!r} in the truth is no list of nanoseconds, x, y, z; `umad-patrol simulate` writes one") from error
    return path * [1e-9, 1, 1, 1]


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(v) for v in values)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"position {values!r} in the truth is no x, y, z in metres") from error
    if not np.isfinite((x, y, z)).all():
        raise DatasetError(f"position {values!r} in the truth is no place; `umad-patrol simulate` writes finite numbers")
    return x, y, z


def _apart(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _verdict(row: Row) -> str:
    verdict = "yes" if row.found else "misplaced" if row.alert is not None else "no"
    return verdict if row.counts else f"({verdict})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [columns, *rows]]

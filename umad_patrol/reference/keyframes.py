"""The table of keyframes and its two files: `keyframes.csv` and `trajectory.txt` (TUM)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from umad_patrol.errors import LocalizationError, MapError
from umad_patrol.geometry import se3
from umad_patrol.reference.look import LIGHT_NAMES

_GROUND_NAMES = ("ground_x", "ground_y", "ground_z", "ground_d")
COLUMNS = ("index", "run", "stamp_ns", "sharpness", *LIGHT_NAMES, *_GROUND_NAMES)


@dataclass(frozen=True, eq=False)
class Keyframes:
    """N keyframes, row for row.

    `poses` `(N, 4, 4)` float64 map_T_camera, `stamps_ns` `(N,)` int64, `run_of` `(N,)` the place of each one's run in
    the map's `runs`, `sharpness` `(N,)`, `light` `(N, 7)` (see look.light), `grounds` `(N, 4)` planes in `map` or NaN.
    """

    poses: np.ndarray
    stamps_ns: np.ndarray
    run_of: np.ndarray
    sharpness: np.ndarray
    light: np.ndarray
    grounds: np.ndarray

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @classmethod
    def stack(cls, tables: list[Keyframes]) -> Keyframes:
        """The tables below one another."""
        return cls(*(np.concatenate([getattr(t, name) for t in tables]) for name in cls.__dataclass_fields__))

    def rows(self, which: np.ndarray) -> Keyframes:
        """The rows that `which` picks."""
        return Keyframes(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def to_csv(table: Keyframes, runs: tuple[str, ...]) -> bytes:
    """`keyframes.csv`: all but the poses; numbers are written so that they come back bit for bit."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i in range(len(table)):
        ground = ["" if np.isnan(g) else repr(float(g)) for g in table.grounds[i]]
        writer.writerow([i, runs[table.run_of[i]], int(table.stamps_ns[i]), f"{table.sharpness[i]:.6g}",
                         *(f"{v:.6g}" for v in table.light[i]), *ground])
    return text.getvalue().encode("utf-8")


def to_tum(table: Keyframes) -> bytes:
    """`trajectory.txt`: seconds tx ty tz qx qy qz qw, a line a keyframe, as evo and other tools read it."""
    lines = []
    for stamp_ns, T in zip(table.stamps_ns.tolist(), table.poses):
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        numbers = " ".join(repr(float(n)) for n in (*T[:3, 3], *se3.quat_xyzw(T)))
        lines.append(f"{seconds}.{nanoseconds:09d} {numbers}\n")
    return "".join(lines).encode("utf-8")


def from_files(csv_data: bytes, tum_data: bytes, runs: tuple[str, ...]) -> Keyframes:
    """The table from the two files. Raises MapError naming the file and line that is wrong."""
    rows = _csv_rows(csv_data)
    poses = _tum_poses(tum_data)
    if len(rows) != len(poses):
        raise MapError(f"trajectory.txt holds {len(poses)} poses, keyframes.csv {len(rows)} keyframes; teach the map again")
    place = {run: i for i, run in enumerate(runs)}
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    for number, row in enumerate(rows):
        try:
            _check_row(row, number, place)
            columns["run"].append(place[row["run"]])
            columns["stamp_ns"].append(np.int64(int(row["stamp_ns"])))
            for name in COLUMNS[3:]:
                columns[name].append(float(row[name] or "nan"))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MapError(f"keyframes.csv, keyframe {number}: {type(error).__name__} {error}; teach the map again") from error
    return Keyframes(
        poses=poses, stamps_ns=np.array(columns["stamp_ns"], dtype=np.int64), run_of=np.array(columns["run"], dtype=np.int64),
        sharpness=np.array(columns["sharpness"], dtype=np.float64),
        light=np.array([columns[name] for name in LIGHT_NAMES], dtype=np.float32).T.reshape(-1, len(LIGHT_NAMES)),
        grounds=np.array([columns[name] for name in _GROUND_NAMES], dtype=np.float64).T.reshape(-1, 4))


def _csv_rows(data: bytes) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise MapError(f"keyframes.csv is not a table: {error}; teach the map again") from error
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise MapError(f"keyframes.csv has columns {', '.join(reader.fieldnames or ()) or 'none'}, not {', '.join(COLUMNS)}")
    return rows


def _check_row(row: dict, number: int, place: dict[str, int]) -> None:
    if None in row or None in row.values():
        raise ValueError(f"has not {len(COLUMNS)} columns")
    if int(row["index"]) != number:
        raise ValueError(f"index {row['index']} is out of order")
    if row["run"] not in place:
        raise ValueError(f"run {row['run']!r} is not in map.yaml")


def _tum_poses(data: bytes) -> np.ndarray:
    poses = []
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            numbers = [float(word) for word in line.split()]
            if len(numbers) != 8:
                raise ValueError(f"{len(numbers)} numbers, not 8")
            poses.append(se3.matrix(np.array(numbers[1:4]), np.array(numbers[4:])))
            if fault := se3.fault(poses[-1]):
                raise ValueError(f"pose {fault}")
        except (ValueError, LocalizationError) as error:
            raise MapError(f"trajectory.txt, line {number}: {error}; teach the map again") from error
    return np.array(poses).reshape(-1, 4, 4)

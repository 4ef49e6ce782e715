"""What a training is asked to do, checked before anything is written."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from umad_patrol.errors import TrainingError
from umad_patrol.io.files import check_folder, replaced
from umad_patrol.train import distil, trainer
from umad_patrol.train.photos import find_photos

CHANGE_NET, FC_SIAM_DIFF = "change_net", "fc_siam_diff"
NETWORKS = (CHANGE_NET, FC_SIAM_DIFF)
RECORD, SPRITES, CURVES = "run.json", "sprites", "curves.png"
OURS = {RECORD, SPRITES, CURVES, trainer.CHECKPOINT, trainer.LOG, distil.CHECKPOINT, distil.LOG}     # what tells a run's folder
MOST_KEEP = 100.0
DISTIL_MINUTES = 25.0
DISTIL_SHARE = 1 / 6    # of the minutes, at most, where nothing else is asked for


@dataclass(frozen=True)
class RunOptions:
    """A run: its folder, its data, its networks and how long. See the verb `train` for what each means."""

    out: Path
    photos: Path | None = None
    assets: Path | None = None
    sprites: Path | None = None
    teacher: Path | None = None
    init: Path | None = None
    keep: float = 0.0
    closer: bool = False
    pairs: Path | None = None
    umad: Path | None = None
    hold: tuple[str, ...] = ()
    pairs_share: float = 0.5
    folder_share: float = 0.15
    network: str = CHANGE_NET
    distillation: bool = True
    correlation: bool = True
    shadows: bool = True
    dynamic: bool = True
    minutes: float = 150.0
    distil_minutes: float | None = None
    batch: int = 6
    echo: int = 1
    seed: int = 1
    workers: int = 1
    validate_every: int = 500
    device: str = "auto"
    half: bool = False

    @property
    def real(self) -> bool:
        """Whether there are pairs that were taken."""
        return self.pairs is not None or self.umad is not None

    @property
    def made(self) -> bool:
        """Whether pairs are made of photographs and sprites."""
        return not self.real or self.pairs_share < 1

    @property
    def distils(self) -> bool:
        """Whether the encoder has lessons first."""
        return self.distillation and self.teacher is not None and self.init is None and self.network == CHANGE_NET

    @property
    def lesson_minutes(self) -> float:
        """What distillation gets of the minutes."""
        if not self.distils:
            return 0.0
        return min(DISTIL_MINUTES, self.minutes * DISTIL_SHARE) if self.distil_minutes is None else self.distil_minutes

    @property
    def shelf(self) -> Path:
        """The folder of sprites and labels."""
        return self.sprites or self.out / SPRITES


def check(options: RunOptions) -> None:
    """Raises TrainingError, in one line, for what cannot be trained."""
    _check_numbers(options)
    for name in ("photos", "assets", "pairs", "umad"):
        path = getattr(options, name)
        if path is not None and not path.is_dir():
            raise TrainingError(f"--{name} {str(path)!r} is no folder")
    if options.pairs_share == 1 and not options.real:
        raise TrainingError("--pairs-share 1 trains on real pairs alone: name them with --pairs or --umad")
    needs = [name for name in ("photos", "assets") if getattr(options, name) is None]
    if options.made and needs:
        raise TrainingError(f"pairs are made of photographs and models: name --{' and --'.join(needs)}, or set UMAD_PATROL_DATA"
                            + ("; or train on real pairs alone with --pairs-share 1" if options.real else ""))
    if options.made:
        find_photos(options.photos)
    if options.distils and options.photos is None:
        raise TrainingError("--teacher needs --photos to look at; name them, or say --no-distillation")
    if options.hold and options.umad is None:
        raise TrainingError("--hold names scenes of --umad, which is not given")
    _check_network(options)
    _check_folder(options.out)
    _check_apart(options)


def _check_numbers(options: RunOptions) -> None:
    minutes, lessons = options.minutes, options.lesson_minutes
    if not (math.isfinite(minutes) and minutes > 0):
        raise TrainingError(f"--minutes {minutes:g}: must be above 0")
    if not (math.isfinite(lessons) and 0 <= lessons < minutes) or (options.distil_minutes is not None and not options.distil_minutes >= 0):
        raise TrainingError(f"--distil-minutes {options.distil_minutes:g}: must be 0 or more and less than --minutes {minutes:g}")
    for name, low, high in (("batch", 1, 1024), ("echo", 1, 100), ("seed", 0, 2**31 - 1), ("workers", 0, 256), ("validate_every", 1, 10**9)):
        if not low <= getattr(options, name) <= high:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be {low} to {high}")
    for name in ("pairs_share", "folder_share"):
        if not 0 < getattr(options, name) <= 1:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(options, name):g}: must be above 0 and at most 1")


def _check_network(options: RunOptions) -> None:
    if options.network not in NETWORKS:
        raise TrainingError(f"--network {options.network!r}: there are {', '.join(NETWORKS)}")
    if not (math.isfinite(options.keep) and 0 <= options.keep <= MOST_KEEP):
        raise TrainingError(f"--keep {options.keep:g}: must be 0 to {MOST_KEEP:g}")
    if options.keep and options.init is None:
        raise TrainingError(f"--keep {options.keep:g} keeps what the weights of --init say; name them")
    if options.network != CHANGE_NET and (options.init is not None or options.closer or not options.correlation):
        raise TrainingError(f"--init, --closer and --no-correlation are of {CHANGE_NET}; --network {options.network} has none of them")
    if options.closer and (options.init is None or options.keep or options.half):
        raise TrainingError("--closer teaches to look closer at what the weights of --init say first: it needs these, and takes no --keep and no --half")


def _check_folder(out: Path) -> None:
    """A run's folder is new, empty, or of a run."""
    check_folder("OUT", out, TrainingError)
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.is_dir() else set()    # such a one is what a kill left
    if names and not names & OURS:
        raise TrainingError(f"{str(out)!r} holds other things ({sorted(names)[0]} and so on); name a new folder for the run")


def _check_apart(options: RunOptions) -> None:
    """What a run draws is not to be taken for photographs when it goes on."""
    for option, folder in (("OUT", options.out), ("--sprites", options.shelf)):
        if options.photos is not None and options.photos.resolve() in (folder.resolve(), *folder.resolve().parents):
            raise TrainingError(f"{option} {str(folder)!r} lies in --photos {str(options.photos)!r}, where its pictures would be taken for photographs; "
                                "name a folder elsewhere")


def check_record(options: RunOptions, pairs: Iterable[str]) -> None:
    """Raises TrainingError where another run is in the folder: one with other settings than its length, device and workers, or other real pairs."""
    path, record = options.out / RECORD, _record(options, pairs)
    if not path.is_file():
        return
    try:
        kept = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path} is damaged ({type(error).__name__}: {error}); name another folder") from error
    untold = sorted(set(record) - set(kept))
    if untold:
        raise TrainingError(f"{options.out} holds a run of another version: its {RECORD} does not tell of {', '.join(untold)}; name another folder")
    other = next((name for name in record if kept[name] != record[name]), None)
    if other is not None:
        raise TrainingError(f"{options.out} holds a run with {other} {kept[other]}, not {record[other]}; say the same, or name another folder")


def write_record(options: RunOptions, pairs: Iterable[str]) -> None:
    """Write what makes the run what it is into its folder: beside, then renamed."""
    options.out.mkdir(parents=True, exist_ok=True)
    with replaced(options.out / RECORD) as file:
        file.write_text(json.dumps(_record(options, pairs), indent=1), encoding="utf-8")


def _record(options: RunOptions, pairs: Iterable[str]) -> dict:
    names = "network", "seed", "batch", "correlation", "shadows", "dynamic", "pairs_share", "folder_share", "keep", "closer", "echo", "half"
    return {**{name: getattr(options, name) for name in names}, "distillation": options.distils, "hold": list(options.hold),
            "pairs": _names(pairs), "photos": _names(path.name for path in find_photos(options.photos)) if options.photos is not None else None,
            "assets": _digest(options.assets / "MANIFEST.csv") if options.assets is not None else None,
            "teacher": _digest(options.teacher), "init": _digest(options.init)}


def _digest(path: Path | None) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path is not None else None


def _names(names: Iterable[str]) -> str:
    names = list(names)
    return f"{len(names)} ({zlib.crc32(' '.join(names).encode()):08x})"

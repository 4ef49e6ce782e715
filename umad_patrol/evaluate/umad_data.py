"""UMAD-1.0 as it is handed out (UMAD, arXiv 2408.12527; github.com/IMRL/UMAD): where its pictures lie and what its bits say.

    ROOT/[UMAD-1.0/]data/SCENE/SEQUENCE/G1/rgb/00000000.jpg    reference
    ROOT/[UMAD-1.0/]data/SCENE/SEQUENCE/Q1/rgb/00000000.jpg    query
    ROOT/[UMAD-1.0/]gt/SCENE/SEQUENCE/rgb/00000000.png         bit mask of the same size

Nothing is decoded before it is asked for, so that the whole set can be listed at once, to be scored or trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.homo_eva import SCENE, scene_number
from umad_patrol.evaluate.pairs import SUFFIXES
from umad_patrol.io import umad_bits
from umad_patrol.io.images import JPEGS, read_image

VERSION = "UMAD-1.0"


@dataclass(frozen=True, eq=False)
class Masks:
    """What the labels of a pair say, `(H, W)` bool each. Objects overlap, so a pixel may be in several.

    `dynamic_*` are people and vehicles, `moved_*` moved objects, in the query or in the reference; `horizon` is the
    ground below the horizon, as far as it is annotated.
    """

    anomaly: np.ndarray
    dynamic_query: np.ndarray
    dynamic_reference: np.ndarray
    moved_query: np.ndarray
    moved_reference: np.ndarray
    horizon: np.ndarray

    @property
    def dynamic(self) -> np.ndarray:
        """People and vehicles of either picture."""
        return self.dynamic_query | self.dynamic_reference


@dataclass(frozen=True)
class UmadPair:
    """One pair by its files, read when asked for."""

    scene: str
    sequence: str
    frame: int
    reference: Path
    query: Path
    gt: Path

    @property
    def id(self) -> str:
        """Such as 2.Bridge/07/00000120."""
        return f"{self.scene}/{self.sequence}/{self.gt.stem}"

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and query, `(H, W, 3)` uint8 BGR of one size. Raises ImageError naming the file that cannot be read."""
        reference, query = read_image(self.reference), read_image(self.query)
        if reference.shape != query.shape:
            raise ImageError(f"{self.query} is {_size(query)}, its reference {_size(reference)}; both must be of one size")
        return reference, query

    def labels(self) -> np.ndarray:
        """The bit mask `(H, W)` uint8. Raises DatasetError for a picture that cannot be one."""
        return read_labels(self.gt)

    def masks(self, size: tuple[int, int] | None = None) -> Masks:
        """The labels decoded. Raises DatasetError where they are no bit mask, or not of the `size` (H, W) of the pictures."""
        labels = self.labels()
        if size is not None and labels.shape != size:
            raise DatasetError(f"{self.gt} is {_size(labels)}, its query {size[1]}x{size[0]}; both must be of one size")
        return decode_labels(labels)


@dataclass(frozen=True)
class Umad:
    """The pairs that are whole, by scene, sequence and frame; `missing` counts the frames that lack a file, by what they lack."""

    pairs: tuple[UmadPair, ...]
    missing: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[UmadPair]:
        return iter(self.pairs)

    @property
    def scenes(self) -> tuple[str, ...]:
        """The names of the scenes, in their order."""
        return tuple(dict.fromkeys(pair.scene for pair in self.pairs))

    def of(self, names: Iterable[str]) -> Umad:
        """The pairs of some scenes or sequences: "2.Bridge", "2", or "2.Bridge/07". Raises DatasetError for a name that none has."""
        return self.split(names)[1] if (names := tuple(names)) else self

    def split(self, held: Iterable[str]) -> tuple[Umad, Umad]:
        """The pairs without those `held` back, and those: names as for `of`. For training on the one and scoring on the other.

        Whole scenes or sequences alone are split, since frames of a sequence show the same things. Raises DatasetError.
        """
        chosen: set[str] = set()
        for name in held:
            matching = {pair.id for pair in self.pairs if _named(pair, name)}
            if not matching:
                raise DatasetError(f"no pair is of {name!r}; there are {', '.join(self.scenes)}, and their sequences as SCENE/SEQUENCE")
            chosen |= matching
        return (replace(self, pairs=tuple(pair for pair in self.pairs if pair.id not in chosen)),
                replace(self, pairs=tuple(pair for pair in self.pairs if pair.id in chosen)))


def find_umad(root: str | Path) -> Umad:
    """Every whole pair under `root`, which is UMAD-1.0 or the folder above it.

    Raises DatasetError where `root` is no folder, is laid out otherwise, or holds no whole pair.
    """
    top = _top(Path(root))
    pairs, missing = [], Counter()
    for scene in _folders(top / "data"):
        if SCENE.fullmatch(scene.name):
            for sequence in _folders(scene):
                pairs += _sequence(sequence, top / "gt" / scene.name / sequence.name / "rgb", missing)
    if not pairs:
        lacks = ", ".join(f"{count} lack {what}" for what, count in missing.items())
        raise DatasetError(f"{top} holds no whole pair{f' ({lacks})' if lacks else ''}; expected data/SCENE/SEQUENCE/G1/rgb/NAME.jpg, "
                           "Q1/rgb/NAME.jpg beside it and gt/SCENE/SEQUENCE/rgb/NAME.png, scenes named as 1.N6")
    return Umad(tuple(sorted(pairs, key=lambda p: (scene_number(p.scene), p.scene, p.sequence, p.frame))), dict(missing))


def read_labels(path: str | Path) -> np.ndarray:
    """A bit mask `(H, W)` uint8. Raises DatasetError for what cannot be one: a JPEG, coloured, of 16 bits, black and white."""
    if Path(path).suffix.lower() in JPEGS:
        raise DatasetError(f"{path} is a JPEG, which keeps no bits; write bit masks as PNG")
    picture = read_image(path, deep=True)
    if picture.dtype != np.uint8:
        raise DatasetError(f"{path} has 16 bits a pixel; a bit mask has 8")
    labels = picture[:, :, 0]
    if any((picture[:, :, channel] != labels).any() for channel in (1, 2)):
        raise DatasetError(f"{path} is a coloured picture, no bit mask of 8 bits")
    if (labels == 255).any():
        raise DatasetError(f"{path} holds 255, all eight labels on one pixel: it is a black and white mask, not UMAD's bits")
    return np.ascontiguousarray(labels)


def decode_labels(labels: np.ndarray) -> Masks:
    """Masks of a bit mask `(H, W)` uint8."""
    return Masks(*(labels & bits > 0 for bits in (umad_bits.ANOMALY, umad_bits.DYNAMIC_IN_QUERY, umad_bits.DYNAMIC_IN_REFERENCE, umad_bits.MOVED_IN_QUERY,
                                                  umad_bits.MOVED_IN_REFERENCE, umad_bits.HORIZON)))


def _top(root: Path) -> Path:
    """The folder with data/ and gt/ in it."""
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; give {VERSION} or the folder above it")
    for top in (root, root / VERSION):
        if (top / "data").is_dir() and (top / "gt").is_dir():
            return top
    raise DatasetError(f"{root} is not {VERSION}: there is no {'gt' if (root / 'data').is_dir() else 'data'} in it; expected data/ and gt/")


def _sequence(folder: Path, gt: Path, missing: Counter) -> list[UmadPair]:
    """The whole pairs of a sequence; what the others lack is counted in `missing`."""
    references, queries, masks = _by_name(folder / "G1" / "rgb", SUFFIXES), _by_name(folder / "Q1" / "rgb", SUFFIXES), _by_name(gt, (".png",))
    pairs = []
    for name in sorted(references.keys() | queries.keys() | masks.keys()):
        lacking = [what for what, found in (("reference", references), ("query", queries), ("gt", masks)) if name not in found]
        lacking += [] if name.isascii() and name.isdigit() else ["a number as its name"]
        missing.update(lacking[:1])
        if not lacking:
            pairs.append(UmadPair(folder.parent.name, folder.name, int(name), references[name], queries[name], masks[name]))
    return pairs


def _by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in paths if path.suffix.lower() in suffixes and not path.name.startswith(".")}


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _named(pair: UmadPair, name: str) -> bool:
    scene, _, sequence = name.partition("/")
    return scene in (pair.scene, pair.scene.split(".")[0]) and sequence in ("", pair.sequence)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"

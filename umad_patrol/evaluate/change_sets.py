"""Change sets that lie as t0/, t1/ and mask/: VL-CMU-CD-binary255, PSCD, PCD and what is laid out like them.

    ROOT/[SPLIT/]t0/NAME     before: the reference
    ROOT/[SPLIT/]t1/NAME     after: the query
    ROOT/[SPLIT/]mask/NAME   not 0 (255) where something changed, in whichever picture

VL-CMU-CD-binary255 has the splits train and test. Suffixes may differ (PCD: t0 and t1 are .jpg, masks .png). In the raw PCD
(GSV, TSUNAMI) black is change, so `black_is_change` has to be said. Which of the two pictures a thing is in, the mask does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.pairs import SUFFIXES
from umad_patrol.io.images import read_image, read_mask

PARTS = ("t0", "t1", "mask")


@dataclass(frozen=True)
class ChangePair:
    """One pair by its files, read when asked for. `scene` is the split it lies in, "" where there are none."""

    scene: str
    name: str
    reference: Path
    query: Path
    mask: Path
    black_is_change: bool = False

    @property
    def id(self) -> str:
        """Such as test/007_1_00_0."""
        return f"{self.scene}/{self.name}" if self.scene else self.name

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and query, `(H, W, 3)` uint8 BGR of one size. Raises ImageError naming the file that cannot be read."""
        reference, query = read_image(self.reference), read_image(self.query)
        if reference.shape != query.shape:
            raise ImageError(f"{self.query} and {self.reference} differ in size")
        return reference, query

    def changed(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """What changed, `(H, W)` bool. Raises DatasetError where it is not of the `size` (H, W)."""
        changed = read_image(self.mask).max(axis=2) < 128 if self.black_is_change else read_mask(self.mask)
        if size is not None and changed.shape != size:
            raise DatasetError(f"{self.mask} is {changed.shape[1]}x{changed.shape[0]}, its pictures {size[1]}x{size[0]}; both must be of one size")
        return changed


def is_change_set(root: str | Path) -> bool:
    """Whether `root`, or a folder right in it, holds t0, t1 and mask."""
    return bool(_splits(Path(root)))


def find_changes(root: str | Path, black_is_change: bool = False) -> list[ChangePair]:
    """Every pair, by split and name. Raises DatasetError where there is none, or naming the first that lacks a picture."""
    root, pairs = Path(root), []
    for folder in _splits(root):
        found = {part: _by_name(folder / part) for part in PARTS}
        for name in sorted(found["mask"]):
            for part in ("t0", "t1"):
                if name not in found[part]:
                    raise DatasetError(f"{found['mask'][name]} has no picture {name} in {folder / part}")
            pairs.append(ChangePair("" if folder == root else folder.name, name, found["t0"][name], found["t1"][name], found["mask"][name], black_is_change))
    if not pairs:
        raise DatasetError(f"{root} holds no pairs; expected t0/NAME.png, t1/NAME.png and mask/NAME.png, or those in train/ and test/")
    return pairs


def _splits(root: Path) -> list[Path]:
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())] if root.is_dir() else []
    return [folder for folder in folders if all((folder / part).is_dir() for part in PARTS)]


def _by_name(folder: Path) -> dict[str, Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")}

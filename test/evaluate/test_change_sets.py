"""Change sets as t0/, t1/, mask/: with splits and without, and what is refused."""

import numpy as np
import pytest
from umad_copy import HEIGHT, WIDTH, ground, write

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.change_sets import find_changes, is_change_set


def write_set(folder, names, suffix=".png", black=False):
    changed = np.zeros((HEIGHT, WIDTH), np.uint8)
    changed[10:20, 10:30] = 255
    for name in names:
        write(folder / "t0" / f"{name}{suffix}", ground(1))
        write(folder / "t1" / f"{name}{suffix}", ground(2))
        write(folder / "mask" / f"{name}.png", 255 - changed if black else changed)
    return folder


def test_splits_and_names_in_order(tmp_path):
    root = tmp_path / "set"
    write_set(root / "train", ["007_1_00_0", "003_1_00_0"])
    write_set(root / "test", ["001_1_00_0"])
    assert is_change_set(root) and is_change_set(root / "test") and not is_change_set(root / "none") and not is_change_set(tmp_path)
    pairs = find_changes(root)
    assert [(pair.scene, pair.id) for pair in pairs] == [("test", "test/001_1_00_0"), ("train", "train/003_1_00_0"), ("train", "train/007_1_00_0")]
    assert find_changes(root / "test")[0].id == "001_1_00_0"
    reference, query = pairs[0].pictures()
    np.testing.assert_array_equal(reference, ground(1))
    np.testing.assert_array_equal(query, ground(2))
    assert pairs[0].changed((HEIGHT, WIDTH)).sum() == 10 * 20


def test_black_may_be_change_and_suffixes_may_differ(tmp_path):
    pair, = find_changes(write_set(tmp_path, ["00000000"], ".jpg", black=True), black_is_change=True)
    assert pair.changed().sum() == 10 * 20 and pair.changed()[15, 15] and pair.reference.suffix == ".jpg"


def test_what_is_not_whole_is_refused(tmp_path):
    write_set(tmp_path, ["a", "b"])
    (tmp_path / "t1" / "b.png").unlink()
    with pytest.raises(DatasetError, match="b.png has no picture b in .*t1"):
        find_changes(tmp_path)
    write(tmp_path / "t1" / "b.png", ground(1)[:40])
    b = find_changes(tmp_path)[1]
    with pytest.raises(ImageError, match="differ in size"):
        b.pictures()
    write(tmp_path / "mask" / "b.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(DatasetError, match="6x5, its pictures 120x80"):
        b.changed((HEIGHT, WIDTH))
    for folder in ("none", "empty"):
        (tmp_path / "empty" / "t0").mkdir(parents=True, exist_ok=True)
        with pytest.raises(DatasetError, match="holds no pairs"):
            find_changes(tmp_path / folder)

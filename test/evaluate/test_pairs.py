"""Folders of pairs, whole and damaged."""

import numpy as np
import pytest

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.pairs import find_pairs, read_points
from umad_patrol.io.images import write_image


def make_pair(folder, suffix=".png", skip=()):
    folder.mkdir(parents=True)
    for name in ("reference", "query"):
        if name not in skip:
            write_image(folder / f"{name}{suffix}", np.full((8, 10, 3), 100, np.uint8))
    return folder


def test_pairs_come_in_order_with_what_they_have(tmp_path):
    make_pair(tmp_path / "b", ".jpg")
    write_image(make_pair(tmp_path / "a") / "labels.png", np.zeros((8, 10), np.uint8))
    (tmp_path / "README.md").write_text("not a pair")
    make_pair(tmp_path / ".hidden")
    pairs = find_pairs(tmp_path)
    assert [pair.id for pair in pairs] == ["a", "b"]
    assert pairs[0].labels is not None and pairs[1].labels is None and pairs[1].query.suffix == ".jpg"
    assert pairs[1].pictures()[0].shape == (8, 10, 3)


def test_folders_without_pictures_are_passed_over(tmp_path, caplog):
    make_pair(tmp_path / "a")
    (tmp_path / "overlays").mkdir()
    assert [pair.id for pair in find_pairs(tmp_path)] == ["a"]
    assert "overlays" in caplog.text


@pytest.mark.parametrize("missing", ["reference", "query"])
def test_half_a_pair_is_named(tmp_path, missing):
    make_pair(tmp_path / "broken", skip=(missing,))
    with pytest.raises(DatasetError, match=f"broken lacks {missing}"):
        find_pairs(tmp_path)


def test_a_needed_file_that_is_missing_is_named(tmp_path):
    make_pair(tmp_path / "a")
    with pytest.raises(DatasetError, match="a lacks points.txt"):
        find_pairs(tmp_path, needs=("points",))


def test_roots_without_pairs(tmp_path):
    with pytest.raises(DatasetError, match="no folder"):
        find_pairs(tmp_path / "none")
    with pytest.raises(DatasetError, match="holds no pairs"):
        find_pairs(tmp_path)
    with pytest.raises(DatasetError, match="a pair itself"):
        find_pairs(make_pair(tmp_path / "a"))


def test_a_corrupt_picture_is_named(tmp_path):
    (make_pair(tmp_path / "a") / "query.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match="query.png"):
        find_pairs(tmp_path)[0].pictures()


def test_points_are_read(tmp_path):
    (tmp_path / "points.txt").write_text("# xr yr xq yq\n1 2 3.5 4\n\n5 6 7 8\n")
    np.testing.assert_array_equal(read_points(tmp_path / "points.txt"), [[1, 2, 3.5, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("text", ["", "1 2 3\n", "1 2 3 4\n1 2\n", "a b c d\n", "1 2 3 nan\n", "1 2 3 inf\n", "1,2,3,4\n"])
def test_bad_points_are_refused_by_name(tmp_path, text):
    (tmp_path / "points.txt").write_text(text)
    with pytest.raises(DatasetError, match="points.txt"):
        read_points(tmp_path / "points.txt")


def test_points_that_are_no_text(tmp_path):
    (tmp_path / "points.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DatasetError):
        read_points(tmp_path / "points.txt")
    with pytest.raises(DatasetError):
        read_points(tmp_path / "none.txt")

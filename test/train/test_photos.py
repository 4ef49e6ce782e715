"""Photographs: what is read, what is passed over, which are held out, and that no arrows stay."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_data import ground, write, write_photos

from umad_patrol.errors import TrainingError
from umad_patrol.train.arrows import arrow_mask, without_arrows
from umad_patrol.train.material import split
from umad_patrol.train.photos import Photo, find_photos, read_photos, thinned

ARROW = (210, 130, 25), (75, 60, 45)    # BGR: its top, its side


def with_arrow(image):
    image = image.copy()
    cv2.fillPoly(image, [np.int32([[150, 150], [190, 170], [150, 190], [110, 170]])], ARROW[0])
    cv2.fillPoly(image, [np.int32([[110, 171], [150, 191], [150, 201], [110, 181]])], ARROW[1])
    return image


def test_pictures_are_read_as_rgb_never_enlarged(tmp_path):
    write(tmp_path / "a" / "big.png", np.full((410, 2560, 3), (10, 20, 30), np.uint8))
    write(tmp_path / "b" / "small.jpg", np.full((210, 250, 3), 90, np.uint8))
    write(tmp_path / "b" / "small_road.png", np.full((210, 250, 3), 255, np.uint8))
    write(tmp_path / "b" / "tiny.jpg", np.full((150, 250, 3), 90, np.uint8))
    write(tmp_path / "b" / "long.jpg", np.full((250, 4000, 3), 90, np.uint8))
    (tmp_path / "b" / "broken.jpg").write_bytes(b"\xff\xd8 no")
    write(tmp_path / "b" / "other.jpg", np.full((210, 250, 3), 90, np.uint8))
    (tmp_path / "b" / "other_road.png").write_bytes(b"no")
    big, small = read_photos(tmp_path)
    assert big.image.shape == (205, 1280, 3) and tuple(big.image[0, 0]) == (30, 20, 10) and big.road is None
    assert small.image.shape == (210, 250, 3) and small.road.shape == (210, 250) and small.road.all()
    assert len(find_photos(tmp_path)) == 6


@pytest.mark.parametrize("fill", (lambda f: None, lambda f: (f / "a.txt").write_text("x"), lambda f: (f / "a.jpg").write_bytes(b"x"),
                                  lambda f: (write_photos(f), (f / "MANIFEST.csv").write_text("a,b\n1,2\n"))))
def test_no_photographs_is_one_line(tmp_path, fill):
    fill(tmp_path)
    with pytest.raises(TrainingError) as caught:
        read_photos(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])    # as spreadsheets write it
def test_a_manifest_says_which_belong_together(tmp_path, encoding):
    write_photos(tmp_path / "d", 3)
    top = tmp_path.name
    rows = "".join(f"{top}/d/p{i}.jpg,me/it,walk{i % 2}/x.jpg,\n" for i in range(2))
    (tmp_path / "MANIFEST.csv").write_text("file,repo,path,note\n" + rows, encoding=encoding)
    places = [photo.place for photo in read_photos(tmp_path)]
    assert places[0].startswith("me/it/walk0") and places[1].startswith("me/it/walk1") and places[2].startswith("d")


def test_photographs_of_one_place_are_split_all_the_same(tmp_path):
    photos = read_photos(write_photos(tmp_path, 12, (200, 200)))
    training, held = split(photos)
    assert training and held and len(training) + len(held) == 12 and len({photo.place for photo in photos}) == 12
    assert [len(part) for part in split(photos[:2])] == [1, 1]


def test_no_folder_has_more_than_its_share():
    def photo(folder, number):
        return Photo(Path(folder, f"{number}.jpg"), None, None, folder)

    photos = [photo("many", i) for i in range(80)] + [photo(f"few{i % 10}", i) for i in range(20)]
    kept = thinned(photos, 0.2)
    names = [int(p.path.stem) for p in kept if p.place == "many"]
    assert len(names) == 20 and len(kept) == 40 and names == sorted(names) and max(np.diff(names)) == 4     # evenly chosen, in order
    assert thinned(photos[:80], 0.2) == photos[:80] and thinned(photos, 1.0) == photos     # one folder alone is all there is
    assert len(thinned(photos[:80] + photos[80:82], 0.01)) == 30     # three folders: a third each


def test_arrows_are_painted_over_and_blue_walls_and_skies_are_not():
    image = ground(4, (300, 300))
    drawn = with_arrow(image)
    rest = drawn.copy()
    rest[:60], rest[200:, 0:20] = ARROW[0], (150, 40, 20)
    mask = arrow_mask(drawn)
    assert mask[np.abs(drawn.astype(int) - image).max(-1) > 0].mean() > 0.95 and mask.mean() < 0.2
    cleaned = without_arrows(drawn)
    assert np.abs(cleaned.astype(int) - image).max() < 60 and (cleaned[mask == 0] == drawn[mask == 0]).all()
    assert np.array_equal(arrow_mask(rest)[:60].any(), False) and not arrow_mask(image).any() and without_arrows(image) is image


def test_arrows_of_the_real_ones_go(data_dir):
    path = data_dir / "backgrounds" / "enset_campus" / "064.jpg"
    if not path.is_file():
        pytest.skip(f"no {path}")
    image = cv2.imread(str(path))
    blue = cv2.inRange(cv2.cvtColor(without_arrows(image), cv2.COLOR_BGR2HSV), (100, 150, 110), (111, 255, 255))[400:]
    before = cv2.inRange(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), (100, 150, 110), (111, 255, 255))[400:]
    assert before.mean() > 1 and blue.mean() < 0.05 * before.mean()

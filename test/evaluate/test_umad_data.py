"""UMAD-1.0's layout and bits, and layouts that are refused."""

import shutil

import cv2
import numpy as np
import pytest
from umad_copy import BOX, HEIGHT, PERSON, WIDTH, labels, write, write_umad

from umad_patrol.errors import DatasetError, ImageError
from umad_patrol.evaluate.pairs import thinned
from umad_patrol.evaluate.umad_data import decode_labels, find_umad


@pytest.fixture
def root(tmp_path):
    return write_umad(tmp_path / "UMAD-1.0")


def test_every_pair_is_found_in_order_from_either_folder(root):
    ids = ["1.N6/00/00000000", "1.N6/00/00000007", "1.N6/00/00000009", "1.N6/01/00000002", "2.Bridge/03/00000001", "2.Bridge/03/00000002",
           "10.New/00/00000004"]
    for folder in (root, root.parent, str(root)):
        found = find_umad(folder)
        assert [pair.id for pair in found] == ids and len(found) == 7 and found.missing == {}
        assert found.scenes == ("1.N6", "2.Bridge", "10.New") and found.pairs[1].frame == 7


def test_each_bit_has_its_mask(rng):
    bits = rng.integers(0, 255, (9, 11)).astype(np.uint8)
    masks = decode_labels(bits)
    as_bits = np.unpackbits(bits[..., None], axis=2).astype(bool)  # 128 first, 1 last
    np.testing.assert_array_equal(masks.anomaly, as_bits[..., 0])
    np.testing.assert_array_equal(masks.horizon, as_bits[..., 1])
    np.testing.assert_array_equal(masks.dynamic_query, as_bits[..., 2] | as_bits[..., 3])
    np.testing.assert_array_equal(masks.moved_query, as_bits[..., 4])
    np.testing.assert_array_equal(masks.dynamic_reference, as_bits[..., 5] | as_bits[..., 6])
    np.testing.assert_array_equal(masks.moved_reference, as_bits[..., 7])
    np.testing.assert_array_equal(masks.dynamic, as_bits[..., [2, 3, 5, 6]].any(axis=2))
    example = decode_labels(np.array([[196]], np.uint8))  # the authors' own: anomalous object, horizon, people
    assert example.anomaly and example.horizon and example.dynamic_reference and not (example.dynamic_query | example.moved_query)


def test_pictures_and_masks_are_read_when_asked_for(root):
    pair = find_umad(root).pairs[0]
    reference, query = pair.pictures()
    assert reference.shape == query.shape == (HEIGHT, WIDTH, 3) and query[50, 40, 2] > 150 > reference[50, 40, 2]
    masks = pair.masks((HEIGHT, WIDTH))
    assert masks.anomaly.sum() == 20 * 20 and masks.anomaly[BOX].all() and masks.dynamic_query.sum() == 30 * 10 and masks.dynamic[PERSON].all()
    assert masks.anomaly.dtype == bool and not masks.dynamic_reference.any() and masks.horizon[-1].all() and not masks.horizon[0].any()


def test_frames_that_lack_a_file_are_left_out_and_counted(root):
    (root / "data/1.N6/00/G1/rgb/00000000.jpg").unlink()
    (root / "data/1.N6/00/Q1/rgb/00000007.jpg").unlink()
    shutil.rmtree(root / "gt/2.Bridge")
    write(root / "data/10.New/00/G1/rgb/cover.png", np.zeros((4, 4), np.uint8))
    (root / "data/10.New/00/notes.txt").write_text("x")
    (root / "data/readme").mkdir()
    found = find_umad(root)
    assert [pair.id for pair in found] == ["1.N6/00/00000009", "1.N6/01/00000002", "10.New/00/00000004"]
    assert found.missing == {"reference": 1, "query": 2, "gt": 2}


def test_scenes_and_sequences_are_chosen_and_split_off(root):
    found = find_umad(root)
    assert len(found.of(["2"])) == len(found.of(["2.Bridge"])) == 2 and len(found.of(["1.N6/00", "10"])) == 4 and len(found.of([])) == 7
    train, held = found.split(["2.Bridge", "1/01"])
    assert [pair.id for pair in held] == ["1.N6/01/00000002", "2.Bridge/03/00000001", "2.Bridge/03/00000002"]
    assert len(train) == 4 and not set(train.pairs) & set(held.pairs)
    for name in ("7", "Bridge", "1.N6/05", ""):
        with pytest.raises(DatasetError, match="1.N6, 2.Bridge, 10.New"):
            found.of([name])


def test_thinning_goes_by_sequence_and_limits_evenly(root):
    found = find_umad(root)
    assert [pair.frame for pair in thinned(found, every=2)] == [0, 9, 2, 1, 4]
    assert [pair.frame for pair in thinned(found, limit=3)] == [0, 9, 1]
    assert thinned(found, limit=100) == list(found)
    for words in ({"every": 0}, {"limit": 0}, {"every": -3}):
        with pytest.raises(DatasetError):
            thinned(found, **words)


@pytest.mark.parametrize("damage, said", [
    (lambda r: shutil.rmtree(r), "no folder"),
    (lambda r: (shutil.rmtree(r), r.write_text("x")), "no folder"),
    (lambda r: (shutil.rmtree(r), r.mkdir()), "no data in it"),
    (lambda r: shutil.rmtree(r / "gt"), "no gt in it"),
    (lambda r: shutil.rmtree(r / "data"), "no data in it"),
    (lambda r: (shutil.rmtree(r / "data"), (r / "data").mkdir()), "no whole pair"),
    (lambda r: (shutil.rmtree(r / "gt"), (r / "gt").mkdir()), "7 lack gt"),
    (lambda r: [p.rename(p.with_name(p.name.split(".")[1])) for p in list((r / "data").iterdir())], "scenes named as 1.N6"),
])
def test_what_is_not_umad_is_refused(root, damage, said):
    damage(root)
    with pytest.raises(DatasetError, match=said) as caught:
        find_umad(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mask, said", [
    (labels()[:40], "120x40, its query 120x80"),
    (labels((BOX, 255)), "black and white"),
    (np.full((HEIGHT, WIDTH, 3), (1, 2, 4), np.uint8), "coloured"),
    (np.full((HEIGHT, WIDTH), 128 * 257, np.uint16), "16 bits"),
])
def test_masks_that_are_none_are_refused_by_name(root, mask, said):
    pair = find_umad(root).pairs[0]
    cv2.imwrite(str(pair.gt), mask)
    with pytest.raises(DatasetError, match=said) as caught:
        pair.masks((HEIGHT, WIDTH))
    assert str(pair.gt) in str(caught.value)


def test_damaged_pictures_are_refused_by_name(root):
    pair = find_umad(root).pairs[0]
    cv2.imwrite(str(pair.reference), np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(ImageError, match="60x40"):
        pair.pictures()
    pair.gt.write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match="00000000.png"):
        pair.masks()
    pair.gt.unlink()
    with pytest.raises(ImageError, match="00000000.png"):
        pair.labels()

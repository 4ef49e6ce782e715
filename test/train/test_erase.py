"""Taking somebody out of a photograph: what is beside stands there, at the same height, and nothing else changes."""

import numpy as np
import pytest

from umad_patrol.train.erase import LARGEST_SHARE, PERHAPS, SMALLEST_PX, SURELY, erased, shown

SIDE = 160


def labels(*boxes, value=255):
    plane = np.zeros((SIDE, SIDE), np.uint8)
    for top, bottom, left, right in boxes:
        plane[top:bottom, left:right] = value
    return plane


def rows_apart():
    """A picture whose every row has a colour of its own, as a ground seen in perspective."""
    return np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None].repeat(SIDE, 1).repeat(3, 2)


def test_each_of_several_is_shown_with_a_fringe():
    masks = list(shown(labels((20, 60, 20, 35), (80, 140, 100, 120))))
    assert len(masks) == 2
    for mask, (top, bottom, left, right) in zip(masks, ((20, 60, 20, 35), (80, 140, 100, 120))):
        rows, columns = np.nonzero(mask)
        assert mask[top:bottom, left:right].all()
        assert 0 < top - rows.min() < 10 and 0 < columns.max() - right + 1 < 10


@pytest.mark.parametrize("plane", [
    labels(), labels((5, 10, 5, 10)), labels((0, SIDE, 0, SIDE)), labels((20, 60, 20, 40), value=PERHAPS - 1), labels((20, 60, 20, 40), value=SURELY - 1)])
def test_nobody_is_shown_where_labels_are_too_small_too_large_or_doubtful(plane):
    assert 25 < SMALLEST_PX and LARGEST_SHARE < 1
    assert not list(shown(plane))


def test_the_ground_beside_takes_the_place():
    plane, image = labels((40, 100, 70, 90)), rows_apart()
    image[40:100, 70:90] = (1, 0, 0)
    before = image.copy()
    mask = next(shown(plane))
    assert erased(image, mask, plane, np.random.default_rng(1))
    assert np.abs(image - rows_apart())[45:95, 72:88].max() < 0.01
    assert np.abs(image - before)[:30].max() == 0 and np.abs(image - before)[:, :50].max() == 0


def test_nothing_is_done_where_there_is_no_ground_beside():
    wide, crowd = labels((40, 80, 10, 150)), labels((40, 100, 70, 90), (30, 120, 0, 60), (30, 120, 100, SIDE))
    for plane, mask in ((wide, next(shown(wide))), (crowd, list(shown(crowd))[2])):
        image = rows_apart()
        assert not erased(image, mask, plane, np.random.default_rng(1))
        assert (image == rows_apart()).all()


def test_the_same_seed_gives_the_same_picture():
    plane, images = labels((40, 100, 70, 90)), [np.random.default_rng(3).random((SIDE, SIDE, 3), np.float32) for _ in range(2)]
    for image in images:
        erased(image, next(shown(plane)), plane, np.random.default_rng(7))
    assert (images[0] == images[1]).all()

"""Where a pasted thing lies and what its shadow does."""

import numpy as np
import pytest
from fake_data import sprite

from umad_patrol.train import paste
from umad_patrol.train.sprites import THING

OVERCAST, SUNNY = paste.Sun(0, 0, 0, 0.3), paste.Sun(1.5, 0.2, 0.5, 0.3)


def drawn(foot, sun=OVERCAST, size=(20, 10)):
    image = np.full((100, 100, 3), 0.8, np.float32)
    rgba = np.ones((*size, 4), np.float32)
    return image, paste.drawn(image, rgba, foot, sun, np.random.default_rng(0))


def test_its_foot_is_where_it_was_put():
    image, mask = drawn((50, 70))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 69, 45, 54)
    assert (image[mask] == 1).all()


@pytest.mark.parametrize("foot, pixels", [((0, 70), 5 * 20), ((50, 10), 10 * 10), ((99, 105), 6 * 15), ((-40, 50), 0), ((50, 300), 0)])
def test_what_lies_outside_is_cut_off(foot, pixels):
    assert drawn(foot)[1].sum() == pixels


def test_shadows_darken_along_the_sun_and_only_there():
    overcast, mask = drawn((30, 60))
    sunny, _ = drawn((30, 60), SUNNY)
    assert (overcast[~mask] <= 0.8).all() and overcast[60:64, 26:34].mean() < 0.79   # the contact shadow
    assert sunny[61:63, 42:48].mean() < 0.6 < overcast[61:63, 42:48].mean()          # its tip lies 30 px to the right, 4 px down
    assert sunny[:35].min() == sunny[:, 80:].min() == np.float32(0.8)


def test_half_covered_pixels_are_mixed_and_not_the_things():
    image, rgba = np.zeros((40, 40, 3), np.float32), np.ones((10, 10, 4), np.float32)
    rgba[:, :3, 3] = 0.4
    mask = paste.drawn(image, rgba, (20, 30), OVERCAST, np.random.default_rng(0))
    assert mask.sum() == 70 and image[25, 16] == pytest.approx(0.4)


def test_sized_has_the_height_asked_for():
    thing = sprite(THING, "box", (200, 100, 50), (40, 20))
    for height in (6, 33.4, 90):
        image = paste.sized(thing, height, np.random.default_rng(1))
        assert image.shape == (round(height), max(2, round(height / 2)), 4) and image.dtype == np.float32
        assert 0 <= image.min() and image.max() <= 1 and (image[..., 3] == 1).all()
    covered = paste.sized(thing, 30, np.random.default_rng(1), np.full((16, 16, 3), 0.25, np.float32))
    assert np.ptp(covered[..., :3]) < 1e-6

import numpy as np
import pytest

from umad_patrol.simulate.noise import blots, octaves, veins
from umad_patrol.simulate.texture import LINEAR, Texture

HALF = np.full(1, 0.15, np.float32)


def sample(texture: Texture, u: float, v: float, fu: float = 1e-3, fv: float = 1e-3) -> np.ndarray:
    one = lambda x: np.full(1, x, np.float32)  # noqa: E731
    return texture.sample(one(u), one(v), one(fu), one(fv), HALF)[0].astype(int)


@pytest.fixture(scope="module")
def quarters() -> Texture:
    """Red grows along u (columns), green along v (rows)."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:, 0] = 200
    image[32:, :, 1] = 100
    return Texture.build(image, 0.01)


def test_u_runs_along_columns_and_v_along_rows(quarters):
    assert sample(quarters, 0.16, 0.16).tolist() == [0, 0, 0]
    assert sample(quarters, 0.48, 0.16).tolist() == [200, 0, 0]
    assert sample(quarters, 0.16, 0.48).tolist() == [0, 100, 0]


@pytest.mark.parametrize("turns", [-3, 2, 40])
def test_it_repeats(quarters, turns):
    assert sample(quarters, 0.48 + 0.64 * turns, 0.16 - 0.64 * turns).tolist() == [200, 0, 0]


def test_a_large_footprint_averages_in_its_own_direction_only(quarters):
    wide = sample(quarters, 0.48, 0.48, fu=1.0)
    assert wide[0] == pytest.approx(100, abs=3) and wide[1] == pytest.approx(100, abs=3)
    tall = sample(quarters, 0.48, 0.16, fv=1.0)
    assert tall[0] == pytest.approx(200, abs=3) and tall[1] == pytest.approx(50, abs=3)


def test_no_places_no_bytes(quarters):
    none = np.zeros(0, np.float32)
    assert quarters.sample(none, none, none, none, none).shape == (0, 3)


def test_linear_light_follows_srgb():
    assert LINEAR[0] == 0 and LINEAR[255] == pytest.approx(1.0) and LINEAR[188] == pytest.approx(0.5, abs=0.01)
    assert np.all(np.diff(LINEAR) > 0)


@pytest.mark.parametrize("shape,coarse,fine", [((64, 128), 32, 1), ((128, 64), 16, 4), ((32, 32), 64, 2)])
def test_octaves_are_normal_and_periodic(shape, coarse, fine):
    field = octaves(shape, coarse, fine, np.random.default_rng(1))
    assert field.shape == shape and field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=1e-3) and field.std() == pytest.approx(1, abs=1e-3)
    if fine > 1:  # no seam: the step across the border is like the steps inside
        seam = np.abs(field[:, 0] - field[:, -1]).mean()
        assert seam < 2.0 * np.abs(np.diff(field, axis=1)).mean()


def test_coarse_noise_is_smoother_than_fine():
    rng = np.random.default_rng(2)
    rough = [np.abs(np.diff(octaves((128, 128), size, size, rng), axis=1)).mean() for size in (32, 8, 2)]
    assert rough[0] < rough[1] < rough[2]


def test_veins_and_blots_are_shares():
    rng = np.random.default_rng(3)
    for field in (veins((64, 64), 32, 4, rng), blots((64, 64), 20, (1, 9), rng)):
        assert field.min() >= 0 and field.max() <= 1 and 0 < (field > 0.2).mean() < 0.8

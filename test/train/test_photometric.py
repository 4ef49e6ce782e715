"""What cameras do to a picture."""

import numpy as np
import pytest

from umad_patrol.train.photometric import SOFT, SOFTEST, random_softness, softened


def test_a_soft_camera_loses_what_is_fine_and_keeps_the_rest():
    stripes = np.tile(np.float32([0.2, 0.8]), (48, 24))[..., None].repeat(3, 2)
    steps = np.repeat(np.float32([[0.2, 0.8]]), 24, axis=1).repeat(48, 0)[..., None].repeat(3, 2)
    for softness in (1.5, 2.2):
        fine, coarse = softened(stripes, softness), softened(steps, softness)
        assert fine.shape == stripes.shape and fine.dtype == np.float32
        assert fine.std() < 0.7 * stripes.std() and fine.mean() == pytest.approx(0.5, abs=0.02)
        assert coarse[:, :20] == pytest.approx(0.2, abs=1e-5) and coarse[:, 28:] == pytest.approx(0.8, abs=1e-5)
    assert softened(stripes, 1.0) is stripes


def test_most_cameras_are_sharp():
    drawn = np.array([random_softness(np.random.default_rng(index)) for index in range(400)])
    assert (drawn > 1).mean() == pytest.approx(SOFT, abs=0.07) and drawn.min() == 1 and 2 < drawn.max() <= SOFTEST

"""The plot of a sweep shows every method that its table has."""

import numpy as np

from umad_patrol.evaluate.alignment import OURS, PUBLISHED
from umad_patrol.evaluate.alignment_plot import _COLOURS, _legend
from umad_patrol.evaluate.baselines import BASELINES, ORACLE


def test_every_method_has_a_colour_of_its_own():
    names = [OURS, "identity", PUBLISHED, *BASELINES, ORACLE]
    assert len(set(_COLOURS)) == len(_COLOURS) >= len(names)
    shown = {tuple(pixel) for pixel in np.unique(_legend(names).reshape(-1, 3), axis=0).tolist()}
    assert set(_COLOURS[:len(names)]) <= shown

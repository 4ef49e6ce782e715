"""Captions: the edge lies around the letters and nowhere else."""

import cv2
import numpy as np
import pytest

from umad_patrol.io.caption import write_caption


@pytest.mark.parametrize(("scale", "thickness"), [(0.45, 1), (0.7, 2)])
def test_the_edge_is_one_pixel_around_the_letters(scale, thickness):
    grey = np.full((60, 520, 3), 128, np.uint8)
    write_caption(grey, "02_0: 57.7 px before, 0.60 after", (8, 40), scale, (255, 255, 255), thickness)
    letters, edge = (grey > 200).all(axis=2), (grey < 60).all(axis=2)
    assert letters.sum() > 200 and edge.sum() > letters.sum() / 2
    reach = cv2.dilate((grey > 130).all(axis=2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert not (edge & ~reach).any()

"""A picture, a known homography, and what the two make in another light."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # align_scene, under importlib's import mode

from align_scene import make_texture, relight  # noqa: E402


@pytest.fixture(scope="session")
def texture():
    return make_texture(3)


@pytest.fixture(scope="session")
def known_H():
    return np.array([[1.02, -0.03, 14.0], [0.025, 0.99, -9.0], [2e-5, -1e-5, 1.0]])


@pytest.fixture(scope="session")
def query(texture, known_H):
    """`texture` moved by `known_H`, in another light."""
    return relight(cv2.warpPerspective(texture, known_H, texture.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))

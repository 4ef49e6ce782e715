"""Small photographs and sprites with nothing but known things in them."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # fake_data, under importlib's import mode

from fake_data import ground, sprite  # noqa: E402

from umad_patrol.train.data import PairMaker
from umad_patrol.train.photos import Photo
from umad_patrol.train.sprites import PERSON, THING, VEHICLE


@pytest.fixture(scope="session")
def photos():
    cv2.setNumThreads(1)
    return [Photo(Path(f"place{i}/p.jpg"), ground(i), None, f"place{i}", np.zeros((260, 340), np.uint8)) for i in range(3)]


@pytest.fixture(scope="session")
def sprites():
    return [sprite(THING, "box", (220, 40, 30), (40, 30)), sprite(THING, "bin", (40, 200, 60), (60, 30)),
            sprite(PERSON, "man", (30, 40, 200), (90, 30)), sprite(VEHICLE, "car", (90, 90, 90), (50, 100))]


@pytest.fixture(scope="session")
def maker(photos, sprites):
    return PairMaker(photos, sprites, side=160)

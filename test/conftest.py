"""What all tests share: where the real data lies, and quiet, repeatable numerics."""

import os
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("UMAD_PATROL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real photographs and pairs; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set UMAD_PATROL_DATA")
    return DATA


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)

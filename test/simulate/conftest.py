"""One small world and one small recorded simulation, shared: making their surfaces takes seconds."""

from pathlib import Path

import pytest

from umad_patrol.simulate.drive import make_rig
from umad_patrol.simulate.record import write_simulation
from umad_patrol.simulate.render import Renderer
from umad_patrol.simulate.world import PATROL, TEACH, make_world

SMALL = {"seed": 3, "anomalies": 2, "frames": 5, "size": (160, 90), "length_m": 15.0}


@pytest.fixture(scope="session")
def small() -> dict:
    """What `simulation` was made from."""
    return SMALL


@pytest.fixture(scope="session")
def world():
    return make_world(SMALL["seed"], SMALL["anomalies"], SMALL["length_m"])


@pytest.fixture(scope="session")
def rig():
    return make_rig(SMALL["size"])


@pytest.fixture(scope="session")
def renderers(world):
    return {run: Renderer(world, run) for run in (TEACH, PATROL)}


@pytest.fixture(scope="session")
def simulation(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("simulate") / "world"
    write_simulation(out, workers=1, **SMALL)
    return out

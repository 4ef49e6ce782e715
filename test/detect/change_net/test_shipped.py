"""The files that ship belong together."""

import pytest

from umad_patrol.detect.change_net.graphs import Graphs
from umad_patrol.detect.change_net.weights import SHIPPED, load_closer, load_weights

MOST_BYTES = 6_000_000
REMEDY = "umad-patrol export umad_patrol/detect/change_net --no-forward"


@pytest.mark.skipif(not SHIPPED.exists(), reason="no weights ship with this version")
def test_the_graphs_that_ship_are_of_the_weights_that_ship():
    assert SHIPPED.stat().st_size <= MOST_BYTES
    for closer in (False, True) if load_closer() is not None else (False,):
        assert Graphs(SHIPPED, load_weights()[1], closer).read(), f"make them anew: {REMEDY}"

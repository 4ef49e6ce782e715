"""The last word on the route, and on places off it."""

import numpy as np
from fake_results import SMALL, result
from patrol_scene import pose

from umad_patrol.alerts.coverage import MISSED, SEEN, UNSEEN, Coverage
from umad_patrol.records import COMPARED, NO_REFERENCE

ROUTE = np.column_stack([np.arange(0, 5, 0.25), np.zeros(20), np.zeros(20)])


def visit(coverage, x, y, status):
    coverage.add(result(1.0, pose(x, y), [], SMALL, status, "why" if status != COMPARED else ""))


def test_the_last_visit_counts():
    coverage = Coverage(ROUTE - [0.0, 0.0, -0.7])
    assert coverage.share() is None and (coverage.places()[1] == UNSEEN).all()
    visit(coverage, 1.0, 0.0, COMPARED)
    visit(coverage, 4.0, 0.0, NO_REFERENCE)
    assert 0 < coverage.share() < 1 and set(coverage.places()[1]) == {UNSEEN, SEEN, MISSED}
    visit(coverage, 4.0, 0.0, COMPARED)
    assert coverage.share() == 1.0


def test_a_place_off_the_route_is_missed_until_it_is_compared():
    coverage = Coverage(ROUTE)
    visit(coverage, 1.0, 3.0, NO_REFERENCE)
    places, states = coverage.places()
    assert len(places) == 21 and states[-1] == MISSED
    changes = coverage.changes
    visit(coverage, 1.1, 3.1, COMPARED)
    assert len(coverage.places()[0]) == 20 and coverage.changes == changes + 1

"""Timing: what is called how often, what is put back, what is said of the machine. Nothing here depends on speed."""

import cv2
import pytest
import torch

from umad_patrol.evaluate.timing import WARM_UPS, Timing, machine, measure, peak_mb, threads

CPU = torch.device("cpu")


def test_median_and_slow_end():
    timing = Timing((4.0, 1.0, 2.0, 3.0, 100.0))
    assert timing.median == 3.0 and timing.p90 == pytest.approx(61.6)


def test_warm_up_is_not_measured():
    calls = []
    timing = measure(lambda: calls.append(0), 5, CPU)
    assert len(timing.milliseconds) == 5 and len(calls) == 5 + WARM_UPS and min(timing.milliseconds) > 0


def test_threads_are_put_back_even_after_an_error():
    before = torch.get_num_threads(), cv2.getNumThreads()
    with pytest.raises(KeyError), threads(before[0] + 1):
        assert torch.get_num_threads() == cv2.getNumThreads() == before[0] + 1
        raise KeyError
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_the_machine_is_named():
    found = machine([CPU])
    assert found["cpu"] and found["cores"] >= 1 and found["torch"] == torch.__version__ and found["gpu"] is None
    assert 20 < peak_mb() < 1e6

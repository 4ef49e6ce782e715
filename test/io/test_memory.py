"""Freed memory is kept: the next picture of the same size faults no pages in."""

import resource
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from umad_patrol.io.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)

def work():
    for _ in range(50):
        parts = [np.ones(1_000_000, np.uint8) for _ in range(4)]

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("no glibc here")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_pictures_made_again_and_again_fault_no_pages_in():
    pages = 50 * 4 * 1_000_000 / resource.getpagesize()
    assert faults("keep") < 0.02 * pages
    assert faults("leave") > 0.2 * pages     # the test can fail

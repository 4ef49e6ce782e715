"""Freed memory is kept, by glibc and by jemalloc: the next picture of the same size faults no pages in."""

import os
import resource
import subprocess
import sys
from ctypes.util import find_library

import pytest

from umad_patrol.io import memory

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


GIVEN_BACK = """
import numpy as np
from umad_patrol.io.memory import give_back_freed_memory
from umad_patrol.ros.vitals import resident_mb
assert "libjemalloc" in open("/proc/self/maps").read()
parts = [np.ones(5_000_000, np.uint8) for _ in range(40)]
full = resident_mb()
del parts
kept = resident_mb()
give_back_freed_memory()
print(full - kept, full - resident_mb())
"""
needs_jemalloc = pytest.mark.skipif(find_library("jemalloc") is None, reason="jemalloc is not installed")


def faults(how, environment=None):
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode == 77:
        pytest.skip("no glibc here")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_pictures_made_again_and_again_fault_no_pages_in():
    pages = 50 * 4 * 1_000_000 / resource.getpagesize()
    assert faults("keep") < 0.02 * pages
    assert faults("leave") > 0.2 * pages     # the test can fail


@needs_jemalloc
def test_jemalloc_keeps_freed_pictures_and_gives_them_back_when_told():
    pages = 50 * 4 * 1_000_000 / resource.getpagesize()
    assert faults("leave", memory.jemalloc_in({})) < 0.02 * pages
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, text=True, env={**os.environ, **memory.jemalloc_in({})})
    assert done.returncode == 0, done.stderr
    kept, given = map(float, done.stdout.split())
    assert kept < 20 and given > 180


@pytest.mark.parametrize("before, preloaded", [({}, "libjemalloc.so.2"), ({"LD_PRELOAD": "libfoo.so"}, "libjemalloc.so.2 libfoo.so")])
def test_jemalloc_goes_before_what_is_preloaded(monkeypatch, before, preloaded):
    monkeypatch.setattr(memory, "find_library", lambda name: f"lib{name}.so.2")
    added = memory.jemalloc_in(before)
    assert added["LD_PRELOAD"] == preloaded and "narenas:1" in added["MALLOC_CONF"]
    assert memory.jemalloc_in({"MALLOC_CONF": "narenas:3"})["MALLOC_CONF"] == "narenas:3"


@pytest.mark.parametrize("installed, before", [(None, {}), ("libjemalloc.so.2", {"LD_PRELOAD": "/usr/lib/libjemalloc.so.2"}),
                                               ("libjemalloc.so.2", {"LD_PRELOAD": "libtcmalloc.so.4"})])
def test_nothing_is_added_where_jemalloc_is_missing_or_another_allocator_is_chosen(monkeypatch, installed, before):
    monkeypatch.setattr(memory, "find_library", lambda name: installed)
    assert memory.jemalloc_in(before) == {}

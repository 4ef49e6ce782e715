"""What ends a node: a failure is one, whatever fails because a signal has come is none."""

import subprocess
import sys

import pytest

SCRIPT = """
import threading, rclpy
from rclpy.node import Node
from umad_patrol.ros.runner import run_node

class Told(Node):
    def destroy_node(self):
        print("finished")
        super().destroy_node()

def spin(executor, node):
    if {stops}:
        threading.Timer(0.1, rclpy.shutdown).start()    # as the signal handler does, a little later in a thread of its own
    raise RuntimeError("a message could not be taken")

raise SystemExit(run_node(lambda: Told("a_node"), [], spin))
"""


@pytest.mark.parametrize("stops, status", [(True, 0), (False, 1)])
def test_what_fails_while_a_signal_ends_the_node_is_no_failure(stops, status):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(stops=stops)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert done.stdout.count("finished") == 1   # whatever ends it, it finishes what it is at
    assert ("could not be taken" in done.stderr) == (not stops)


def test_a_signal_that_comes_while_a_failure_is_looked_into_ends_the_node_with_status_0():
    """The signal handler's own exception reaches the main thread wherever that is just then."""
    script = SCRIPT.format(stops=False).replace('raise RuntimeError', 'threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n    raise RuntimeError')
    done = subprocess.run([sys.executable, "-c", "import os, signal\n" + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr, (done.returncode, done.stderr)


def test_a_node_frees_nothing_that_rclpy_is_still_waking():
    """A signal has a thread of rclpy wake every executor: the more there are, the longer that thread is at it when the node already ends."""
    script = """
import os, signal, time
from rclpy.node import Node
from rclpy.signals import SignalHandlerGuardCondition
from umad_patrol.ros.runner import run_node

woken = []

def make():
    node = Node("a_node")
    woken.extend(SignalHandlerGuardCondition() for _ in range(2000))
    return node

def spin(executor, node):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)

raise SystemExit(run_node(make, [], spin))
"""
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", (done.returncode, done.stderr)


def test_a_signal_that_comes_while_code_is_compiled_ends_the_node_with_status_0(tmp_path):
    """As dataclasses and named tuples are when their module is imported; Python remembers that of a program run by -m."""
    (tmp_path / "node_that_imports.py").write_text("""
from umad_patrol.ros.runner import run_node

def make():
    exec("import os, signal, time\\nos.kill(os.getpid(), signal.SIGINT)\\ntime.sleep(10)")

raise SystemExit(run_node(make, []))
""")
    done = subprocess.run([sys.executable, "-m", "node_that_imports"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", (done.returncode, done.stderr)

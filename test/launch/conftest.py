"""The package as an install lays it out, and a recording to play."""

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
PICTURE = np.random.default_rng(1).integers(60, 190, (24, 32, 3), np.uint8).repeat(10, 0).repeat(10, 1)


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """The package as an install lays it out, with this interpreter behind its executables."""
    prefix = tmp_path / "prefix"
    (prefix / "share/ament_index/resource_index/packages").mkdir(parents=True)
    shutil.copy(REPOSITORY / "resource/umad_patrol", prefix / "share/ament_index/resource_index/packages")
    for folder in ("launch", "config"):
        shutil.copytree(REPOSITORY / folder, prefix / "share/umad_patrol" / folder)
    shutil.copy(REPOSITORY / "package.xml", prefix / "share/umad_patrol")
    (prefix / "lib/umad_patrol").mkdir(parents=True)
    for name in ("patrol_node", "teach_node", "bag_player"):
        script = prefix / "lib/umad_patrol" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m umad_patrol.ros.{name} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, [str(prefix), os.environ.get("AMENT_PREFIX_PATH")])))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return prefix / "share/umad_patrol/launch"


@pytest.fixture
def bag(tmp_path, write_bag, messages):
    items = [("/tf_static", 9.9, messages.transforms(("body", "camera", (0, 0, 0.7), (-0.5, 0.5, -0.5, 0.5))))]
    for i in range(20):
        t = 10.0 + 0.1 * i
        items += [("/image/compressed", t, messages.jpeg(t, PICTURE)), ("/info", t, messages.camera_info(t, 320, 240, 250.0)),
                  ("/odom", t, messages.odometry(t, (0.05 * i, 0, 0)))]
    return write_bag(tmp_path / "bag", items)

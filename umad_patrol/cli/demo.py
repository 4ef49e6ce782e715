"""Simulate a street, teach it, patrol it through real ROS 2 nodes, and print planted against found.

teach_node, patrol_node, bag_player and a listener run as processes and talk over DDS on this machine alone. OUT receives
world/ (bags and truth; used again by the same version if seed and frames are the same), map/, patrol/ (alerts and evidence), log/, heard.json
and report.html. Exit status 0: it ran through the nodes, at least 9 in 10 of the planted anomalies that come within
8 m were found and placed within 0.5 m, with at most 1 false alert and none on a person or vehicle; 1: not so.

example: umad-patrol demo --out demo --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from umad_patrol import __version__
from umad_patrol.alerts.report import write_report
from umad_patrol.alerts.store import AlertStore
from umad_patrol.cli.main import settings_of
from umad_patrol.config import Settings, values
from umad_patrol.errors import ConfigError, PatrolError
from umad_patrol.evaluate.patrol import load_truth, match_alerts
from umad_patrol.geometry.se3 import quat_xyzw
from umad_patrol.io.bags import open_bag
from umad_patrol.io.files import check_folder, replaced
from umad_patrol.reference.map import ReferenceMap
from umad_patrol.ros.processes import Node, parameters, remappings, require_ros
from umad_patrol.simulate.drive import make_rig
from umad_patrol.simulate.record import write_simulation

TOPICS = {"image/compressed": "/camera/color/image_raw/compressed", "camera_info": "/camera/color/camera_info",
          "localization": "/localization", "points": "/livox/lidar"}
SIZE = (1280, 720)
NOTE, HEARD, REPORT = "world.yaml", "heard.json", "report.html"
MADE = ("map", "patrol", "log")    # besides these and the world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--out DIR --seed N --frames F --rate R."""
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder for everything the demo makes (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="which world (default: 1)")
    parser.add_argument("--frames", type=int, default=200, help="frames a run (default: 200)")
    parser.add_argument("--rate", type=float, default=1.0, help="speed of the patrol, in times of real time (default: 1)")


def run(args: argparse.Namespace) -> dict:
    """Everything from the world to the verdict. Returns what is printed."""
    _check_folder(Path(args.out))
    require_ros()
    if not 0.05 <= args.rate <= 10:
        raise ConfigError(f"--rate {args.rate} is outside 0.05 to 10")
    settings, out = settings_of(args), Path(args.out)
    begun = time.monotonic()
    world = _world(out, args.seed, args.frames)
    for made in MADE:
        shutil.rmtree(out / made, ignore_errors=True)
    with_ros = _Ros(out, world, settings)
    with_ros.teach()
    heard = with_ros.patrol(args.rate)
    summary = _verdict(out, world, heard)
    summary["seconds"] = round(time.monotonic() - begun, 1)
    print(f"{'passed' if summary['passed'] else 'FAILED'} in {summary['seconds']:.0f} s; report: {out / REPORT}")
    return {**summary, "exit_status": 0 if summary["passed"] else 1}


def _world(out: Path, seed: int, frames: int) -> Path:
    """The simulated world, made or found as an earlier demo of the same version left it."""
    world, note, fresh = out / "world", out / NOTE, out / ".world"
    made_of = {"version": __version__, "seed": seed, "frames": frames, "size": list(SIZE)}
    if world.is_dir() and note.is_file() and yaml.safe_load(note.read_text(encoding="utf-8")) == made_of:
        print(f"world: {world} from before")
        return world
    shutil.rmtree(fresh, ignore_errors=True)
    ours = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        write_simulation(fresh, seed=seed, frames=frames, size=SIZE, progress=True)
    except PatrolError:
        if ours:
            out.rmdir()
        raise
    note.unlink(missing_ok=True)     # an old one would speak for half a world
    shutil.rmtree(world, ignore_errors=True)
    with replaced(note) as file:
        file.write_text(yaml.safe_dump(made_of), encoding="utf-8")
    fresh.rename(world)
    return world


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds what the demo would replace and no earlier demo made."""
    check_folder("--out", out, ConfigError)
    others = [name for name in ("world", *MADE, HEARD, REPORT) if (out / name).exists()] if not (out / NOTE).is_file() else []
    if others:
        raise ConfigError(f"--out {str(out)!r} holds {others[0]!r}, which no demo made; name another folder")


class _Ros:
    """The nodes of the demo, on a domain of their own and this machine alone."""

    def __init__(self, out: Path, world: Path, settings: Settings):
        self._out, self._world = out, world
        self._environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1)}
        rig = make_rig(SIZE)  # the wheels hold no tf2_msgs, so /tf_static cannot be heard
        self._common = {"use_sim_time": True, "input.body_t_camera": _seven(rig.body_T_camera), "input.body_t_lidar": _seven(rig.body_T_lidar)}
        self._settings = {name: value for name, value in values(settings).items()
                          if value != values(Settings())[name] and not name.startswith("input.")}

    def teach(self) -> None:
        """teach_node hears the teach run and writes the map when it is stopped."""
        teacher = self._node("teach_node", {"map": self._out / "map"})
        try:
            teacher.wait_for("ready")
            self._play("teach", 4.0, "teach ")
        finally:
            status = teacher.stop()
        if status:
            raise PatrolError(f"teach_node ended with status {status}; see {teacher.log}")

    def patrol(self, rate: float) -> dict:
        """patrol_node hears the patrol run, a listener hears patrol_node. Returns what it heard."""
        heard = self._out / HEARD
        heard.unlink(missing_ok=True)
        patrol = self._node("patrol_node", {"map": self._out / "map", "output": self._out / "patrol"})
        listener = Node("umad_patrol.ros.listener", parameters({"out": heard}), self._out / "log" / "listener.log", self._environment)
        try:
            listener.wait_for("listening")
            patrol.wait_for("ready")
            self._play("patrol", rate, "patrol")
            time.sleep(1.5)  # the last diagnostics come once a second
        finally:
            statuses = patrol.stop(), listener.stop()
        if any(statuses):
            raise PatrolError(f"patrol_node and listener ended with status {statuses}; see {self._out / 'log'}")
        return json.loads(heard.read_text(encoding="utf-8"))

    def _node(self, name: str, own: dict) -> Node:
        words = parameters({**own, **self._common, **self._settings}) + remappings(TOPICS)
        return Node(f"umad_patrol.ros.{name}", words, self._out / "log" / f"{name}.log", self._environment)

    def _play(self, which: str, rate: float, label: str) -> None:
        topics = list(TOPICS.values()) if which == "teach" else list(TOPICS.values())[:3]
        words = [str(self._world / which), "--rate", str(rate), "--wait-for-subscribers", "--topics", *topics]
        player = Node("umad_patrol.ros.bag_player", words, self._out / "log" / f"bag_player_{which}.log", self._environment)
        player.wait_for("playing")
        with open_bag(self._world / which) as bag:
            expected = (bag.end_ns - bag.start_ns) * 1e-9 / rate
        begun = time.monotonic()
        with tqdm(total=round(expected), unit="s", desc=label, disable=None) as bar:
            status = player.finish(expected * 2 + 30, lambda: bar.update(min(round(time.monotonic() - begun), bar.total) - bar.n))
            bar.update(bar.total - bar.n)
        if status:
            raise PatrolError(f"bag_player ended with status {status}; see {player.log}")


def _verdict(out: Path, world: Path, heard: dict) -> dict:
    """What was heard and stored against what was planted; prints the table and writes the report."""
    truth = load_truth(world / "truth")
    with AlertStore(out / "patrol", read_only=True) as store:
        alerts = store.alerts()
        score = match_alerts(alerts, truth)
        tables = ("Planted against found", *score.cells()), ("Other alerts", *score.extra_cells())
        write_report(store, ReferenceMap.load(out / "map"), out / REPORT, [vars(p) for p in truth.planted], "Demo patrol", tables)
    print(score.text())
    masks, changed = len(heard["masks"]), sum(1 for pixels in heard["masks"].values() if pixels)
    over_dds = masks > 0 and {a.id for a in alerts} == set(heard["alerts"])
    print(f"heard over DDS: {masks} masks, {changed} of them with something new, {len(heard['alerts'])} alerts, {heard['markers']} markers")
    for name, status in heard["diagnostics"].items():
        print(f"{name}: {status['message']}")
    return {"passed": bool(score.passes() and over_dds), "over_dds": over_dds, "masks_heard": masks, **score.to_dict()}


def _seven(T: np.ndarray) -> list[float]:
    return [*T[:3, 3].tolist(), *quat_xyzw(T[:3, :3]).tolist()]

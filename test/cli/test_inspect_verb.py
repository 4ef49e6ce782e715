"""`inspect` tells what was dismissed in a map, and that the map is sound all the same; and the camera of each run."""

import json

import numpy as np

from umad_patrol.cli.main import main
from umad_patrol.config import Settings, with_values
from umad_patrol.geometry import se3
from umad_patrol.records import Camera, Dismissed, Frame
from umad_patrol.reference.dismissed import FILE, add_dismissed
from umad_patrol.reference.teach import Teacher


def a_map(path, run="noon", focal=50.0):
    camera = Camera(64, 48, np.array([[focal, 0, 31.5], [0, focal, 23.5], [0, 0, 1]]))
    teacher = Teacher(with_values(Settings(), {"teach.run": run}))
    for i in range(3):
        teacher.add_frame(Frame(10**9 * (i + 1), np.full((48, 64, 3), 90 + i, np.uint8), camera, se3.matrix((0.5 * i, 0, 0.7), (-0.5, 0.5, -0.5, 0.5))))
    teacher.save(path)
    teacher.close()
    return path


def test_what_was_dismissed_is_listed_and_the_map_is_sound(tmp_path, capsys):
    path = a_map(tmp_path / "map")
    add_dismissed(path, Dismissed("A0007", "anomaly", (1.0, 2.0, 0.0), (0.3, 0.4)))
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "dismissed as A0007: anomaly at (1.00, 2.00, 0.00)" in said and "sound:" in said
    (path / FILE).write_text("{}")
    assert main(["inspect", str(path)]) == 2
    assert FILE in capsys.readouterr().err


def test_cameras_that_differ_are_told_run_by_run(tmp_path, capsys):
    path = a_map(a_map(tmp_path / "map"), "dusk")
    assert main(["inspect", str(path)]) == 0
    assert "  camera 64x48, fx 50.0, fy 50.0\n" in (said := capsys.readouterr().out) and said.count("camera 64x48") == 1
    a_map(path, "night", 60.0)
    assert main(["inspect", str(path), "--json", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "  camera of run noon 64x48, fx 50.0" in said and "  camera of run night 64x48, fx 60.0, fy 60.0" in said
    assert [run["camera"]["fx"] for run in json.loads((tmp_path / "r.json").read_text())["runs"]] == [50.0, 50.0, 60.0]

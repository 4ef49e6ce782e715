"""UMAD-homo-eva: a made-up copy in the layout that is read, and copies that are not."""

import json
import shutil

import numpy as np
import pytest
from textures import SHIFT, make_pair

from umad_patrol.cli.main import main
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.homo_eva import PAPER, find_homo_eva, is_homo_eva, read_pose_pair
from umad_patrol.geometry.camera import dump_camera
from umad_patrol.records import Camera


@pytest.fixture
def root(tmp_path):
    """Scene 1 with two pairs in a sequence, scene 10 with one and its pictures in rgb/."""
    for number, (sequence, name) in enumerate((("1.N6/00", "00000000"), ("1.N6/00", "00000007"), ("10.New", "a"))):
        pair = make_pair(tmp_path / f"pair{number}", number)
        folder, rgb = tmp_path / "set" / "data" / sequence, "rgb" if name == "a" else "."
        for source, target in (("reference.png", f"G1/{rgb}/{name}.png"), ("query.png", f"Q1/{rgb}/{name}.png"), ("points.txt", f"gt/{name}.txt")):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pair / source, folder / target)
    return tmp_path / "set"


def test_pairs_come_by_scene(root):
    assert is_homo_eva(root) and is_homo_eva(root / "data") and not is_homo_eva(root.parent) and not is_homo_eva(root / "none")
    pairs = find_homo_eva(root)
    assert [(pair.scene, pair.id) for pair in pairs] == [("1.N6", "1.N6/00/00000000"), ("1.N6", "1.N6/00/00000007"), ("10.New", "10.New/a")]
    assert all(pair.poses is None and pair.points.is_file() for pair in pairs)


def test_points_may_lie_in_a_tree_of_their_own(root):
    (root / "gt" / "1.N6").mkdir(parents=True)
    (root / "data" / "1.N6" / "00" / "gt").rename(root / "gt" / "1.N6" / "00")
    assert len(find_homo_eva(root)) == 3


def test_scenes_are_scored_beside_the_paper(root, tmp_path, capsys):
    target = tmp_path / "result.json"
    assert main(["evaluate", "alignment", str(root), "--json", str(target)]) == 0
    shown, result = capsys.readouterr().out, json.loads(target.read_text())
    assert result["scenes"]["1.N6"]["pairs"] == 2 and result["scenes"]["10.New"]["pme_px"]["ours"] < 0.3
    assert result["scenes"]["1.N6"]["pme_px"]["identity"] == pytest.approx(np.hypot(*SHIFT[:2, 2]), abs=0.01)
    line = next(line for line in shown.splitlines() if line.startswith("paper: adaptive warping"))
    assert line.split()[3:] == ["2.57", "-", "3.01"]
    assert all(f"paper: {name}" in shown for name in PAPER)


def test_the_papers_means_are_in_the_table():
    assert PAPER["adaptive warping"][-1] == 3.01 and all(len(figures) == 7 for figures in PAPER.values())


def test_poses_are_used_with_a_camera(root, capsys):
    (root / "data" / "1.N6" / "00" / "pose").mkdir()
    for name in ("00000000", "00000007"):
        (root / "data" / "1.N6" / "00" / "pose" / f"{name}.txt").write_text("0 0 0 0 0 0 1\n1 0 0 0 0 1 0 0 0 0 1 0\n")
    assert find_homo_eva(root)[0].poses is None
    dump_camera(Camera(400, 300, np.array([[300.0, 0, 199.5], [0, 300.0, 149.5], [0, 0, 1]])), root / "camera.yaml")
    pairs = find_homo_eva(root)
    assert pairs[0].poses is not None and pairs[2].poses is None
    np.testing.assert_array_equal(read_pose_pair(pairs[0].poses).map_T_query, np.eye(4))
    assert main(["evaluate", "alignment", str(root), "--only-ours"]) == 0


@pytest.mark.parametrize("text", ["", "1 2 3\n1 2 3\n", "0 0 0 0 0 0 1\n", "0 0 0 0 0 0 1\n0 0 0 0 0 0 0\n", "a b\n", "0 0 0 0 0 0 1\n" * 3,
                                  "0 0 0 0 0 0 1\n2 0 0 0 0 2 0 0 0 0 2 0\n", "0 0 0 0 0 0 1\nnan 0 0 0 0 0 1\n"])
def test_bad_poses_are_refused_by_name(tmp_path, text):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(DatasetError, match="p.txt"):
        read_pose_pair(tmp_path / "p.txt")


@pytest.mark.parametrize("damage, said", [
    (lambda f: (f / "Q1" / "00000007.png").unlink(), "no query: expected"),
    (lambda f: (f / "gt" / "00000000.txt").unlink(), "no points: expected"),
    (lambda f: shutil.rmtree(f / "Q1"), "no query"),
    (lambda f: shutil.rmtree(f / "gt"), "no points"),
    (lambda f: [p.unlink() for p in (f / "G1").iterdir()], "no pictures"),
    (lambda f: (f / "gt" / "00000000.txt").write_text("1 2\n"), "00000000.txt"),
    (lambda f: ((f / "pose").mkdir(), (f / "pose" / "00000007.txt").write_text("")), "no poses: expected"),
])
def test_other_layouts_are_refused_saying_what_was_expected(root, capsys, damage, said):
    damage(root / "data" / "1.N6" / "00")
    assert main(["evaluate", "alignment", str(root), "--only-ours"]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error

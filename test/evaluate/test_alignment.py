"""Scoring alignment over folders of pairs with known answers, and over damaged ones."""

import json

import cv2
import numpy as np
import pytest

from umad_patrol.cli.main import main
from umad_patrol.evaluate.alignment import evaluate
from umad_patrol.evaluate.alignment_tables import table
from umad_patrol.evaluate.baselines import baseline
from umad_patrol.evaluate.pme import pme, summary
from umad_patrol.evaluate.pairs import find_pairs
from umad_patrol.config import AlignSettings
from umad_patrol.io.images import read_image, write_image

SHIFT = np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]])


def make_pair(folder, seed, plain=False):
    """A texture, the same moved by SHIFT, and points that say so."""
    rng = np.random.default_rng(seed)
    coarse = [rng.integers(0, 256, (300 // grain, 400 // grain, 3)).astype(np.uint8) for grain in (5, 12, 40)]
    texture = np.mean([cv2.resize(c, (400, 300), interpolation=cv2.INTER_CUBIC) for c in coarse], axis=0).astype(np.uint8)
    texture = cv2.convertScaleAbs(texture, alpha=2.0, beta=-128)
    folder.mkdir(parents=True)
    query = np.full_like(texture, 80) if plain else cv2.warpPerspective(texture, SHIFT, (400, 300), borderMode=cv2.BORDER_REFLECT)
    write_image(folder / "reference.png", texture)
    write_image(folder / "query.png", query)
    p = rng.uniform((30, 30), (370, 270), (10, 2))
    np.savetxt(folder / "points.txt", np.hstack([p, p + (12, -7)]), fmt="%.3f")
    return folder


@pytest.fixture
def pairs(tmp_path):
    for seed in range(2):
        make_pair(tmp_path / "pairs" / f"{seed:02}", seed)
    return tmp_path / "pairs"


def test_pme_is_the_mean_distance():
    points = np.array([[0, 0, 3, 4], [10, 10, 10, 10.0]])
    assert pme(np.eye(3), points) == 2.5
    assert pme(None, points) == 60
    assert pme(np.eye(3), points + [[0, 0, 1000, 0], [0, 0, 0, 0]]) == 30  # one point counts at most 60 px
    assert pme(np.array([[1.0, 0, 0], [0, 1, 0], [-0.1, 0, 1]]), np.array([[10.0, 0, 0, 0]])) == 60  # goes to infinity


def test_summary():
    figures = summary([1.0, 2.0, 3.0, 22.0])
    assert figures == {"mean_px": 7.0, "median_px": 2.5, "p95_px": 19.15, "worst_px": 22.0, "failures": 1}


def test_known_shift_is_scored(pairs):
    result, tiles = evaluate(find_pairs(pairs), AlignSettings(), pictures=True)
    methods = result["methods"]
    assert methods["ours"]["mean_px"] < 0.2 and methods["ours"]["failures"] == 0
    assert methods["identity"]["mean_px"] == pytest.approx(np.hypot(12, 7), abs=0.01) and methods["identity"]["failures"] == 2
    assert set(methods) == {"ours", "identity", "ORB + RANSAC", "ORB + MAGSAC", "SIFT + RANSAC", "SIFT + MAGSAC"}
    assert all(methods[name]["mean_px"] < 2 for name in methods if name != "identity")
    assert [row["id"] for row in result["by_pair"]] == ["00", "01"] and result["not_comparable"] == []
    assert len(tiles) == 2 and all(name in table(result) for name in methods)


def test_what_is_not_comparable_costs_most_and_is_named(pairs):
    make_pair(pairs / "plain", 7, plain=True)
    result, _ = evaluate(find_pairs(pairs), AlignSettings())
    assert result["not_comparable"] == ["plain"] and result["methods"]["ours"]["worst_px"] == 60
    assert result["methods"]["SIFT + RANSAC"]["worst_px"] == 60
    assert "not comparable: plain" in table(result)


def test_baseline_without_features():
    plain = np.zeros((50, 50, 3), np.uint8)
    assert baseline(plain, plain, cv2.ORB_create, cv2.RANSAC) is None
    assert baseline(plain, plain, cv2.SIFT_create, cv2.USAC_MAGSAC) is None


def test_command_line_writes_table_json_and_sheet(pairs, tmp_path, capsys):
    target, sheet = tmp_path / "result.json", tmp_path / "sheet.png"
    assert main(["evaluate", "alignment", str(pairs), "--only-ours", "--sheet", str(sheet), "--json", str(target)]) == 0
    assert "ours" in capsys.readouterr().out
    assert json.loads(target.read_text())["pairs"] == 2
    assert read_image(sheet).std() > 10


def test_settings_reach_the_evaluation(pairs, tmp_path):
    target = tmp_path / "result.json"
    assert main(["evaluate", "alignment", str(pairs), "--only-ours", "--set", "align.method=identity", "--json", str(target)]) == 0
    methods = json.loads(target.read_text())["methods"]
    assert methods["ours"]["mean_px"] == methods["identity"]["mean_px"]


@pytest.mark.parametrize("damage, word", [
    (lambda d: (d / "01" / "points.txt").unlink(), "points.txt"),
    (lambda d: (d / "01" / "points.txt").write_text("1 2 3\n"), "points.txt"),
    (lambda d: (d / "01" / "query.png").unlink(), "query"),
    (lambda d: (d / "01" / "query.png").write_bytes(b"x"), "query.png"),
    (lambda d: (d / "01" / "reference.png").write_bytes((d / "01" / "reference.png").read_bytes()[:20]), "reference.png"),
])
def test_damaged_folders_are_refused_by_name(pairs, capsys, damage, word):
    damage(pairs)
    assert main(["evaluate", "alignment", str(pairs), "--only-ours"]) == 2
    error = capsys.readouterr().err
    assert word in error and "01" in error and "Traceback" not in error


def test_folders_without_pairs_are_refused(tmp_path, capsys):
    assert main(["evaluate", "alignment", str(tmp_path)]) == 2
    assert main(["evaluate", "alignment", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("umad-patrol evaluate: ") == 2


@pytest.mark.slow
def test_real_pairs_are_aligned_well(data_dir):
    """The requirement: a mean PME of at most 1.5 px. It scores, nothing is chosen by it."""
    result, _ = evaluate(find_pairs(data_dir / "align_pairs"), AlignSettings(), baselines=False)
    assert result["methods"]["ours"]["mean_px"] <= 1.5 and result["methods"]["ours"]["failures"] == 0

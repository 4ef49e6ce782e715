"""Verdicts over folders of pairs: what is counted as wrong, which pairs are of different places, bad input."""

import json

import numpy as np
import pytest
from textures import make_pair

from umad_patrol.cli.main import main
from umad_patrol.config import AlignSettings
from umad_patrol.errors import DatasetError
from umad_patrol.evaluate.pairs import find_pairs, place_of
from umad_patrol.evaluate.verdict import different, evaluate, table
from umad_patrol.io.images import read_image


@pytest.fixture
def pairs(tmp_path):
    for seed, name in enumerate(("hall_0", "hall_1", "yard_0")):
        make_pair(tmp_path / "pairs" / name, seed)
    return tmp_path / "pairs"


def test_places_come_from_poses_or_names(pairs, tmp_path):
    (pairs / "hall_1" / "poses.yaml").write_text("place: attic\n")
    make_pair(tmp_path / "more" / "07", 9)
    assert [place_of(pair) for pair in find_pairs(pairs) + find_pairs(tmp_path / "more")] == ["hall", "attic", "yard", "07"]


def test_different_pairs_never_share_a_place(pairs):
    chosen = different(find_pairs(pairs), 200, np.random.default_rng(0))
    assert len(chosen) == len(set((a.id, b.id) for a, b in chosen)) == 4
    assert all(place_of(a) != place_of(b) for a, b in chosen)
    assert len(different(find_pairs(pairs), 3, np.random.default_rng(0))) == 3


def test_good_pairs_are_taken_and_different_ones_refused(pairs):
    result, tiles = evaluate(find_pairs(pairs), AlignSettings())
    assert result["good"] == {"pairs": 3, "refused": 0, "taken_wrongly": 0} and result["different"] == {"pairs": 4, "taken": 0}
    assert result["wrong"] == [] and tiles == []
    assert "0 of 4" in table(result)


def test_an_aligner_that_takes_everything_is_found_out(pairs):
    result, tiles = evaluate(find_pairs(pairs), AlignSettings(method="identity"))
    assert result["good"] == {"pairs": 3, "refused": 0, "taken_wrongly": 3} and result["different"]["taken"] == 4
    assert len(tiles) == len(result["wrong"]) == 7 and "13.9 px off" in table(result)


def test_refused_good_pairs_are_named_with_the_reason(pairs, tmp_path, capsys):
    make_pair(pairs / "wall_0", 5, plain=True)
    target, sheet = tmp_path / "v.json", tmp_path / "v.png"
    assert main(["evaluate", "verdict", str(pairs), "--json", str(target), "--sheet", str(sheet)]) == 0
    result = json.loads(target.read_text())
    assert result["good"]["refused"] == 1 and result["wrong"][0]["query"] == "pairs/wall_0"
    assert "pairs/wall_0: not comparable" in capsys.readouterr().out
    assert read_image(sheet).shape[1] == 4 * 480


def test_the_seed_decides(pairs):
    ids = [[(a.id, b.id) for a, b in different(find_pairs(pairs), 2, np.random.default_rng(seed))] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] and any(ids[0] != [(a.id, b.id) for a, b in different(find_pairs(pairs), 2, np.random.default_rng(s))] for s in range(2, 9))


def test_one_place_has_no_different_pairs(pairs, capsys):
    with pytest.raises(DatasetError, match="one place"):
        different([pair for pair in find_pairs(pairs) if pair.id.startswith("hall")], 5, np.random.default_rng(0))


@pytest.mark.parametrize("words, said", [
    (["--count", "0"], "--count 0"), (["--count", "-5"], "-5"), (["--seed", "-1"], "-1"), (["--sheet", "/nowhere/at/all.png"], "/nowhere/at/all.png"),
    (["--sheet", "wrong.txt"], "wrong.txt"), (["nowhere"], "nowhere"),
])
def test_bad_wishes_are_one_line(pairs, capsys, words, said):
    assert main(["evaluate", "verdict", str(pairs), *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("umad-patrol evaluate: ")]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize("damage, said", [
    (lambda d: (d / "hall_0" / "query.png").write_bytes(b"x"), "query.png"), (lambda d: (d / "hall_0" / "poses.yaml").write_text("- 1"), "poses.yaml"),
    (lambda d: (d / "hall_0" / "points.txt").write_text("1"), "points.txt"), (lambda d: (d / "hall_0" / "reference.png").unlink(), "reference"),
])
def test_damaged_pairs_are_refused_by_name(pairs, capsys, damage, said):
    damage(pairs)
    assert main(["evaluate", "verdict", str(pairs)]) == 2
    error = capsys.readouterr().err
    assert said in error and "hall_0" in error and "Traceback" not in error

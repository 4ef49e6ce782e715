"""Scoring over a folder of pairs, and the verbs `detect` and `evaluate detection` on good and on bad input."""

import json

import cv2
import numpy as np
import pytest

from umad_patrol.cli.main import main
from umad_patrol.config import Settings, with_values
from umad_patrol.errors import ImageError
from umad_patrol.evaluate.compare import PairComparer
from umad_patrol.evaluate.detection import SPREAD, SWEPT, evaluate, sweep, table
from umad_patrol.evaluate.pairs import find_pairs

HEIGHT, WIDTH = 160, 240


@pytest.fixture
def pictures(rng):
    """A blotched ground, and the same with a red box on it."""
    blotches = cv2.resize(rng.normal(0, 18, (20, 30)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    grain = cv2.GaussianBlur(rng.normal(0, 25, (HEIGHT, WIDTH)), (0, 0), 1.2)
    reference = np.clip(120 + blotches + grain, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    query = reference.copy()
    query[60:100, 100:120] = (30, 20, 190)
    return reference, query


def write_pair(folder, reference, query, **masks):
    folder.mkdir(parents=True)
    for name, image in {"reference": reference, "query": query, **masks}.items():
        cv2.imwrite(str(folder / f"{name}.png"), image)


def labelled(bit=128):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[60:100, 100:120] = bit
    return labels


def run(*words):
    return main([str(word) for word in words])


def refusal(capsys, *words):
    assert run(*words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("umad-patrol ") and "\n" not in error and "Traceback" not in error
    return error


def test_a_sweep_has_at_each_threshold_what_an_evaluation_with_it_has(tmp_path, pictures, capsys):
    write_pair(tmp_path / "a", *pictures, labels=labelled())
    write_pair(tmp_path / "b", *pictures, labels=labelled(32))
    pairs, settings = find_pairs(tmp_path, needs=("labels",)), with_values(Settings(), {"detect.detector": "gradient"})
    rows = sweep(pairs, settings)["sweep"]
    assert len(rows) == sum(low <= high for high in SWEPT for low in SPREAD) and len({row["f1"] for row in rows}) > 2
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        cut = with_values(settings, {"detect.threshold": row["threshold"], "detect.low_threshold": row["low_threshold"]})
        total = evaluate(pairs, cut)["total"]
        assert {name: value for name, value in total.items() if name != "ms"} == {name: row[name] for name in total if name != "ms"}
    assert run("evaluate", "detection", tmp_path, "--sweep", "--set", "detect.detector=gradient") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(rows) + 1
    assert "leave out --out" in refusal(capsys, "evaluate", "detection", tmp_path, "--sweep", "--out", tmp_path / "o")


def test_what_was_put_there_is_found_and_scored(tmp_path, pictures):
    write_pair(tmp_path / "a", *pictures, labels=labelled())
    write_pair(tmp_path / "b", *pictures, labels=labelled(32))
    write_pair(tmp_path / "c", *pictures, labels=np.zeros((HEIGHT, WIDTH), np.uint8))
    result = evaluate(find_pairs(tmp_path, needs=("labels",)), Settings())
    a, b, c = result["by_pair"]
    assert a["f1"] > 0.9 and a["strict_f1"] > 0.8 and a["average_precision"] > 0.9 and (a["large_found"], a["large"]) == (1, 1)
    assert not b["f1"] and b["strict_f1"] == 0.0 and (b["dynamic_alarms"], b["false_regions"]) == (1, 0)
    assert c["f1"] == 0.0 and (c["dynamic_alarms"], c["false_regions"]) == (0, 1)
    total = result["total"]
    assert total["false_regions"] == pytest.approx(1 / 3, abs=0.01) and (total["large_found"], total["large"]) == (1, 1)
    assert len(table(result).splitlines()) == 5


def test_only_what_is_valid_and_below_the_horizon_counts(tmp_path, pictures):
    below = np.zeros((HEIGHT, WIDTH), np.uint8)
    below[120:] = 255
    write_pair(tmp_path / "masked", *pictures, labels=labelled(), below_horizon=below)
    write_pair(tmp_path / "bits", *pictures, labels=labelled() | np.where(below > 0, 64, 0).astype(np.uint8))
    valid = np.full((HEIGHT, WIDTH), 255, np.uint8)
    valid[:, 80:140] = 0
    write_pair(tmp_path / "unseen", *pictures, labels=labelled(), valid=valid)
    for row in evaluate(find_pairs(tmp_path), with_values(Settings(), {"detect.detector": "gradient"}))["by_pair"]:
        assert (row["f1"], row["large"], row["false_regions"]) == (None, 0, 0)
        assert (row["strict_f1"] or 0) > 0.8 if row["id"] != "unseen" else row["strict_f1"] is None


def test_a_pair_that_cannot_be_aligned_counts_as_an_empty_mask(tmp_path, pictures):
    write_pair(tmp_path / "a", np.full_like(pictures[0], 90), pictures[1], labels=labelled())
    result = evaluate(find_pairs(tmp_path), Settings(), align=True)
    assert result["not_comparable"] == ["a"] and result["total"]["f1"] == 0.0 and result["total"]["large_found"] == 0
    assert "not comparable" in table(result)


def test_the_verb_prints_and_writes(tmp_path, pictures, capsys):
    write_pair(tmp_path / "pairs" / "a", *pictures, labels=labelled())
    assert run("evaluate", "detection", tmp_path / "pairs", "--out", tmp_path / "out", "--json", tmp_path / "r.json") == 0
    assert "strict" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "out" / "a.png")).shape == (HEIGHT, WIDTH, 3)
    assert json.loads((tmp_path / "r.json").read_text())["pairs"] == 1


def test_the_table_shows_whole_names(tmp_path, pictures):
    name = "1750095000248359918"    # a stamp, as `pairs` names those of a patrol
    for pair in (name, "a"):
        write_pair(tmp_path / pair, *pictures, labels=labelled())
    lines = table(evaluate(find_pairs(tmp_path, needs=("labels",)), with_values(Settings(), {"detect.detector": "gradient"}))).splitlines()
    assert lines[1].startswith(f"{name} ") and len({len(line) for line in lines}) == 1


def test_a_full_disk_leaves_no_half_of_what_detect_found(tmp_path, pictures, capsys, monkeypatch):
    for name, picture in zip(("reference.png", "query.png"), pictures):
        cv2.imwrite(str(tmp_path / name), picture)
    words = ["detect", tmp_path / "reference.png", tmp_path / "query.png", "--out", tmp_path / "o", "--set", "detect.detector=gradient"]

    def full(path, image):
        if path.name == "overlay.png":
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(b"x")

    monkeypatch.setattr("umad_patrol.cli.detect.write_image", full)
    assert "No space left on device; free space" in refusal(capsys, *words) and not (tmp_path / "o").exists()


def test_folders_that_cannot_be_scored_are_refused(tmp_path, pictures, capsys):
    assert "no folder" in refusal(capsys, "evaluate", "detection", tmp_path / "none")
    assert "no pairs" in refusal(capsys, "evaluate", "detection", tmp_path)
    write_pair(tmp_path / "one" / "a", *pictures)
    assert "lacks labels" in refusal(capsys, "evaluate", "detection", tmp_path / "one")
    write_pair(tmp_path / "two" / "a", *pictures, labels=labelled()[:50])
    assert "240x50, the query 240x160" in refusal(capsys, "evaluate", "detection", tmp_path / "two")
    write_pair(tmp_path / "three" / "a", pictures[0][:100], pictures[1], labels=labelled())
    said = refusal(capsys, "evaluate", "detection", tmp_path / "three")
    assert "240x100" in said and "three/a" in said


def test_masks_that_are_no_bits_are_refused_by_name(tmp_path, pictures, capsys):
    for name, labels in {"white": labelled(255), "coloured": np.dstack([labelled(), labelled() * 0, labelled()]), "deep": labelled().astype(np.uint16)}.items():
        write_pair(tmp_path / name / "a", *pictures, labels=labels)
        assert f"{name}/a/labels.png" in refusal(capsys, "evaluate", "detection", tmp_path / name)


@pytest.mark.parametrize("options", [("--no-align",), ()])
def test_detect_writes_its_four_files(tmp_path, pictures, capsys, options):
    for name, image in zip(("r", "q"), pictures):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    assert run("detect", tmp_path / "r.png", tmp_path / "q.png", "--out", tmp_path / "out", "--json", tmp_path / "r.json",
               "--set", "detect.detector=gradient", *options) == 0
    mask = cv2.imread(str(tmp_path / "out" / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
    assert cv2.imread(str(tmp_path / "out" / "score.png"), cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH)
    assert cv2.imread(str(tmp_path / "out" / "overlay.png")).shape == (HEIGHT, WIDTH, 3)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result == json.loads((tmp_path / "r.json").read_text())
    if options:
        assert result["status"] == "compared" and len(result["regions"]) == 1 and mask[80, 110] == 255 and not mask[:, :90].any()


def test_detect_refuses_bad_pictures_in_one_line(tmp_path, pictures, capsys):
    reference, query = pictures
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), reference)
    cv2.imwrite(str(tmp_path / "small.png"), query[:100])
    cv2.imwrite(str(tmp_path / "dot.png"), query[:1, :1])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    whole = cv2.imencode(".jpg", query)[1].tobytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "file").write_text("")
    for bad, words in (("small.png", "240x160, the query 240x100"), ("empty.jpg", "empty.jpg"), ("text.jpg", "text.jpg"),
                       ("cut.jpg", "cut.jpg"), ("missing.png", "missing.png"), ("", "")):
        for options in ((), ("--no-align",)):
            assert words in refusal(capsys, "detect", good, tmp_path / bad, "--out", tmp_path / "out", *options)
    assert "1x1 pixels are too small" in refusal(capsys, "detect", tmp_path / "dot.png", tmp_path / "dot.png", "--out", tmp_path / "out")
    assert "is a file" in refusal(capsys, "detect", good, good, "--out", tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_aligned_is_said_and_has_an_empty_mask(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    assert run("detect", tmp_path / "flat.png", tmp_path / "flat.png", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("not comparable: ")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["status"] == "not comparable"
    assert not cv2.imread(str(tmp_path / "out" / "mask.png")).any()


def test_real_pairs_hold_the_anomalies_that_their_readme_counts(data_dir):
    result = evaluate(find_pairs(data_dir / "umad_pairs", needs=("labels",)), Settings())
    assert (result["total"]["large"], result["total"]["small"]) == (4, 12)
    assert result["total"]["large_found"] >= 2 and result["total"]["false_regions"] < 20


def test_comparing_twice_gives_the_same(pictures):
    comparer = PairComparer(Settings(), align=False)
    first, second = (comparer.compare(*pictures) for _ in range(2))
    assert np.array_equal(first.scores, second.scores) and first.regions == second.regions


def test_scores_are_those_of_what_is_new_alone(pictures):
    found = PairComparer(Settings(), align=False).compare(*pictures)
    assert len(found.score_map.classes) == 3
    assert np.array_equal(found.scores, found.score_map.scores[0, found.score_map.classes.index("anomaly")].numpy())


@pytest.mark.parametrize("what", ["features", "picture"])
def test_a_reference_from_beside_is_laid_where_it_lay(pictures, what):
    settings = with_values(Settings(), {"detect.lay": what})
    straight = PairComparer(settings, align=False).compare(*pictures)
    moved = PairComparer(settings, align=False, moved=1)
    beside, elsewhere = moved.compare(*pictures), moved.compare(*pictures)
    seen = beside.score_map.valid[0, 0].numpy()
    assert 0.6 < seen.mean() < 1 and not np.array_equal(beside.scores, elsewhere.scores)
    assert np.abs(beside.scores - straight.scores)[seen].mean() < 0.1 * max(0.05, straight.scores.max())
    again = PairComparer(settings, align=False, moved=1).compare(*pictures)
    assert np.array_equal(beside.scores, again.scores)


def test_from_beside_and_aligned_is_refused(tmp_path, capsys):
    for words in (["--moved", "1", "--align"], ["--moved", "-1"]):
        assert run("evaluate", "detection", tmp_path, *words) == 2
        assert "--moved" in capsys.readouterr().err


def test_a_result_that_is_not_of_these_pictures_is_not_left_behind(tmp_path, pictures, monkeypatch):
    for name, image in zip(("r", "q"), pictures):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    words = ("detect", tmp_path / "r.png", tmp_path / "q.png", "--out", tmp_path / "out", "--no-align", "--set", "detect.detector=gradient")
    assert run(*words) == 0

    def full(path, image):
        raise ImageError(f"cannot write {path}: no space left")

    monkeypatch.setattr("umad_patrol.cli.detect.write_image", full)
    assert run(*words) == 2 and not (tmp_path / "out" / "result.json").exists()

"""`pairs`: what a patrol compares, as files that scoring and training read; `evaluate frames`: the same, scored as it is compared."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from drives import SIZE, TOPICS, drive  # noqa: E402

from umad_patrol.cli.main import main
from umad_patrol.evaluate.pairs import find_pairs
from umad_patrol.train.real_pairs import find_real

BOX = slice(90, 126), slice(150, 181)


@pytest.fixture
def patrol(tmp_path, write_bag, messages):
    """A map, a patrol past a new box and its truth, in one folder."""
    assert main(["teach", str(write_bag(tmp_path / "teach", drive(messages, False))), str(tmp_path / "map"), *TOPICS]) == 0
    items = drive(messages, True)
    write_bag(tmp_path / "patrol", items)
    (tmp_path / "truth" / "masks").mkdir(parents=True)
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[BOX] = 128
    for stamp in [message.header.stamp for topic, _, message in items if topic == "/image"][:4]:
        cv2.imwrite(str(tmp_path / "truth" / "masks" / f"{stamp.sec * 10**9 + stamp.nanosec}.png"), labels)
    return tmp_path


def pairs(patrol, out, *more):
    return main(["pairs", str(patrol / out), "--patrol", str(patrol / "patrol"), "--map", str(patrol / "map"), *map(str, more), *TOPICS])


def test_every_frame_is_written_as_it_is_compared(patrol, capsys):
    assert pairs(patrol, "out", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(patrol / "out"), "frames": 6, "pairs": 6}
    for pair in find_pairs(patrol / "out", ("valid", "below_horizon")):
        reference, query = pair.pictures()
        seen = cv2.imread(str(pair.valid), 0) > 0
        differs = np.abs(reference.astype(int) - query).max(-1) > 60
        assert pair.labels is None and seen.mean() > 0.9 and differs[BOX].mean() > 0.9
        outside = seen.copy()
        outside[85:131, 145:186] = False
        assert differs[outside].mean() < 0.02
        below = cv2.imread(str(pair.below_horizon), 0)
        assert not below[:80].any() and below[100:].all()   # the camera looks level, its horizon is the middle row


def test_those_with_a_truth_can_be_scored_and_trained_on(patrol, capsys):
    assert pairs(patrol, "out", "--truth", patrol / "truth") == 0
    assert "4 pairs of 6 frames" in capsys.readouterr().out
    assert main(["evaluate", "detection", str(patrol / "out"), "--set", "detect.detector=gradient", "--json", str(patrol / "r.json")]) == 0
    training, held = find_real(patrol / "out", None)
    assert len(training) == 3 and len(held) == 1 and held[0].read().query_shows[0][BOX].all()


def test_every_so_many(patrol):
    assert pairs(patrol, "out", "--every", 4) == 0
    assert len(find_pairs(patrol / "out")) == 2


@pytest.mark.parametrize(("more", "says"), [
    (["--every", "0"], "every = 0"), (["--truth", "nowhere"], "nowhere"), (["--map", "nowhere"], "nowhere"), (["--pictures", "photographs"], "name one of them"), (["--patrol", "nowhere"], "nowhere")])
def test_bad_input_is_one_line_and_leaves_nothing(patrol, capsys, more, says):
    assert pairs(patrol, "out", *more) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert says in lines[-1] and not any(path.name.endswith("out") or path.name.startswith(".out") for path in patrol.iterdir())


def test_what_belongs_together_is_asked_for(patrol, capsys):
    assert main(["pairs", str(patrol / "out"), "--patrol", str(patrol / "patrol")]) == 2
    assert "--map" in capsys.readouterr().err
    assert main(["pairs", str(patrol / "out"), "--truth", str(patrol / "truth")]) == 2
    assert "--patrol" in capsys.readouterr().err
    (patrol / "truth" / "masks" / "0.png").touch()
    for path in (patrol / "truth" / "masks").glob("1*.png"):
        path.unlink()
    assert pairs(patrol, "out", "--truth", patrol / "truth") == 2
    assert "has its mask" in capsys.readouterr().err


def frames(patrol, *more, truth="truth"):
    return main(["evaluate", "frames", str(patrol / "patrol"), "--map", str(patrol / "map"), "--truth", str(patrol / truth), *map(str, more),
                 "--set", "detect.detector=gradient", *TOPICS])


def test_frames_are_scored_as_they_are_compared(patrol, capsys):
    assert frames(patrol, "--json", patrol / "r.json", "--out", patrol / "overlays") == 0
    printed, result = capsys.readouterr().out, json.loads((patrol / "r.json").read_text())
    assert (result["frames"], result["compared"]) == (4, 4) and "4 frames, 4 compared" in printed
    assert result["total"]["tall_found"] == result["total"]["tall"] == result["total"]["large"] == 4 and result["total"]["f1"] > 0.8
    assert result["false_in_all"] == 0 and "over 12 px high: 4 of 4 (1.00)" in printed
    drawn = [cv2.imread(str(path)) for path in (patrol / "overlays").glob("*.png")]
    assert len(drawn) == 4 and all((picture[BOX][..., 2] > 150).mean() > 0.8 for picture in drawn)
    assert frames(patrol, "--every", 2, "--sweep", "--json", patrol / "s.json") == 0
    rows = json.loads((patrol / "s.json").read_text())["sweep"]
    assert len({row["f1"] for row in rows}) > 1 and all(row["tall"] == 2 for row in rows)


def test_frames_without_a_reference_count_as_empty(patrol, capsys):
    assert frames(patrol, "--set", "retrieve.max_distance_m=0.01", "--json", patrol / "r.json") == 0
    result = json.loads((patrol / "r.json").read_text())
    assert result["frames"] == 4 and result["total"]["tall"] == 4 and result["total"]["tall_found"] == result["compared"] < 4


@pytest.mark.parametrize(("more", "says"), [(["--every", "0"], "--every 0"), (["--sweep", "--out", "o"], "leave out --out"),
                                            (["--map", "nowhere"], "nowhere")])
def test_what_cannot_be_scored_is_refused_in_one_line(patrol, capsys, more, says):
    assert frames(patrol, *more) == 2
    assert says in capsys.readouterr().err.strip().splitlines()[-1]


def test_truth_that_is_none_is_refused(patrol, capsys):
    assert frames(patrol, truth="nowhere") == 2 and "nowhere" in capsys.readouterr().err
    for path in (patrol / "truth" / "masks").glob("*.png"):
        cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    assert frames(patrol) == 2 and "is 30x20, the frame 320x180" in capsys.readouterr().err
    for path in (patrol / "truth" / "masks").glob("*.png"):
        path.unlink()
    assert frames(patrol) == 2 and "has its mask" in capsys.readouterr().err

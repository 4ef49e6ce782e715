"""`pairs`: what a patrol compares, as files that scoring and training read."""

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

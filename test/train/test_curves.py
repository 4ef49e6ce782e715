"""Curves from a log, and a sheet of pairs."""

import json

import numpy as np
import pytest
import torch

from umad_patrol.errors import TrainingError
from umad_patrol.train.curves import draw_curves, read_log
from umad_patrol.train.loop import Loop
from umad_patrol.train.preview import draw_sheet


def row(step, loss=1.0):
    scores = {"f1_anomaly": 0.5, "f1_dynamic": 0.4, "f1_changed": 0.1, "large": 0.9, "small": 0.3, "false": 1.5}
    return {"step": step, "seconds": step * 2.0, "loss": loss, **scores}


def test_a_session_that_went_on_replaces_what_came_after_its_checkpoint(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in (row(10), row(20, 5.0), row(30, 5.0), row(20, 0.7), row(40, 0.6))))
    assert [(r["step"], r["loss"]) for r in read_log(path)] == [(10, 1.0), (20, 0.7), (40, 0.6)]
    assert draw_curves(read_log(path)).shape == (680, 1120, 3)


@pytest.mark.parametrize("rows", ([], [row(1)], [row(i, 3 / i) for i in range(1, 50)]))
def test_any_number_of_lines_is_drawn(rows):
    image = draw_curves(rows)
    assert image.dtype == np.uint8 and (image != 255).any()


def test_unfinished_lines_are_passed_over_and_no_log_is_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(row(1)) + "\n{}\n[1]\n" + json.dumps(row(2))[:40])
    assert [r["step"] for r in read_log(path)] == [1]
    with pytest.raises(TrainingError, match="no log"):
        read_log(tmp_path / "none.jsonl")


def test_the_sheet_outlines_the_truth_and_blackens_the_invalid():
    target, valid = torch.zeros(3, 64, 64), torch.ones(1, 64, 64)
    for cls, at in enumerate((5, 25, 45)):
        target[cls, at:at + 12, 10:22] = 1
    valid[:, :, 50:] = 0
    query, reference = (torch.full((3, 64, 64), grey, dtype=torch.uint8) for grey in (100, 200))
    sheet = draw_sheet([(query, reference, valid, target, target)] * 3)
    assert sheet.shape == (128, 384, 3) and (sheet[:64, :64] == 200).all() and (sheet[:64, 64:128] == 100).all()
    drawn = sheet[:64, 128:192]
    assert tuple(drawn[5, 15]) == (0, 0, 255) and tuple(drawn[25, 15]) == (255, 0, 0) and tuple(drawn[45, 15]) == (0, 255, 255)     # BGR
    assert (drawn[:, 50:] == 0).all() and tuple(drawn[11, 16]) == (100, 100, 100)


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path):
    loop = object.__new__(Loop)
    loop.folder, loop.LOG, loop.step, loop.seconds, loop.loss = tmp_path, "log.jsonl", 1, 2.0, 0.5
    loop._write_line(row(0) | {"step": loop.step})
    path = tmp_path / "log.jsonl"
    path.write_text(path.read_text() + path.read_text()[:20])
    loop.step = 2
    loop._write_line(row(0) | {"step": loop.step})
    assert [r["step"] for r in read_log(path)] == [1, 2]
